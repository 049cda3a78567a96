"""Figures as rows of text and sentences: headline, a table for each level, shares of the library, scope."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import head_keys, show_name, shown_names
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.intervals import FEWEST_CASES, Interval
from vibe_photos.statistics.summary import Figures, read_interval


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure in a table; `of` is the number of photos that it rests on, given only where they are few."""

    text: str
    of: int | None = None


Row = dict[str, Cell]
"""A row of a table: a cell by column."""

_OBJECT_FIGURES = {
    "precision": "right when given (precision)",
    "recall": "found (recall)",
    "f1": "F1",
    "exact_precision": "exact: right when given",
    "exact_recall": "exact: found",
    "exact_f1": "exact: F1",
    "top1": "best guess is exactly right",
    "top3": "one of the best three is exactly right",
    "top1_hierarchical": "likeliest label is right, even a general one",
    "coverage": "true objects whose label is given to any photo",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure, a number in 0..1 and as `text`, with its interval, or the reason why it has none.

    `teacher` is the teacher's figure.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    teacher: float | None = None
    text: str = ""
    interval: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of the headline, and the teacher's as text; it is about `photos`, few or not."""

    name: str
    kind: str
    mark: Mark
    teacher: str
    photos: int
    is_few: bool


@dataclass(frozen=True, slots=True)
class Estimate:
    """One figure of the library, from human labels alone and together with the teacher's."""

    name: str
    kind: str
    alone: Mark
    together: Mark


def headline_lines(student: Figures, teacher: Figures | None, taxonomy: Taxonomy) -> list[Line]:
    """Return scene accuracy, and precision and recall of attributes and objects, with the teacher's."""
    names = shown_names(taxonomy, "attribute")
    theirs = teacher or {"scene": None, "attributes": {}, "objects": None}
    lines = [_line("Scene", "right", student["scene"], theirs["scene"], "accuracy", "support")]
    levels = [
        *(
            (names.get(name, name), values, theirs["attributes"].get(name))
            for name, values in student["attributes"].items()
        ),
        ("Objects", student["objects"], theirs["objects"]),
    ]
    for name, ours, others in levels:
        true = "n" if name == "Objects" else "positives"
        lines.append(_line(name, "right when given", ours, others, "precision", "given"))
        lines.append(_line(name, "found", ours, others, "recall", true))
    return lines


def describe_scope(student: Figures) -> list[str]:
    """Return sentences: which photos the figures represent, and which count differently or not at all."""
    said, spoken_for, library = [], student["speaks_for"], student["library"]
    if not spoken_for:
        said.append("How many photos the figures represent is not known: no record says how it was drawn.")
    elif spoken_for < library:
        said.append(f"The figures are about {student['about']}: {spoken_for:,} of {say_count(library)}.")
    else:
        said.append(f"The figures are about {student['about']}, all {say_count(library)}.")
    if "to_speak_for_all" in student:
        said.append(f"To make them represent all photos, {student['to_speak_for_all']}.")
    if student["skipped"]:
        said.append(f"Shown and skipped: {say_count(student['skipped'])}, assumed to be like the others.")
        bounds = student.get("prediction_powered", {}).get("scene", {}).get("accuracy_with_skipped")
        if bounds:
            low, high = map(format_share, bounds)
            said.append(
                f"If all of these had a wrong scene, {low} of the scenes would be right; if none, {high}."
            )
    counts = {
        "Checked out of order, so not counted yet": student["waiting"],
        "Checked, but not in the library any more": student["not_in_library"],
        "Without any label, so counted as wrong": student["missing"],
    }
    return said + [f"{text}: {say_count(count)}." for text, count in counts.items() if count]


def describe_anchoring(anchoring: Figures) -> str:
    """Return a sentence about how much the teacher's answer influenced people, from stage `agreement`.

    Empty where fewer than `FEWEST_CASES` photos were judged one of the two ways: that would be chance.
    """
    points, photos = anchoring["difference"], say_count(anchoring["unassisted"])
    interval = read_interval(anchoring, "difference") or Interval(reason="not estimated")
    if points is None:
        return (
            f"The teacher's answer was hidden on all photos that were judged on the review page ({photos})."
        )
    more = "fewer" if points < 0 else "more"
    if interval.reason:
        return ""
    said = (
        "Where people saw the teacher's answer before they judged, they agreed with its scene on "
        f"{100 * abs(points):.1f} {more} of 100 photos than where it was hidden. It was hidden on {photos}"
    )
    low, high = (f"{100 * end:+.1f}".replace("-", "\u2212") for end in (interval.low, interval.high))
    chance = " This may be chance." if interval.low <= 0 <= interval.high else ""
    return f"{said}. The true difference is probably between {low} and {high}.{chance}"


def describe_objects(student: Figures, taxonomy: Taxonomy, trained: Figures, fewest: int) -> list[str]:
    """Return sentences: object labels that the student gives or never gives, and how good its guesses are.

    Args:
        student: its metrics.
        taxonomy: of the object labels.
        trained: the metrics of its object head, empty where there are none.
        fewest: how many training photos a label needs (`train.object.min_positive`).
    """
    objects, keys = student["objects"], head_keys(taxonomy, "object")
    never = objects["labels_never_given"]
    given = [show_name(key, taxonomy) for key in keys if key not in never]
    photos = {row["label"]: row["photos"] for row in trained.get("not_learnable", [])}
    rare = [f"{show_name(key, taxonomy)} ({photos[key]})" for key in never if key in photos]
    unsure = [show_name(key, taxonomy) for key in never if key not in photos]
    said = [f"Of {say_count(len(keys), 'object label')} the student gives {len(given)}: {_join(given)}."]
    prompted = photos.keys() & set(keys) - set(never)
    if prompted:
        said.append(
            f"It gives {len(prompted)} of these by text prompt, because fewer than {fewest} training "
            "photos show them."
        )
    if rare:
        said.append(f"Too few training photos show these to learn them ({fewest} are needed): {_join(rare)}.")
    if unsure:
        said.append(
            f"It is never sure enough of these: {_join(unsure)}. A lower classify.object_threshold would "
            "give them, and more wrong labels."
        )
    if objects["n"]:
        said.append(
            "On photos that show an object, its best exact guess is right on "
            f"{format_share(objects['top1'])}, one of its three best on {format_share(objects['top3'])}. "
            "If general labels count as well, the one that it is surest of is right on "
            f"{format_share(objects['top1_hierarchical'])}."
        )
    return said


def scene_rows(
    student: Figures, teacher: Figures | None, given: Mapping[str, int], taxonomy: Taxonomy
) -> list[Row]:
    """Return one row for each scene: photos, precision, recall, F1, and the teacher's F1.

    `given` counts the photos that got each scene, by short name.
    """
    theirs = {row["scene"]: row for row in teacher["scene"]["per_class"]} if teacher else {}
    names = shown_names(taxonomy, "scene")
    rows = []
    for values in student["scene"]["per_class"]:
        name, photos = values["scene"], values["support"]
        row = {"scene": Cell(names.get(name, name)), "photos": Cell(str(photos))}
        row |= _shares(values, given.get(name, 0), photos)
        if teacher:
            row["teacher's F1"] = _share(theirs.get(name, {}).get("f1"), photos)
        rows.append(row)
    return rows


def attribute_rows(student: Figures, teacher: Figures | None, taxonomy: Taxonomy) -> list[Row]:
    """Return one row for each attribute: photos with it, precision, recall, F1 with interval, teacher's F1.

    Average precision is shown with each curve.
    """
    rows, names = [], shown_names(taxonomy, "attribute")
    for name, values in student["attributes"].items():
        positives = values["positives"]
        row = {"attribute": Cell(names.get(name, name)), "photos with it": Cell(str(positives))}
        row |= _shares(values, values["given"], positives)
        row["F1 interval"] = Cell(format_interval(values, "f1"))
        if teacher:
            row["teacher's F1"] = _share(teacher["attributes"].get(name, {}).get("f1"), positives)
        rows.append(row)
    return rows


def object_rows(student: Figures, teacher: Figures | None) -> list[Row]:
    """Return one row for each figure of objects: value, interval, and the teacher's value."""
    objects = student["objects"]
    photos = objects["n"]
    return [
        {
            "objects": Cell(text),
            "student": _share(objects[key], photos),
            "interval": Cell(format_interval(objects, key)),
        }
        | ({"teacher": _share(teacher["objects"].get(key), photos)} if teacher else {})
        for key, text in _OBJECT_FIGURES.items()
        if key in objects
    ]


def library_estimates(student: Figures, taxonomy: Taxonomy) -> list[Estimate]:
    """Return the prediction-powered figures of a metrics file, if it has any."""
    powered, names = student.get("prediction_powered", {}), shown_names(taxonomy, "attribute")
    found = [("Scene", powered["scene"], "accuracy")] if "scene" in powered else []
    for name, figures in powered.get("attributes", {}).items():
        found += [(names.get(name, name), figures, key) for key in ("prevalence", "accuracy")]
    return [_estimate(*each) for each in found if each[1].get(f"{each[2]}_ppi") is not None]


def format_share(value: float | None) -> str:
    """Return a share in 0..1 as a percentage, None as a dash; only exactly 1 is 100 %, only 0 is 0 %."""
    if value is None:
        return "–"
    rounded = round(100 * value)
    if rounded in (0, 100) and value not in (0, 1):
        return "< 1 %" if rounded == 0 else "> 99 %"
    return f"{rounded} %"


def format_interval(figures: Figures, key: str) -> str:
    """Return a figure's interval in percent, empty if it has none."""
    interval = read_interval(figures, key)
    if interval is None or interval.reason:
        return ""
    return f"{100 * interval.low:.0f}–{100 * interval.high:.0f}"


def _join(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _line(name: str, kind: str, ours: Figures, theirs: Figures | None, key: str, count: str) -> Line:
    teacher = theirs.get(key) if theirs else None
    mark = _mark(ours, key, teacher)
    return Line(name, kind, mark, format_share(teacher), ours[count], ours[count] < FEWEST_CASES)


def _estimate(name: str, figures: Figures, key: str) -> Estimate:
    kind = "share of photos" if key == "prevalence" else "student is right"
    return Estimate(name, kind, _mark(figures, key), _mark(figures, f"{key}_ppi"))


def _mark(figures: Figures, key: str, teacher: float | None = None) -> Mark:
    found = read_interval(figures, key) or Interval(reason="not estimated")
    low, high = (None, None) if found.reason else (found.low, found.high)
    texts = format_share(figures[key]), format_interval(figures, key), found.reason
    return Mark(figures[key], low, high, teacher, *texts)


def _shares(values: Figures, given: int, true: int) -> Row:
    """Return precision, recall and F1; `given` photos got the label, `true` ones show it."""
    return {
        "right when given": _share(values["precision"], given),
        "found": _share(values["recall"], true),
        "F1": _share(values["f1"], min(given, true)),
    }


def _share(value: float | None, photos: int) -> Cell:
    return Cell(format_share(value), photos if value is not None and photos < FEWEST_CASES else None)
