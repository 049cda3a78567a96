"""Figures as SVG, drawn by hand: colours come from the page's custom properties, text from its fonts.

Each function returns markup in which every text is escaped. Shares are in 0..1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

CELL_PX = 40
LABEL_PX = 92
OVERHANG_PX = 44
"""How far the slanted name of the last column reaches beyond it."""

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


def draw_pair(alone: Mark, together: Mark, alt: str) -> Markup:
    """Draw two estimates of one figure, one on its interval above, the other below; as wide as its place."""
    parts = [Markup('<line class="rail" x1="0" x2="100%" y1="12" y2="12"/>')]
    for mark, kind, y in ((alone, "alone", 7), (together, "student", 17)):
        if mark.low is not None and mark.high is not None:
            parts.append(
                Markup('<line class="range {}" x1="{}%" x2="{}%" y1="{}" y2="{}"/>').format(
                    kind, _percent(mark.low), _percent(mark.high), y, y
                )
            )
        dot = Markup('<circle class="{}" cx="{}%" cy="{}" r="4"/>')
        parts.append(dot.format(kind, _percent(mark.value), y))
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
    return wrap_figure(
        width, height, "confusion", "Confusion matrix: rows are true scenes, columns predicted", parts
    )


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


def wrap_figure(width: float, height: float, kind: str, alt: str, parts: Sequence[Markup]) -> Markup:
    """Return a figure of a kind (its class) that says what it shows, `width` x `height` of its own units."""
    opening = Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {} {}">')
    return opening.format(kind, alt, width, height) + Markup("").join(parts) + Markup("</svg>")


def _percent(share: float) -> float:
    return round(100 * min(1.0, max(0.0, share)), 2)
