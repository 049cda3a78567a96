"""What people's answers and the teacher's together say of the whole library, beside people's alone."""

from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from vibe_photos.report.figures import Mark, draw_pair
from vibe_photos.report.tables import format_interval, format_share
from vibe_photos.statistics.summary import Figures, read_interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of the library: people alone, people with the teacher, and both drawn."""

    name: str
    kind: str
    alone: str
    alone_interval: str
    together: str
    together_interval: str
    scale: Markup


def library_estimates(student: Figures) -> list[Estimate]:
    """Return the prediction-powered figures of a metrics file, none where it has none."""
    powered = student.get("prediction_powered", {})
    return [
        _estimate(name, figures, key)
        for name, figures, key in _list_figures(powered)
        if figures.get(f"{key}_ppi") is not None
    ]


def _list_figures(powered: Figures) -> Iterator[tuple[str, Figures, str]]:
    if "scene" in powered:
        yield "Scene", powered["scene"], "accuracy"
    for name, figures in powered.get("attributes", {}).items():
        yield name, figures, "prevalence"
        yield name, figures, "accuracy"


def _estimate(name: str, figures: Figures, key: str) -> Estimate:
    powered = f"{key}_ppi"
    alone, together = format_share(figures[key]), format_share(figures[powered])
    alt = f"{name} {key}: people alone {alone}, with the teacher {together}"
    return Estimate(
        name=name,
        kind="share of photos" if key == "prevalence" else key,
        alone=alone,
        alone_interval=format_interval(figures, key),
        together=together,
        together_interval=format_interval(figures, powered),
        scale=draw_pair(_mark(figures, key), _mark(figures, powered), alt),
    )


def _mark(figures: Figures, key: str) -> Mark:
    interval = read_interval(figures, key)
    if interval is None or interval.reason:
        return Mark(figures[key])
    return Mark(figures[key], interval.low, interval.high)
