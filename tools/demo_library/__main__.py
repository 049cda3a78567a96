"""Write the demo library: photos, truth and the simulated teacher's answers."""

import argparse
import shutil
from pathlib import Path

from tools.demo_library.library import SEED, keep_distinct, plan_library, state_truth, write_lines, write_photos
from tools.demo_library.simulated_teacher import answer_library, read_error_model

DEMO = Path("data/demo")


def write_library(folder: Path, error_model: Path, seed: int = SEED) -> str:
    """Write the whole library into a folder, replacing its photos; returns one line on what was written."""
    model = read_error_model(error_model)
    shutil.rmtree(folder / "photos", ignore_errors=True)
    named = list(write_photos(folder / "photos", plan_library(seed), seed))
    distinct = keep_distinct(named)
    write_lines(folder / "truth.jsonl", [state_truth(shot, image_id) for shot, image_id in distinct])
    write_lines(folder / "teacher_answers.simulated.jsonl", answer_library(distinct, model))
    size = sum(path.stat().st_size for path in (folder / "photos").rglob("*") if path.is_file())
    return f"{len(named)} files, {len(distinct)} distinct photos, {size / 1e6:.2f} MB in {folder}"


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_library", description=__doc__)
    parser.add_argument("--into", type=Path, default=DEMO, help="folder to write into (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed renders another, disjoint library")
    parser.add_argument("--error-model", type=Path, default=DEMO / "error_model.json", help="the teacher's error rates")
    arguments = parser.parse_args()
    print(write_library(arguments.into, arguments.error_model, arguments.seed))


if __name__ == "__main__":
    main()
