"""The whole `dvc repro` on the demo library: from nothing, with nothing changed, with one threshold changed.

The floor is what DVC takes to find that nothing changed, and, for a threshold, one bare Python with Hydra for
each stage that runs. The peer of a changed threshold is running everything again, as a script would.
Each round is a fresh clone with a store and a cache of its own.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.rounds import at_most, measure, parse_arguments, write_results

ROOT = Path(__file__).resolve().parent.parent
CHANGED = ("has_person: 0.5", "has_person: 0.3")
STAGES_OF_A_THRESHOLD = 6
"""compose, scan, classify, evaluate@human, evaluate@auto, report."""


def clone(folder: Path) -> Path:
    """Return a fresh clone of this repository as committed."""
    command = ["git", "clone", "-q", "--no-local", str(ROOT), str(folder / "clone")]
    subprocess.run(command, check=True)
    return folder / "clone"


def repro(repository: Path) -> float:
    """Run `dvc repro` there; return its seconds."""
    environment = os.environ | {
        "VIBE_PHOTOS_STORE": str(repository / ".store"),
        "PYTHONPATH": str(repository / "src"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
    }
    # A user's Python keeps compiled modules; containers often forbid it.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.perf_counter()
    subprocess.run(["dvc", "repro"], cwd=repository, env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def start_hydra() -> None:
    """What any Hydra entrypoint costs before it does anything."""
    subprocess.run([sys.executable, "-c", "import hydra, omegaconf"], check=True)


def measure_repros(rounds: int) -> dict[str, float]:
    """Return the median seconds of the three runs."""
    seconds: dict[str, list[float]] = {"from nothing": [], "nothing changed": [], "one threshold changed": []}
    for _ in range(rounds):
        folder = Path(tempfile.mkdtemp())
        try:
            repository = clone(folder)
            seconds["from nothing"].append(repro(repository))
            seconds["nothing changed"].append(repro(repository))
            params = repository / "params.yaml"
            text = params.read_text()
            if text.count(CHANGED[0]) != 1:
                raise SystemExit(f"{params} does not say {CHANGED[0]!r} once")
            params.write_text(text.replace(*CHANGED))
            seconds["one threshold changed"].append(repro(repository))
        finally:
            shutil.rmtree(folder)
    return {name: sorted(values)[len(values) // 2] for name, values in seconds.items()}


def print_repros(medians: Mapping[str, float], floor_seconds: float) -> None:
    """Print the table."""
    print("\ndvc repro on the demo library")
    for name, seconds in medians.items():
        print(f"{name:24} {seconds:7.2f} s")
    print(f"{'floor of a threshold':24} {floor_seconds:7.2f} s")


def main() -> None:
    """Print the seconds of each run."""
    arguments = parse_arguments(__doc__ or "", rounds=1)
    start_seconds = measure({"start": start_hydra}, 3)["start"]
    medians = measure_repros(arguments.rounds)
    floor_seconds = medians["nothing changed"] + (STAGES_OF_A_THRESHOLD - 2) * start_seconds
    print_repros(medians, floor_seconds)
    changed = medians["one threshold changed"]
    reach = at_most(
        "one threshold changed, times DVC's no-op and bare starts (peer: everything again)",
        changed / floor_seconds,
        2.0,
        medians["from nothing"] / floor_seconds,
    )
    write_results(arguments.json, {"repro": medians | {"floor of a threshold": floor_seconds}}, [reach])


if __name__ == "__main__":
    main()
