"""Time several ways of doing one job against each other, in the same run.

Candidates take turns, so that a machine that gets slower gets slower for all of them; medians are
compared, never a figure of one run with a figure of another.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import asdict as fields_of
from msgspec.structs import replace

from vibe_photos.configuration import read_resolved
from vibe_photos.settings import Paths, Settings


@dataclass(frozen=True, slots=True)
class Reach:
    """A row of the summary: a figure, the same of the peer, and what is wanted of it."""

    what: str
    figure: str
    peer: str
    wanted: str
    is_met: bool


def at_least(what: str, figure: float, wanted: float, peer: float | None = None, unit: str = "") -> Reach:
    """Return the row of a figure that is to be large."""
    return Reach(what, _say(figure, unit), _say(peer, unit), f">= {_say(wanted, unit)}", figure >= wanted)


def at_most(what: str, figure: float, wanted: float, peer: float | None = None, unit: str = "") -> Reach:
    """Return the row of a figure that is to be small."""
    return Reach(what, _say(figure, unit), _say(peer, unit), f"<= {_say(wanted, unit)}", figure <= wanted)


def _say(figure: float | None, unit: str) -> str:
    if figure is None:
        return ""
    digits = f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"
    return f"{digits} {unit}".strip()


def parse_arguments(description: str, rounds: int) -> argparse.Namespace:
    """Return the command line's `rounds` (how often each candidate runs) and `json` (a file, or None)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each candidate runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the medians there as well")
    return parser.parse_args()


def measure(candidates: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each candidate, after one round that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for round_number in range(rounds + 1):
        for name, candidate in candidates.items():
            start = time.perf_counter()
            candidate()
            if round_number:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def print_table(title: str, medians: Mapping[str, float], floor: str, amount: float, unit: str) -> None:
    """Print each candidate's milliseconds, its rate (`amount` a run) and its share of the floor's rate."""
    width = max(len(name) for name in medians)
    print(f"\n{title}\n{'':{width}}  {'ms':>10}  {unit + '/s':>12}  of the floor's rate")
    for name, seconds in medians.items():
        share = medians[floor] / seconds
        print(f"{name:{width}}  {seconds * 1e3:10.2f}  {amount / seconds:12,.1f}  {share:.2f}")


def write_results(
    path: Path | None, results: Mapping[str, Mapping[str, float]], reaches: Sequence[Reach] = ()
) -> None:
    """Write medians in seconds by table and candidate, and the summary's rows, where a file was asked for."""
    if path is not None:
        rows = [asdict(reach) for reach in reaches]
        path.write_text(json.dumps({"medians": results, "reaches": rows}, indent=2) + "\n")


def settings_in(folder: Path, **changes: Any) -> Settings:
    """Return the settings of the last `dvc repro` with every file in `folder`, and with other sections."""
    base = read_resolved()
    paths = Paths(**{name: folder / path.name for name, path in fields_of(base.paths).items()})
    return replace(base, paths=paths, **changes)
