"""A metrics mapping as plain text for a terminal: headline, tables, confusion."""

from collections.abc import Sequence

from vibe_photos.statistics.summary import Figures, read_interval

_CLASS_COLUMNS = ("precision", "recall", "f1", "support")
_ATTRIBUTE_COLUMNS = ("precision", "recall", "f1", "average_precision", "support", "positives", "missing")


def format_figures(figures: Figures) -> str:
    """Return the tables of a metrics mapping that `statistics.summary.summarise` made."""
    scenes, attributes = _format_scenes(figures["scene"]), _format_attributes(figures["attributes"])
    return "\n".join([*scenes, *attributes, *_format_objects(figures["objects"])])


def format_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Return aligned lines: the first column to the left, the others to the right."""
    cells = [list(header), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    return ["  ".join(_align(row, widths)).rstrip() for row in cells]


def format_share(figures: Figures, name: str) -> str:
    """Return a figure with its interval, or with the reason why it has none."""
    value, interval = _cell(figures[name]), read_interval(figures, name)
    if interval is None:
        return value
    ends = f"{_cell(interval.low)} to {_cell(interval.high)}"
    return f"{value} (no interval: {interval.reason})" if interval.reason else f"{value} ({ends})"


def _format_scenes(scene: Figures) -> list[str]:
    rows = [[row[column] for column in ("scene", *_CLASS_COLUMNS)] for row in scene["per_class"]]
    confusion = ["no scene was confused with another"]
    if scene["confusion"]:
        pairs = [(row["actual"], row["predicted"], row["photos"]) for row in scene["confusion"]]
        table = format_table(("true", "predicted", "photos"), pairs)
        confusion = ["confused, most frequent first:", *table]
    return [
        f"SCENES ({scene['support']} photos, {scene['missing']} without a predicted scene)",
        f"accuracy {format_share(scene, 'accuracy')}, macro-F1 {format_share(scene, 'macro_f1')}",
        "",
        *format_table(("scene", *_CLASS_COLUMNS), rows),
        "",
        *confusion,
        "",
    ]


def _format_attributes(attributes: Figures) -> list[str]:
    columns = [column for column in _ATTRIBUTE_COLUMNS if any(column in v for v in attributes.values())]
    rows = [
        [name, *(values[column] for column in columns), _range(values)] for name, values in attributes.items()
    ]
    return ["ATTRIBUTES", *format_table(("attribute", *columns, "f1 interval"), rows), ""]


def _format_objects(objects: Figures) -> list[str]:
    lines = [f"OBJECTS ({objects['n']} photos with true objects, {objects['missing']} without any judged)"]
    for name in ("top1", "top3", "top1_hierarchical", "coverage", "precision", "recall", "f1"):
        if name in objects:
            lines.append(f"{name:<18}{format_share(objects, name)}")
    return lines


def _range(values: Figures) -> str:
    interval = read_interval(values, "f1")
    if interval is None:
        return ""
    return interval.reason or f"{_cell(interval.low)} to {_cell(interval.high)}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _align(row: list[str], widths: list[int]) -> list[str]:
    first, *others = zip(row, widths, strict=True)
    return [first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]
