"""What the page says first: what the run is, and the few figures that sum it up."""

from dataclasses import dataclass
from pathlib import PurePath

from markupsafe import Markup

from vibe_photos.report.figures import Mark, draw_scale
from vibe_photos.report.sources import Sources
from vibe_photos.report.tables import format_interval, format_share
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.summary import Figures, read_interval

DEMO_ROOT = PurePath("data/demo/photos")


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the headline: its name, what it is of, value, range, plot, and the teacher's value."""

    name: str
    kind: str
    value: str
    interval: str
    reason: str
    photos: int
    scale: Markup
    teacher: str


def describe_run(sources: Sources) -> tuple[str, str] | None:
    """Return a warning's title and text where a figure of this run does not mean what it seems to.

    The demo is rendered and its teacher simulated; answers that say of themselves that they are simulated
    count wherever they come from.
    """
    is_rendered = PurePath(sources.settings.library.root) == DEMO_ROOT
    is_replayed = sources.settings.teacher.server == "replay"
    if not is_replayed and not (sources.answers and sources.answers.is_simulated):
        return None
    title = "Rendered photos, simulated teacher" if is_rendered else "Simulated teacher"
    photos = "Its photos were drawn by a program. " if is_rendered else ""
    return title, (
        f"{photos}No model gave these answers: a program that knows the truth errs at published rates. "
        "The figures show that the pipeline works and what it can measure; "
        "they say nothing about a real teacher" + (" or real photos." if is_rendered else ".")
    )


def headline_lines(student: Figures, teacher: Figures | None) -> list[Line]:
    """Return scene accuracy, each attribute's F1 and the objects' F1 and top-1, with the teacher's beside."""
    lines = [
        _line("Scene", "accuracy", student["scene"], teacher and teacher["scene"], "accuracy", "support")
    ]
    for name, values in student["attributes"].items():
        theirs = teacher and teacher["attributes"].get(name)
        lines.append(_line(name, "F1", values, theirs, "f1", "positives"))
    objects = student["objects"]
    lines.append(_line("Objects", "F1", objects, teacher and teacher["objects"], "f1", "n"))
    if "top1" in objects:
        lines.append(_line("Objects", "best guess right", objects, None, "top1", "n"))
    return lines


def _line(name: str, kind: str, ours: Figures, theirs: Figures | None, key: str, count: str) -> Line:
    value, ceiling = ours[key], theirs.get(key) if theirs else None
    alt = f"{name} {kind}: student {format_share(value)}, teacher {format_share(ceiling)}"
    interval = read_interval(ours, key) or Interval(reason="not estimated")
    low, high = (None, None) if interval.reason else (interval.low, interval.high)
    mark = Mark(value or 0.0, low, high, ceiling)
    return Line(
        name=name,
        kind=kind,
        value=format_share(value),
        interval=format_interval(ours, key),
        reason=interval.reason,
        photos=ours[count],
        scale=draw_scale(mark, alt) if value is not None else Markup(""),
        teacher=format_share(ceiling),
    )
