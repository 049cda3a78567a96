"""Plots in the unit square as SVG: precision over recall, and what is true over what is said.

Texts are escaped, colours are the page's custom properties, shares are in 0..1.
"""

from collections.abc import Sequence

from markupsafe import Markup

from vibe_photos.report.figures import wrap_figure
from vibe_photos.statistics.reliability import ReliabilityPoint

SQUARE_PX = 200
MARGIN_PX = 34
Point = tuple[float, float]
"""Recall and precision."""


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
    return _wrap_square(alt, parts)


def draw_reliability(
    people: Sequence[ReliabilityPoint], teacher: Sequence[ReliabilityPoint], alt: str
) -> Markup:
    """Draw the share that is true over the probability that was said; on the diagonal they are the same.

    Args:
        people: against people's truth, in the order of rising probability.
        teacher: against the teacher's.
        alt: what the plot says, in words.
    """
    parts = [_grid(), Markup('<path class="diagonal" d="M{} {}L{} {}"/>').format(_x(0), _y(0), _x(1), _y(1))]
    for bins, kind in ((teacher, "by-teacher"), (people, "by-people")):
        if bins:
            line = "M" + " ".join(f"{_x(one.probability)} {_y(one.frequency)}" for one in bins)
            parts.append(Markup('<path class="reliability {}" d="{}"/>').format(kind, line))
    bar, dot = (
        Markup('<path class="bar" d="M{} {}V{}"/>'),
        Markup('<circle class="student" cx="{}" cy="{}" r="3.5"/>'),
    )
    diamond = Markup('<path class="teacher" transform="translate({} {})" d="M0-4.5 4.5 0 0 4.5-4.5 0Z"/>')
    parts += [diamond.format(_x(one.probability), _y(one.frequency)) for one in teacher]
    parts += [bar.format(_x(one.probability), _y(one.interval.low), _y(one.interval.high)) for one in people]
    parts += [dot.format(_x(one.probability), _y(one.frequency)) for one in people]
    return _wrap_square(alt, parts)


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


def _wrap_square(alt: str, parts: Sequence[Markup]) -> Markup:
    return wrap_figure(MARGIN_PX + SQUARE_PX + 16, SQUARE_PX + MARGIN_PX + 10, "curve-plot", alt, parts)


def _x(share: float) -> float:
    return round(MARGIN_PX + SQUARE_PX * share, 1)


def _y(share: float) -> float:
    return round(10 + SQUARE_PX * (1 - share), 1)
