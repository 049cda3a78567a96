"""What would help most: learning curves as lines of the page."""

from dataclasses import dataclass
from math import log

from vibe_photos.records.taxonomy import HEADS, label_name
from vibe_photos.report.tables import Row, format_share
from vibe_photos.statistics.summary import Figures, explain_no_interval

HEAD_NAMES = {"scene": "Scenes", "attribute": "Attributes", "object": "Objects"}


@dataclass(frozen=True, slots=True)
class LearningLine:
    """The learning curve of a head or of one label.

    `points` are (place from 0 to 1, F1, low, high), by rising number of answers; low and high are None
    without an interval. `twice` is the point of twice as many answers, None if nothing is extrapolated.
    Texts: `now`, `later`, `gain` in percentage points with its interval, and the `reason` for none.
    """

    name: str
    points: list[tuple[float, float, float | None, float | None]]
    twice: tuple[float, float, float, float] | None
    now: str
    later: str
    gain: str
    reason: str


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """The learning curves of one head: of the whole head, and of its labels, the largest gain first.

    `answers`: photos that a fit learned from at each size; `twice`: twice the present answers.
    """

    name: str
    answers: list[int]
    twice: int
    whole: LearningLine
    labels: list[LearningLine]

    @property
    def rows(self) -> list[Row]:
        """Rows of a table: F1 now, with twice as many answers, and the gain."""
        return [
            {
                "label": line.name,
                "with all answers": line.now,
                "with twice as many": line.later or line.reason,
                "gain in points": line.gain or "–",
            }
            for line in (self.whole, *self.labels)
        ]


def read_learning_curves(metrics: dict[str, Figures]) -> list[LearningCurves]:
    """Return the learning curves that stage `train` measured, by head."""
    curves = []
    for head in HEADS:
        found = metrics.get(f"train_{head}", {}).get("learning_curve")
        if found:
            name, sizes = HEAD_NAMES[head], [*found["answers"], found["twice"]]
            whole, *labels = (_read_line(row, sizes) for row in found["rows"])
            order = sorted(range(len(labels)), key=lambda place: -(found["rows"][place + 1]["gain"] or 0.0))
            curves.append(
                LearningCurves(name, sizes[:-1], sizes[-1], whole, [labels[place] for place in order])
            )
    return curves


def format_points(low: float, high: float) -> str:
    """Return a range of percentage points, such as "0.4 to 3.1"."""
    return f"{100 * low:.1f} to {100 * high:.1f}".replace("-", "\u2212")


def _read_line(row: Figures, sizes: list[int]) -> LearningLine:
    """Return one row; its points are placed by the logarithm of the number of answers."""
    places = [log(size / sizes[0]) / log(sizes[-1] / sizes[0]) for size in sizes]
    intervals = (
        row["f1_interval"] if isinstance(row["f1_interval"], list) else [(None, None)] * len(row["f1"])
    )
    points = [(place, f1, *ends) for place, f1, ends in zip(places[:-1], row["f1"], intervals, strict=True)]
    is_known = row["gain"] is not None
    return LearningLine(
        name="all labels" if row["label"] == "all" else label_name(row["label"]),
        points=points,
        twice=(1.0, row["twice"], *row["twice_interval"]) if is_known else None,
        now=format_share(row["f1"][-1]),
        later=format_share(row["twice"]) if is_known else "",
        gain=f"{100 * row['gain']:+.1f} ({format_points(*row['gain_interval'])})" if is_known else "",
        reason="" if is_known else explain_no_interval(row["gain_interval"]),
    )
