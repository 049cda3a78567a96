"""Write the demo library: photos, truth and the simulated teacher's answers."""

import argparse
from pathlib import Path

from tools.demo_library.library import (
    SEED,
    keep_distinct,
    name_image,
    plan_library,
    render_shot,
    state_truth,
    write_lines,
    write_photos,
)
from tools.demo_library.simulated_teacher import answer_library, read_error_model

DEMO = Path("data/demo")


def write_library(folder: Path, error_model: Path, seed: int = SEED) -> str:
    """Write the whole library into a folder, replacing its photos; returns one line on what was written."""
    model = read_error_model(error_model)
    shots = plan_library(seed)
    contents = {shot.rel_path: render_shot(shot, seed) for shot in shots}
    distinct = keep_distinct([(shot, name_image(contents[shot.rel_path])) for shot in shots])
    write_photos(folder / "photos", contents)
    write_lines(folder / "truth.jsonl", [state_truth(shot, image_id) for shot, image_id in distinct])
    write_lines(folder / "teacher_answers.simulated.jsonl", answer_library(distinct, model))
    size_mb = sum(map(len, contents.values())) / 1e6
    return f"{len(contents)} files, {len(distinct)} distinct photos, {size_mb:.2f} MB in {folder}"


def main() -> None:
    """Read the command line and write."""
    parser = argparse.ArgumentParser(prog="python -m tools.demo_library", description=__doc__)
    parser.add_argument("--into", type=Path, default=DEMO, help="folder to write into (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=SEED, help="another seed renders another, disjoint library"
    )
    parser.add_argument(
        "--error-model", type=Path, default=DEMO / "error_model.json", help="the teacher's error rates"
    )
    arguments = parser.parse_args()
    print(write_library(arguments.into, arguments.error_model, arguments.seed))


if __name__ == "__main__":
    main()
