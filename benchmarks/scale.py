"""How each stage's time and memory grow with the library, on synthetic libraries without pixels.

Every stage runs as `dvc repro` would run it: its script, in a process of its own, start-up included. Memory
is the peak resident set of that process. `python -m benchmarks scale` takes 1,000 and 10,000 photos;
`python -m benchmarks.scale --sizes 1000 10000 100000 1000000 --plot docs/scale.svg` takes hours and 20 GB.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.rounds import Reach, at_most
from benchmarks.scale_plot import plot_scale

ROOT = Path(__file__).resolve().parent.parent
STAGES = (
    ("convert", "convert_annotations.py"),
    ("sample", "sample_for_review.py"),
    ("split", "split_photos.py"),
    ("train@scene", "train_head.py", "head=scene"),
    ("train@attribute", "train_head.py", "head=attribute"),
    ("train@object", "train_head.py", "head=object"),
    ("score", "score_photos.py"),
    ("classify", "classify_photos.py"),
    ("evaluate@human", "evaluate_labels.py", "truth=human"),
    ("evaluate@auto", "evaluate_labels.py", "truth=auto"),
    ("agreement", "measure_agreement.py"),
    ("report", "render_report.py"),
)
AUDITED = 1_000


@dataclass(frozen=True, slots=True)
class Cost:
    """What one stage took: wall-clock and processor seconds, and its peak resident memory in MB."""

    stage: str
    photos: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure_library(photos: int, folder: Path, overrides: Sequence[str] = ()) -> list[Cost]:
    """Run all stages over a library of so many photos, with further overrides of the configuration."""
    _make_up("make", str(folder), str(photos))
    costs = []
    for name, script, *choice in STAGES:
        command = [script, *choice, *_place_files(folder, photos), *overrides]
        costs.append(run_stage(name, command, folder, photos))
        print(_describe(costs[-1]), flush=True)
        if name == "sample":
            _make_up("audit", str(folder))
    return costs


def find_reaches(costs: Sequence[Cost]) -> list[Reach]:
    """Return the worst growth against a linear one, and the largest memory, of the largest library."""
    sizes = sorted({cost.photos for cost in costs})
    cpu_seconds = {(cost.stage, cost.photos): cost.cpu_seconds for cost in costs}
    small, large = sizes[0], sizes[-1]
    growth = max(cpu_seconds[name, large] / cpu_seconds[name, small] / (large / small) for name, *_ in STAGES)
    memory_mb = max(cost.peak_mb for cost in costs if cost.photos == large)
    return [
        at_most(f"any stage's time from {small:,} to {large:,} photos, times a linear growth", growth, 1.0),
        at_most(f"any stage's memory at {large:,} photos", memory_mb, 8_000, unit="MB"),
    ]


def _make_up(*arguments: str) -> None:
    """Have a process of its own do it: a child's peak memory counts what its parent held when it forked."""
    subprocess.run([sys.executable, "-m", "benchmarks.synthetic_library", *arguments], cwd=ROOT, check=True)


def run_stage(name: str, command: list[str], folder: Path, photos: int) -> Cost:
    """Run one stage's script to its end.

    Raises:
        SystemExit: it failed; its own words are printed.
    """
    environment = os.environ | {"VIBE_PHOTOS_STORE": str(folder / "store")}
    log = folder / "log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, ROOT / "stages" / command[0], *command[1:]],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - started
    if process.returncode:
        raise SystemExit(f"{name} failed on {photos} photos:\n{log.read_text()}")
    return Cost(name, photos, seconds, usage.ru_utime + usage.ru_stime, _peak_mb(usage))


def _peak_mb(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def _place_files(folder: Path, photos: int) -> list[str]:
    names = {
        "photos": "photos.jsonl",
        "raw_annotations": "raw.jsonl",
        "auto": "auto",
        "sample": "to_review.json",
        "human": "human",
        "splits": "splits.json",
        "embeddings": "embeddings",
        "models": "models",
        "probabilities": "probabilities.sqlite",
        "labels": "labels.sqlite",
        "eval": "eval",
        "report": "report.html",
    }
    places = [f"paths.{key}={folder / name}" for key, name in names.items()]
    return [*places, f"library.root={folder}", "embedder=hog", f"sample.size={min(AUDITED, photos // 4)}"]


def _describe(cost: Cost) -> str:
    return (
        f"{cost.photos:>9,} {cost.stage:16} {cost.seconds:9.2f} s {cost.cpu_seconds:9.2f} s CPU "
        f"{cost.peak_mb:8,.0f} MB"
    )


def main() -> None:
    """Measure every size, print, and write the table and the plot that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000], metavar="PHOTOS")
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="other values for stages")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="where the libraries are made")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the table there as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write the plot there")
    arguments = parser.parse_args()
    costs = []
    for photos in arguments.sizes:
        folder = Path(tempfile.mkdtemp(prefix="scale-", dir=arguments.work))
        try:
            costs += measure_library(photos, folder, arguments.set)
        finally:
            shutil.rmtree(folder)
    if arguments.json:
        found = {
            "costs": [asdict(cost) for cost in costs],
            "reaches": [asdict(row) for row in find_reaches(costs)],
        }
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    if arguments.plot:
        arguments.plot.write_text(plot_scale([asdict(cost) for cost in costs]))


if __name__ == "__main__":
    main()
