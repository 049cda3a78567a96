"""Find the best threshold for one label: every possible one is tried.

A photo has a label from its threshold on (`score >= threshold`). Thresholds are rounded before anything is
measured, so that every figure is that of the number that is written into `params.yaml`.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from vibe_photos.errors import InputError
from vibe_photos.statistics.metrics import UNJUDGED, Flags, Floats, precision_recall_f1

MIN_EXAMPLES = 10
"""Minimum number of positives, and of negatives, needed to tune a threshold."""

_FIGURE_DECIMALS = 9
"""Figures are rounded before they are compared, so that the order of summation decides nothing."""


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Precision, recall and F1 of one label in 0..1, as `evaluate` defines them; None over nothing."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Aim:
    """What a threshold shall be best for.

    `f1`: the best F1. `precision`: the best recall with a precision of at least `floor` (0..1).
    `recall`: the best precision with a recall of at least `floor`.
    """

    kind: Literal["f1", "precision", "recall"]
    floor: float = 0.0

    def rank(self, scores: LabelScores) -> tuple[float, float]:
        """Return what decides between two sets of scores, the greater the better.

        It is the F1; or first the figure with a floor, as far as the floor, then the other one. A figure over
        nothing counts 0.
        """
        if self.kind == "f1":
            return _round_figure(scores.f1), 0.0
        precision, recall = _round_figure(scores.precision), _round_figure(scores.recall)
        held, other = (precision, recall) if self.kind == "precision" else (recall, precision)
        return (held, 0.0) if held < self.floor else (self.floor, other)

    @property
    def figure_name(self) -> str:
        """The name of what `format` shows."""
        return "F1" if self.kind == "f1" else "precision/recall"

    def format(self, scores: LabelScores) -> str:
        """Return the figures that the aim is about, with two decimals."""
        return "/".join("-" if figure is None else f"{figure:.2f}" for figure in self._pick(scores))

    def format_gain(self, scores: LabelScores, others: LabelScores) -> str:
        """Return how far the same figures of `others` are above those of `scores`, with sign."""
        pairs = zip(self._pick(scores), self._pick(others), strict=True)
        return "/".join("-" if a is None or b is None else f"{b - a:+.2f}" for a, b in pairs)

    def _pick(self, scores: LabelScores) -> tuple[float | None, ...]:
        return (scores.f1,) if self.kind == "f1" else (scores.precision, scores.recall)

    def fits(self, share: float, low: float, high: float) -> bool:
        """Return whether a share of photos that get a label fits the interval of the share that has it.

        Who asks for precision accepts that fewer photos get the label, who asks for recall that more do.
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


def measure_label(y_true: Flags, y_pred: Flags, weights: Floats) -> LabelScores:
    """Return the scores of one label's decisions (int8 [n], or [n] of bool) on n weighted photos."""
    ratios = precision_recall_f1(y_true, y_pred)
    return LabelScores(**{name: ratio.value(weights) for name, ratio in ratios.items()})


def count_examples(y_true: Flags, y_score: Floats) -> tuple[int, int]:
    """Return on how many scored photos the label is true, and on how many it is false."""
    is_scored = ~np.isnan(y_score)
    return int(np.sum(is_scored & (y_true == 1))), int(np.sum(is_scored & (y_true == 0)))


def sweep_thresholds(y_true: Flags, y_score: Floats, weights: Floats) -> Sweep:
    """Measure every way to divide the photos by their score.

    A threshold lies half-way between two neighbouring scores (the last one between the lowest score and 0),
    so that a new photo just below the lowest positive one is not cut off by chance. It has three decimals,
    six where it is below 0.01; thresholds that rounding makes equal are one.

    Args:
        y_true: int8 [n]: 1 true, 0 false, -1 not judged (left out).
        y_score: float64 [n] in 0..1, NaN where there is no score: never positive, but in recall.
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

    Ties: of equal F1 the higher precision; of equal recall the higher precision, and the other way round;
    of what is left the highest threshold, which has the fewest positives.
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
    """Return, for each position and the end, the sum of the values from there on: float64 [n + 1]."""
    return np.append(np.cumsum(values[::-1])[::-1], 0.0)


def _round_figure(figure: float | None) -> float:
    return round(figure or 0.0, _FIGURE_DECIMALS)
