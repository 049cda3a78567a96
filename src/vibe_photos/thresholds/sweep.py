"""Find the best threshold for one label by trying every possible one.

A photo has a label if `score >= threshold`. Thresholds are rounded before they are measured, so the figures
are those of the number that is written into `params.yaml`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vibe_photos.errors import InputError
from vibe_photos.statistics.metrics import UNJUDGED, Flags, Floats

MIN_EXAMPLES = 10
"""Minimum number of positives, and of negatives, needed to tune a threshold."""

_FIGURE_DECIMALS = 9
"""Figures are rounded before they are compared, so that the order of summation has no effect."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Precision, recall and F1 of one label in 0..1, as in `evaluate`; None if undefined."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold is optimised for.

    `f1`: the best F1. `precision`: the best recall with a precision of at least `floor` (0..1).
    `recall`: the best precision with a recall of at least `floor`.
    """

    kind: Literal["f1", "precision", "recall"]
    floor: float = 0.0

    def rank(self, scores: LabelScores) -> tuple[float, float]:
        """Return a sort key of scores; greater is better.

        It is the F1; or first the figure with a floor, up to the floor, then the other one. An undefined
        figure counts as 0.
        """
        if self.kind == "f1":
            return _round_figure(scores.f1), 0.0
        precision, recall = _round_figure(scores.precision), _round_figure(scores.recall)
        held, other = (precision, recall) if self.kind == "precision" else (recall, precision)
        return (held, 0.0) if held < self.floor else (self.floor, other)

    @property
    def figure_name(self) -> str:
        """The name of the figures in `format`."""
        return "F1" if self.kind == "f1" else "precision/recall"

    def format(self, scores: LabelScores) -> str:
        """Return the figures of the aim, with two decimals."""
        return "/".join("-" if figure is None else f"{figure:.2f}" for figure in self._pick(scores))

    def format_gain(self, scores: LabelScores, others: LabelScores) -> str:
        """Return the difference of these figures, `others` minus `scores`, with sign."""
        pairs = zip(self._pick(scores), self._pick(others), strict=True)
        return "/".join("-" if a is None or b is None else f"{b - a:+.2f}" for a, b in pairs)

    def _pick(self, scores: LabelScores) -> tuple[float | None, ...]:
        return (scores.f1,) if self.kind == "f1" else (scores.precision, scores.recall)

    def fits(self, share: float, low: float, high: float) -> bool:
        """Return whether the share of photos that get a label fits the interval of the share that has it.

        It may be smaller if the aim is precision, and larger if the aim is recall.
        """
        return (share >= low or self.kind == "precision") and (share <= high or self.kind == "recall")

    def __str__(self) -> str:
        return "the best F1" if self.kind == "f1" else f"a {self.kind} of at least {self.floor:g}"


@dataclass(frozen=True, slots=True)
class Sweep:
    """Precision, recall and F1 (float64 [m], 0..1) at rising, rounded thresholds (float64 [m]).

    At least one photo is positive at every threshold, so precision is defined.
    """

    threshold: Floats
    precision: Floats
    recall: Floats
    f1: Floats


def parse_aim(text: str) -> Aim:
    """Read `f1`, `precision=0.9` or `recall=0.9`.

    Raises:
        InputError: it is none of these, or the floor is not a share above 0.
    """
    kind, _, floor = text.partition("=")
    if text == "f1":
        return Aim("f1")
    try:
        share = float(floor)
    except ValueError:
        share = 0.0
    if not 0.0 < share <= 1.0 or (kind != "precision" and kind != "recall"):
        raise InputError(f"no such aim: {text}; it is f1, precision=SHARE or recall=SHARE, e.g. recall=0.9")
    return Aim("precision" if kind == "precision" else "recall", share)


def sweep_thresholds(y_true: Flags, y_score: Floats, weights: Floats) -> Sweep:
    """Measure every possible threshold.

    Thresholds are half-way between two neighbouring scores (the last one between the lowest score and 0), so
    that a new photo just below the lowest positive one is not excluded by chance. They have three decimals,
    or six below 0.01; thresholds that are equal after rounding are merged.

    Args:
        y_true: int8 [n]: 1 true, 0 false, -1 not judged (left out).
        y_score: float64 [n] in 0..1, NaN without a score: never positive, but counted in recall.
        weights: float64 [n].
    """
    is_judged = y_true != UNJUDGED
    is_scored = is_judged & ~np.isnan(y_score)
    order = np.flatnonzero(is_scored)[np.argsort(y_score[is_scored], kind="stable")]
    score, weight = y_score[order], weights[order]
    threshold = _list_thresholds(score)
    first = np.searchsorted(score, threshold, side="left")
    positive = _sum_from(weight)[first]
    found = _sum_from(weight * (y_true[order] == 1))[first]
    total = float(weights[y_true == 1].sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = (found / positive, found / total, 2.0 * found / (positive + total))
    return Sweep(threshold, *(np.round(values, _FIGURE_DECIMALS) for values in figures))


def find_threshold(sweep: Sweep, aim: Aim) -> float | None:
    """Return the threshold that is best for the aim, or None if no threshold reaches its floor.

    Ties: for equal F1 the higher precision; for equal recall the higher precision, and vice versa; then the
    highest threshold, which has the fewest positives.
    """
    reached, first, second = {
        "f1": (sweep.f1, sweep.f1, sweep.precision),
        "precision": (sweep.precision, sweep.recall, sweep.precision),
        "recall": (sweep.recall, sweep.precision, sweep.recall),
    }[aim.kind]
    order = np.lexsort((sweep.threshold, second, first))
    allowed = order[reached[order] >= aim.floor]
    return float(sweep.threshold[allowed[-1]]) if len(allowed) else None


def _list_thresholds(score: Floats) -> Floats:
    """Return the rounded thresholds between the sorted scores, ascending, with at least one positive."""
    distinct = np.unique(score)
    halfway = (distinct + np.append(0.0, distinct[:-1])) / 2.0
    rounded = np.unique(np.where(halfway < 0.01, np.round(halfway, 6), np.round(halfway, 3)))
    return np.asarray(rounded[rounded <= distinct.max(initial=-1.0)])


def _sum_from(values: Floats) -> Floats:
    """Return the sum of the values from each position to the end: float64 [n + 1]."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def _round_figure(figure: float | None) -> float:
    return round(figure or 0.0, _FIGURE_DECIMALS)
