"""Plots as SVG. Colours are the page's custom properties, every text is escaped, shares are in 0..1.

Coordinates are rounded to a fixed number of decimals, so that the same figures give the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vibe_photos.statistics.reliability import ReliabilityPoint

CELL_PX = 40
LABEL_PX = 92
OVERHANG_PX = 44
"""How far the slanted name of the last column reaches beyond it."""
SQUARE_PX = 200
MARGIN_PX = 34

Point = tuple[float, float]
"""Recall and precision."""

_DARK_CELL = 0.55
"""From this share on a cell is dark enough for light figures."""
_RAIL = Markup('<line class="rail" x1="0" x2="100%" y1="12" y2="12"/>')


@dataclass(frozen=True, slots=True)
class Mark:
    """One figure on a scale from 0 to 1, with its interval where it has one, and the teacher's figure."""

    value: float
    low: float | None = None
    high: float | None = None
    teacher: float | None = None


@dataclass(frozen=True, slots=True)
class Confusion:
    """Photos by true class (row) and predicted class (column); the last column may be `missing`."""

    actual: Sequence[str]
    predicted: Sequence[str]
    counts: Sequence[Sequence[int]]


def draw_scale(mark: Mark, alt: str) -> Markup:
    """Draw a figure as a dot on its interval, the teacher's as a diamond; the plot fills its container."""
    parts = [_RAIL, _draw_range(mark, "student", 12)]
    if mark.teacher is not None:
        # Percentages place the inner svg, its own units draw the diamond.
        diamond = '<svg x="{}%" y="12" overflow="visible"><path class="teacher" d="M0-6 6 0 0 6-6 0Z"/></svg>'
        parts.append(_fill(diamond, _percent(mark.teacher)))
    parts.append(_fill('<circle class="student" cx="{}%" cy="12" r="5"/>', _percent(mark.value)))
    return _wrap_scale(alt, parts)


def draw_pair(alone: Mark, together: Mark, alt: str) -> Markup:
    """Draw two estimates of one figure, one above the other; the plot fills its container."""
    parts = [_RAIL]
    for mark, kind, y in ((alone, "alone", 7), (together, "student", 17)):
        dot = _fill('<circle class="{}" cx="{}%" cy="{}" r="4"/>', kind, _percent(mark.value), y)
        parts += [_draw_range(mark, kind, y), dot]
    return _wrap_scale(alt, parts)


