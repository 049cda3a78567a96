"""Plots as SVG, drawn by hand: colours come from the page's custom properties, text from its fonts.

Each function returns markup in which every text is escaped. Shares are in 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

CELL_PX = 40
LABEL_PX = 92
OVERHANG_PX = 44
"""How far the slanted name of the last column reaches beyond it."""

CURVE_PX = 200
MARGIN_PX = 34
Point = tuple[float, float]
"""Recall and precision."""

_DARK_CELL = 0.55
"""From this share on a cell is dark enough for light figures."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure on a scale from 0 to 1, with its interval where it has one, beside the teacher's."""

    value: float
    low: float | None = None
    high: float | None = None
    teacher: float | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts by true class (row) and predicted class (column); columns may end with `missing`."""

    actual: Sequence[str]
    predicted: Sequence[str]
    counts: Sequence[Sequence[int]]


def draw_scale(mark: Mark, alt: str) -> Markup:
    """Draw a figure as a dot on its interval, the teacher's as a diamond; as wide as its place."""
    parts = [Markup('<line class="rail" x1="0" x2="100%" y1="12" y2="12"/>')]
    if mark.low is not None and mark.high is not None:
        parts.append(
            Markup('<line class="range" x1="{}%" x2="{}%" y1="12" y2="12"/>').format(
                _percent(mark.low), _percent(mark.high)
            )
        )
    if mark.teacher is not None:
        # Percentages place the nested svg, its own units draw the diamond.
        diamond = Markup('<svg x="{}%" y="12" overflow="visible"><path class="teacher" d="{}"/></svg>')
        parts.append(diamond.format(_percent(mark.teacher), "M0-6 6 0 0 6-6 0Z"))
    parts.append(Markup('<circle class="student" cx="{}%" cy="12" r="5"/>').format(_percent(mark.value)))
    opening = Markup('<svg class="scale" role="img" aria-label="{}" height="24">').format(alt)
    return opening + Markup("").join(parts) + Markup("</svg>")


def draw_confusion(confusion: Confusion) -> Markup:
    """Draw a heat map: a row is one true class, a cell's depth the share of its photos."""
    width = LABEL_PX + CELL_PX * len(confusion.predicted) + OVERHANG_PX
    top = LABEL_PX - 12
    height = top + CELL_PX * len(confusion.actual)
    parts = [_column_label(name, column, top) for column, name in enumerate(confusion.predicted)]
    for row, name in enumerate(confusion.actual):
        y = top + CELL_PX * row
        parts.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
                LABEL_PX - 8, y + CELL_PX / 2 + 5, name
            )
        )
        total = sum(confusion.counts[row])
        for column, count in enumerate(confusion.counts[row]):
            parts.append(
                _cell(count, total, LABEL_PX + CELL_PX * column, y, name, confusion.predicted[column])
            )
    return _figure(
        width, height, "confusion", "Confusion matrix: rows are true scenes, columns predicted", parts
    )


def draw_curve(points: Sequence[Point], student: Point | None, teacher: Point | None, alt: str) -> Markup:
    """Draw precision over recall.

    Args:
        points: in the order of rising recall.
        student: where the chosen threshold lies.
        teacher: the teacher's place; it has no threshold, and so no curve.
        alt: what the plot says, in words.
    """
    parts = [_grid()]
    if points:
        path = "M" + " ".join(f"{_x(recall)} {_y(precision)}" for recall, precision in points)
        start, end = _x(points[0][0]), _x(points[-1][0])
        area = f"{path} L{end} {_y(0)} L{start} {_y(0)}Z"
        parts.append(Markup('<path class="area" d="{}"/><path class="curve" d="{}"/>').format(area, path))
    if teacher is not None:
        diamond = Markup('<path class="teacher" transform="translate({} {})" d="M0-6 6 0 0 6-6 0Z"/>')
        parts.append(diamond.format(_x(teacher[0]), _y(teacher[1])))
    if student is not None:
        dot = Markup('<circle class="student" cx="{}" cy="{}" r="5"/>')
        parts.append(dot.format(_x(student[0]), _y(student[1])))
    return _figure(MARGIN_PX + CURVE_PX + 16, CURVE_PX + MARGIN_PX + 10, "curve-plot", alt, parts)


def _cell(count: int, total: int, x: float, y: float, actual: str, predicted: str) -> Markup:
    share = count / total if total else 0.0
    kind = "right" if actual == predicted else "wrong"
    title = f"{count} of {total} {actual} photos were labelled {predicted}"
    square = Markup(
        '<g><title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/>'
    ).format(title, kind, x + 1, y + 1, CELL_PX - 2, CELL_PX - 2, round(share, 3))
    if not count:
        return square + Markup("</g>")
    tone = "on-dark" if share > _DARK_CELL else ""
    text = Markup('<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text></g>')
    return square + text.format(tone, x + CELL_PX / 2, y + CELL_PX / 2 + 5, count)


def _column_label(name: str, column: int, top: float) -> Markup:
    x = LABEL_PX + CELL_PX * column + CELL_PX / 2 + 4
    return Markup('<text transform="translate({} {}) rotate(-45)">{}</text>').format(x, top - 6, name)


def _grid() -> Markup:
    lines = []
    for tick in (0.0, 0.5, 1.0):
        label = f"{round(100 * tick)}"
        lines.append(
            Markup('<path class="grid" d="M{} {}H{} M{} {}V{}"/>').format(
                _x(0), _y(tick), _x(1), _x(tick), _y(0), _y(1)
            )
        )
        lines.append(
            Markup('<text x="{}" y="{}" text-anchor="end">{}</text>').format(
                MARGIN_PX - 6, _y(tick) + 4, label
            )
        )
        lines.append(
            Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(_x(tick), _y(0) + 18, label)
        )
    return Markup("").join(lines)


def _figure(width: float, height: float, kind: str, alt: str, parts: Sequence[Markup]) -> Markup:
    opening = Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">')
    return opening.format(kind, alt, width, height) + Markup("").join(parts) + Markup("</svg>")


def _percent(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 2)


def _x(share: float) -> float:
    return round(MARGIN_PX + CURVE_PX * share, 1)


def _y(share: float) -> float:
    return round(10 + CURVE_PX * (1 - share), 1)
