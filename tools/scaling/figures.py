"""The measured figures that every estimate is computed from, each with its source."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import msgspec

FOLDER = Path(__file__).resolve().parent


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One number: `value` in `unit`; `source` is the command that measured it, or why it is assumed."""

    what: str
    value: float
    unit: str
    kind: Literal["measured", "assumed"]
    source: str


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one file takes for each photo; DVC's cache holds another copy of an out."""

    stage: str
    path: str
    bytes_per_photo: float
    is_out: bool


class StageCost(msgspec.Struct, frozen=True):
    """What one stage took on a library of `photos`, as `python -m benchmarks.scale --json` writes it."""

    stage: str
    photos: int
    cpu_seconds: float
    peak_mb: float


class StageGrowth(msgspec.Struct, frozen=True):
    """How a stage grows: what it takes whatever the library, and for each photo."""

    stage: str
    fixed_seconds: float
    seconds_per_photo: float
    fixed_mb: float
    mb_per_photo: float

    def cpu_seconds(self, photos: int) -> float:
        """Return one core's seconds for a library of `photos`."""
        return self.fixed_seconds + self.seconds_per_photo * photos

    def peak_mb(self, photos: int) -> float:
        """Return the peak resident memory in MB."""
        return self.fixed_mb + self.mb_per_photo * photos


def read_figures() -> dict[str, Figure]:
    """Return the figures by name."""
    return msgspec.yaml.decode((FOLDER / "figures.yaml").read_bytes(), type=dict[str, Figure])


def read_files() -> list[File]:
    """Return what each file takes for each photo."""
    return msgspec.yaml.decode((FOLDER / "files.yaml").read_bytes(), type=list[File])


class _Measured(msgspec.Struct, frozen=True):
    """What `python -m benchmarks.scale --json` writes."""

    costs: list[StageCost]


def read_stage_costs() -> list[StageCost]:
    """Return what stages took, from `measured_stages.json`."""
    return msgspec.json.decode((FOLDER / "measured_stages.json").read_bytes(), type=_Measured).costs


def read_growth() -> list[StageGrowth]:
    """Return how each stage grows."""
    costs = read_stage_costs()
    stages = dict.fromkeys(cost.stage for cost in costs)
    return [fit_growth([cost for cost in costs if cost.stage == stage]) for stage in stages]


def fit_growth(costs: Sequence[StageCost]) -> StageGrowth:
    """Return the line through the two largest libraries of one stage; it falls nowhere."""
    small, large = sorted(costs, key=lambda cost: cost.photos)[-2:]
    more = large.photos - small.photos
    seconds = max(0.0, (large.cpu_seconds - small.cpu_seconds) / more)
    mb = max(0.0, (large.peak_mb - small.peak_mb) / more)
    return StageGrowth(
        large.stage,
        fixed_seconds=max(0.0, large.cpu_seconds - seconds * large.photos),
        seconds_per_photo=seconds,
        fixed_mb=max(0.0, large.peak_mb - mb * large.photos),
        mb_per_photo=mb,
    )