def draw_confusion(confusion: Confusion) -> Markup:
    """Draw a heat map: a row is one true class, a cell's depth is its share of the row's photos."""
    top = LABEL_PX - 12
    column_label = '<text transform="translate({} {}) rotate(-45)">{}</text>'
    parts = [
        _fill(column_label, LABEL_PX + CELL_PX * column + CELL_PX // 2 + 4, top - 6, name)
        for column, name in enumerate(confusion.predicted)
    ]
    for row, actual in enumerate(confusion.actual):
        y = top + CELL_PX * row
        label = '<text x="{}" y="{}" text-anchor="end">{}</text>'
        parts.append(_fill(label, LABEL_PX - 8, y + CELL_PX // 2 + 5, actual))
        total = sum(confusion.counts[row])
        for column, (predicted, count) in enumerate(
            zip(confusion.predicted, confusion.counts[row], strict=True)
        ):
            parts.append(_draw_cell(count, total, LABEL_PX + CELL_PX * column, y, actual, predicted))
    width = LABEL_PX + CELL_PX * len(confusion.predicted) + OVERHANG_PX
    height = top + CELL_PX * len(confusion.actual)
    alt = "Confusion matrix: rows are true scenes, columns predicted"
    return _wrap_figure(width, height, "confusion", alt, parts)


def draw_curve(points: Sequence[Point], student: Point | None, teacher: Point | None, alt: str) -> Markup:
    """Draw precision over recall.

    Args:
        points: in the order of rising recall.
        student: the point of the threshold in use.
        teacher: the teacher's point; it has no threshold and so no curve.
        alt: what the plot shows, in words.
    """
    parts = [_draw_grid()]
    if points:
        path = "M" + " ".join(f"{_x(recall)} {_y(precision)}" for recall, precision in points)
        area = f"{path} L{_x(points[-1][0])} {_y(0)} L{_x(points[0][0])} {_y(0)}Z"
        parts.append(_fill('<path class="area" d="{}"/><path class="curve" d="{}"/>', area, path))
    if teacher is not None:
        diamond = '<path class="teacher" transform="translate({} {})" d="M0-6 6 0 0 6-6 0Z"/>'
        parts.append(_fill(diamond, _x(teacher[0]), _y(teacher[1])))
    if student is not None:
        parts.append(_fill('<circle class="student" cx="{}" cy="{}" r="5"/>', _x(student[0]), _y(student[1])))
    return _wrap_square(alt, parts)


def draw_reliability(
    evaluated: Sequence[ReliabilityPoint], training: Sequence[ReliabilityPoint], alt: str
) -> Markup:
    """Draw a reliability diagram: the share that is true over the predicted probability.

    Args:
        evaluated: points of the photos that the page evaluates, by rising probability; dots on intervals.
        training: points of out-of-fold predictions, by rising probability; diamonds.
        alt: what the plot shows, in words.
    """
    parts = [_draw_grid(), _fill('<path class="diagonal" d="M{} {}L{} {}"/>', _x(0), _y(0), _x(1), _y(1))]
    for points, kind in ((training, "by-teacher"), (evaluated, "by-people")):
        if points:
            line = "M" + " ".join(f"{_x(point.probability)} {_y(point.frequency)}" for point in points)
            parts.append(_fill('<path class="reliability {}" d="{}"/>', kind, line))
    diamond = '<path class="teacher" transform="translate({} {})" d="M0-4.5 4.5 0 0 4.5-4.5 0Z"/>'
    bar, dot = '<path class="bar" d="M{} {}V{}"/>', '<circle class="student" cx="{}" cy="{}" r="3.5"/>'
    parts += [_fill(diamond, _x(point.probability), _y(point.frequency)) for point in training]
    parts += [
        _fill(bar, _x(point.probability), _y(point.interval.low), _y(point.interval.high))
        for point in evaluated
    ]
    parts += [_fill(dot, _x(point.probability), _y(point.frequency)) for point in evaluated]
    return _wrap_square(alt, parts)


def _draw_range(mark: Mark, kind: str, y: int) -> Markup:
    if mark.low is None or mark.high is None:
        return Markup("")
    line = '<line class="range {}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>'
    return _fill(line, kind, _percent(mark.low), _percent(mark.high), y, y)


def _draw_cell(count: int, total: int, x: int, y: int, actual: str, predicted: str) -> Markup:
    share = count / total if total else 0.0
    title = f"{count} of {total} {actual} photos were labelled {predicted}"
    kind = "right" if actual == predicted else "wrong"
    square = '<title>{}</title><rect class="{}" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/>'
    cell = _fill(square, title, kind, x + 1, y + 1, CELL_PX - 2, CELL_PX - 2, round(share, 3))
    if count:
        tone = "on-dark" if share > _DARK_CELL else ""
        text = '<text class="{}" x="{}" y="{}" text-anchor="middle">{}</text>'
        cell += _fill(text, tone, x + CELL_PX // 2, y + CELL_PX // 2 + 5, count)
    return _fill("<g>{}</g>", cell)


def _draw_grid() -> Markup:
    parts = []
    for tick in (0.0, 0.5, 1.0):
        x, y, label = _x(tick), _y(tick), f"{100 * tick:.0f}"
        lines = '<path class="grid" d="M{} {}H{} M{} {}V{}"/>'
        parts.append(_fill(lines, _x(0), y, _x(1), x, _y(0), _y(1)))
        parts.append(_fill('<text x="{}" y="{}" text-anchor="end">{}</text>', MARGIN_PX - 6, y + 4, label))
        parts.append(_fill('<text x="{}" y="{}" text-anchor="middle">{}</text>', x, _y(0) + 18, label))
    return Markup("").join(parts)


def _wrap_scale(alt: str, parts: Sequence[Markup]) -> Markup:
    svg = '<svg class="scale" role="img" aria-label="{}" height="24">{}</svg>'
    return _fill(svg, alt, Markup("").join(parts))


def _wrap_square(alt: str, parts: Sequence[Markup]) -> Markup:
    return _wrap_figure(MARGIN_PX + SQUARE_PX + 16, SQUARE_PX + MARGIN_PX + 10, "curve-plot", alt, parts)


def _wrap_figure(width: int, height: int, kind: str, alt: str, parts: Sequence[Markup]) -> Markup:
    svg = '<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">{}</svg>'
    return _fill(svg, kind, alt, width, height, Markup("").join(parts))


def _fill(template: str, *values: object) -> Markup:
    """Fill a template of markup; what is no markup itself is escaped."""
    return Markup(template).format(*values)


def _percent(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 2)


def _x(share: float) -> float:
    return round(MARGIN_PX + SQUARE_PX * share, 1)


def _y(share: float) -> float:
    return round(10 + SQUARE_PX * (1 - share), 1)
