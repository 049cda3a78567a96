"""Figures as rows of text: the headline, one table a level, and the estimates of the whole library."""

from collections.abc import Sequence
from dataclasses import dataclass

from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.summary import Figures, read_interval

Row = dict[str, str]
"""A row of a table: text by column."""

_OBJECT_FIGURES = {
    "top1": "best guess is right",
    "top3": "one of the best three guesses is right",
    "top1_hierarchical": "best guess is right, or a parent of the right one",
    "coverage": "true objects that it has a label for",
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure on a scale from 0 to 1, with its interval where it has one, and the teacher's figure."""

    value: float | None
    low: float | None = None
    high: float | None = None
    teacher: float | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the headline with its interval, or the reason why it has none, and the teacher's.

    `photos` is the number of photos that the figure is about.
    """

    name: str
    kind: str
    value: str
    interval: str
    reason: str
    photos: int
    teacher: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of the library, from people alone and from people with the teacher.

    Each is given as a value and its interval in text, and as a mark.
    """

    name: str
    kind: str
    alone: tuple[str, str, Mark]
    together: tuple[str, str, Mark]


def headline_lines(student: Figures, teacher: Figures | None) -> list[Line]:
    """Return scene accuracy, each attribute's F1, and the objects' F1 and top-1, beside the teacher's."""
    theirs = teacher or {"scene": None, "attributes": {}, "objects": None}
    objects = student["objects"]
    lines = [_line("Scene", "accuracy", student["scene"], theirs["scene"], "accuracy", "support")]
    lines += [
        _line(name, "F1", values, theirs["attributes"].get(name), "f1", "positives")
        for name, values in student["attributes"].items()
    ]
    lines.append(_line("Objects", "F1", objects, theirs["objects"], "f1", "n"))
    if "top1" in objects:
        lines.append(_line("Objects", "best guess right", objects, None, "top1", "n"))
    return lines


def scene_rows(student: Figures, teacher: Figures | None) -> list[Row]:
    """Return one row a scene: photos, precision, recall, F1, and the teacher's F1."""
    theirs = {row["scene"]: row for row in teacher["scene"]["per_class"]} if teacher else {}
    return [
        {"scene": row["scene"], "photos": str(row["support"])}
        | _shares(row, ("precision", "recall", "f1"))
        | ({"teacher's F1": format_share(theirs.get(row["scene"], {}).get("f1"))} if teacher else {})
        for row in student["scene"]["per_class"]
    ]


def attribute_rows(student: Figures, teacher: Figures | None) -> list[Row]:
    """Return one row an attribute: photos, positives, precision, recall, F1 with interval, teacher's F1."""
    rows = []
    for name, values in student["attributes"].items():
        row = {"attribute": name, "photos": str(values["support"]), "with it": str(values["positives"])}
        row |= _shares(values, ("precision", "recall", "f1"))
        row["F1 interval"] = format_interval(values, "f1")
        if "average_precision" in values:
            row["average precision"] = format_share(values["average_precision"])
        if teacher:
            row["teacher's F1"] = format_share(teacher["attributes"].get(name, {}).get("f1"))
        rows.append(row)
    return rows


def object_rows(student: Figures, teacher: Figures | None) -> list[Row]:
    """Return one row for each figure of objects: value, interval, and the teacher's value."""
    objects = student["objects"]
    return [
        {"objects": text, "student": format_share(objects[key]), "interval": format_interval(objects, key)}
        | ({"teacher": format_share(teacher["objects"].get(key))} if teacher else {})
        for key, text in _OBJECT_FIGURES.items()
        if key in objects
    ]


def library_estimates(student: Figures) -> list[Estimate]:
    """Return the prediction-powered figures of a metrics file, none where it has none."""
    powered = student.get("prediction_powered", {})
    found = [("Scene", powered["scene"], "accuracy")] if "scene" in powered else []
    for name, figures in powered.get("attributes", {}).items():
        found += [(name, figures, "prevalence"), (name, figures, "accuracy")]
    return [_estimate(*each) for each in found if each[1].get(f"{each[2]}_ppi") is not None]


def format_share(value: float | None) -> str:
    """Return a share in 0..1 as a percentage, a dash where there is none."""
    return "–" if value is None else f"{100 * value:.0f} %"


def format_interval(figures: Figures, key: str) -> str:
    """Return a figure's interval in percent, empty where it has none."""
    interval = read_interval(figures, key)
    if interval is None or interval.reason:
        return ""
    return f"{100 * interval.low:.0f}–{100 * interval.high:.0f}"


def _line(name: str, kind: str, ours: Figures, theirs: Figures | None, key: str, count: str) -> Line:
    teacher = theirs.get(key) if theirs else None
    interval = read_interval(ours, key) or Interval(reason="not estimated")
    return Line(
        name=name,
        kind=kind,
        value=format_share(ours[key]),
        interval=format_interval(ours, key),
        reason=interval.reason,
        photos=ours[count],
        teacher=format_share(teacher),
        mark=_mark(ours, key, teacher),
    )


def _estimate(name: str, figures: Figures, key: str) -> Estimate:
    alone, together = (
        (format_share(figures[each]), format_interval(figures, each), _mark(figures, each))
        for each in (key, f"{key}_ppi")
    )
    return Estimate(name, "share of photos" if key == "prevalence" else key, alone, together)


def _mark(figures: Figures, key: str, teacher: float | None = None) -> Mark:
    interval = read_interval(figures, key)
    if interval is None or interval.reason:
        return Mark(figures[key], teacher=teacher)
    return Mark(figures[key], interval.low, interval.high, teacher)


def _shares(values: Figures, keys: Sequence[str]) -> Row:
    return {"F1" if key == "f1" else key: format_share(values[key]) for key in keys}
