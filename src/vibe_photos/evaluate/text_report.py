"""A metrics mapping as plain text for a terminal: headline, tables, confusion, and definitions."""

from collections.abc import Mapping, Sequence
from textwrap import wrap

from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import show_name, shown_names
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.summary import Figures, explain_no_interval, read_interval

_CLASS_COLUMNS = ("precision", "recall", "f1", "support")
_ATTRIBUTE_COLUMNS = (
    *("precision", "recall", "f1", "average_precision"),
    *("support", "positives", "given", "missing"),
)
_OBJECT_FIGURES = (
    *("precision", "recall", "f1", "exact_precision", "exact_recall", "exact_f1"),
    *("top1", "top3", "top1_given", "top3_given", "top1_hierarchical", "coverage"),
)
_MEANING = """
In brackets: the range in which the figure probably lies for all such photos.
precision: share of the given labels that are right; recall: share of the true labels that are found;
  F1: high only where both are; average precision: precision over all thresholds; support: photos judged;
  positives: those with the label; given: those that got it; missing: those without a prediction.
Objects: a general label (electronics) is right of a more specific object (a phone).
  exact_: the most specific labels alone; top1, top3: photos whose best guess, or one of the best three, is an
  object in them; _given: the same among the labels that a photo got, as the older scripts count;
  top1_hierarchical: photos whose likeliest label, even a general one, is right;
  coverage: share of the true objects whose label is given to any photo at all."""


def format_figures(figures: Figures, taxonomy: Taxonomy) -> str:
    """Return the tables of a metrics mapping that `statistics.summary.summarise` made, with labels' names."""
    scenes = _format_scenes(figures["scene"], shown_names(taxonomy, "scene"))
    attributes = _format_attributes(figures["attributes"], shown_names(taxonomy, "attribute"))
    return "\n".join([*scenes, *attributes, *_format_objects(figures["objects"], taxonomy), _MEANING])


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return aligned lines: the first column left-aligned, the others right-aligned."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = []
    for row in cells:
        columns = enumerate(zip(row, widths, strict=True))
        aligned = (f"{text:{'>' if column else '<'}{width}}" for column, (text, width) in columns)
        lines.append("  ".join(aligned).rstrip())
    return lines


def format_share(figures: Figures, name: str) -> str:
    """Return a figure with its interval, or why it has none."""
    return " ".join(filter(None, (_cell(figures[name]), _range(figures, name))))


def _format_scenes(scene: Figures, names: Mapping[str, str]) -> list[str]:
    def show(name: str) -> str:
        return names.get(name, name)

    rows = [[show(row["scene"]), *(row[column] for column in _CLASS_COLUMNS)] for row in scene["per_class"]]
    confusion = ["no scene was confused with another"]
    if scene["confusion"]:
        pairs = [(show(row["actual"]), show(row["predicted"]), row["photos"]) for row in scene["confusion"]]
        table = format_table(("true", "predicted", "photos"), pairs)
        confusion = ["confused, most frequent first:", *table]
    return [
        f"SCENES ({say_count(scene['support'])}, {scene['missing']} without a predicted scene)",
        f"accuracy {format_share(scene, 'accuracy')}, macro-F1 {format_share(scene, 'macro_f1')}",
        "",
        *format_table(("scene", *_CLASS_COLUMNS), rows),
        "",
        *confusion,
        "",
    ]


def _format_attributes(attributes: Figures, names: Mapping[str, str]) -> list[str]:
    columns = [column for column in _ATTRIBUTE_COLUMNS if any(column in v for v in attributes.values())]
    rows = [
        [names.get(name, name), *(values[column] for column in columns), _range(values, "f1").strip("()")]
        for name, values in attributes.items()
    ]
    return ["ATTRIBUTES", *format_table(("attribute", *columns, "f1 interval"), rows), ""]


def _format_objects(objects: Figures, taxonomy: Taxonomy) -> list[str]:
    lines = [
        f"OBJECTS ({say_count(objects['n'])} with a true object, {objects['missing']} without any judged)",
        *(f"{name:<17}  {format_share(objects, name)}" for name in _OBJECT_FIGURES if name in objects),
    ]
    if objects.get("labels_never_given"):
        names = ", ".join(show_name(key, taxonomy) for key in objects["labels_never_given"])
        lines += wrap(f"given to no photo at all: {names}", 100, subsequent_indent="  ")
    return lines


def _range(figures: Figures, name: str) -> str:
    """Return an interval in brackets, or why there is none; empty for a figure that never has one."""
    interval = read_interval(figures, name)
    if interval is None:
        return ""
    if interval.reason:
        return f"(no interval: {explain_no_interval(interval.reason)})"
    return f"({_cell(interval.low)} to {_cell(interval.high)})"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
