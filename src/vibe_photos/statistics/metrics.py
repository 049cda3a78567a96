"""The definition of every figure, on plain arrays.

Most figures are ratios of two totals over photos: `Ratio`. A photo counts with its weight, the inverse of the
probability with which it was drawn for review (Hajek 1971, "Comment on An essay on the logical foundations of
survey sampling"); with weights of one these are the usual figures. Labels are int8: 1 yes, 0 no, -1 not
judged. A missing prediction is never a hit: it lowers accuracy, recall and F1, and is also counted apart.
The arrays are summed with numpy: importing scikit-learn takes longer than the whole evaluation.

For the figures that are no ratio, macro-F1 and average precision, there is also how much each photo moves
them: the derivative by its weight. From that `intervals.linearised_variance` makes an interval of the same
kind as those of the ratios (Deville 1999, "Variance estimation for complex statistics and estimators:
linearization and residual techniques").
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.int8]
Indices = npt.NDArray[np.int64]
Labels = npt.NDArray[np.signedinteger[Any]]
Bools = npt.NDArray[np.bool_]

UNJUDGED = -1
"""No label: in a truth, nobody judged it; in a prediction, there is none."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """A figure that is sum(weight * numerator) / sum(weight * denominator) over photos.

    `numerator` and `denominator` are float64 [n], one entry a photo, zero where the photo does not count.
    `cases` is how many photos the figure rests on: its positives, for a figure that has positives.
    """

    numerator: Floats
    denominator: Floats
    cases: int

    def value(self, weights: Floats) -> float | None:
        """Return the ratio, or None if its denominator is empty."""
        total = float(np.sum(weights * self.denominator))
        return float(np.sum(weights * self.numerator)) / total if total > 0 else None


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision and recall (float64 [m], in 0..1) at falling thresholds (float64 [m])."""

    recall: Floats
    precision: Floats
    threshold: Floats


def accuracy(y_true: Labels, y_pred: Labels) -> Ratio:
    """Share of photos with a true class (`y_true >= 0`) whose predicted class is that one.

    A missing prediction (-1) is wrong. `cases` is the number of photos with a true class. Arrays are [n], or
    [n, labels] for the share of all labels.
    """
    is_known = y_true >= 0
    return _ratio(is_known & (y_true == y_pred), is_known)


def precision_recall_f1(y_true: Labels, y_pred: Labels) -> dict[str, Ratio]:
    """Return `precision`, `recall` and `f1`; labels whose truth is not judged are left out.

    Precision is the share of the positive predictions that are true, recall the share of the true labels that
    are predicted (a missing prediction is none), F1 their harmonic mean, 2 hits / (predicted + true).

    Arrays are int8 [n], or [n, keys] for the micro-average over keys. `cases` are photos with a positive
    prediction for precision, photos with something true for the others.
    """
    is_true, is_predicted = y_true == 1, (y_pred == 1) & (y_true != UNJUDGED)
    hits = is_true & is_predicted
    precision, recall = _ratio(hits, is_predicted), _ratio(hits, is_true)
    f1 = Ratio(2.0 * recall.numerator, precision.denominator + recall.denominator, recall.cases)
    return {"precision": precision, "recall": recall, "f1": f1}


def f1(y_true: Flags, y_pred: Flags) -> Ratio:
    """Return the F1 of `precision_recall_f1`."""
    return precision_recall_f1(y_true, y_pred)["f1"]


def confusion_matrix(y_true: Indices, y_pred: Indices, classes: int, weights: Floats | None = None) -> Floats:
    """Sum photos by true class (row) and predicted class (column): float64 [classes, classes + 1].

    The last column holds missing predictions; photos without a true class are left out. Each photo counts
    its weight, or one where there are no weights.
    """
    is_known = y_true >= 0
    column = np.where(y_pred < 0, classes, y_pred)
    cells = (y_true * (classes + 1) + column)[is_known]
    weight = None if weights is None else weights[is_known]
    summed = np.bincount(cells, weight, minlength=classes * (classes + 1))
    return summed.reshape(classes, classes + 1).astype(np.float64)


def class_scores(matrix: Floats) -> dict[str, Floats]:
    """Return `precision`, `recall` and `f1` of each class: its own cell over its column, its row, or both.

    Each is float64 [classes] in 0..1, NaN where there is nothing to divide by.
    """
    hits, predicted, true = np.diagonal(matrix), matrix[:, :-1].sum(axis=0), matrix.sum(axis=1)
    with np.errstate(invalid="ignore"):
        return {"precision": hits / predicted, "recall": hits / true, "f1": 2 * hits / (predicted + true)}


def macro_f1(matrix: Floats) -> float | None:
    """Return the unweighted mean, over the classes that occur in the truth, of each class's F1."""
    occurs = matrix.sum(axis=1) > 0
    return float(class_scores(matrix)["f1"][occurs].mean()) if occurs.any() else None


def macro_f1_influence(y_true: Indices, y_pred: Indices, classes: int, weights: Floats) -> Floats:
    """Return how much each photo moves macro-F1: float64 [n].

    The mean of those on each class's F1, (2 * hit - F1 * (true + predicted)) / total of (true + predicted),
    over the classes that occur in the truth.
    """
    moves, occurring = np.zeros(len(y_true)), 0
    for one in range(classes):
        is_true, is_said = y_true == one, (y_true >= 0) & (y_pred == one)
        if not (weights * is_true).any():
            continue
        hits, counted = 2.0 * (is_true & is_said), is_true.astype(np.float64) + is_said
        total = float(np.sum(weights * counted))
        moves += (hits - float(np.sum(weights * hits)) / total * counted) / total
        occurring += 1
    return moves / max(1, occurring)


def precision_recall_curve(y_true: Flags, y_score: Floats, weights: Floats) -> Curve:
    """Precision and recall when every score from a threshold on is a positive, for every threshold.

    Unjudged photos are left out. Recall's denominator holds all true labels; one without a score (NaN) is
    never found. Photos with the same score are one point. All arrays are [n].
    """
    total = float(weights[y_true == 1].sum())
    rows, last_of_score = _rank_scores(y_true, y_score)
    found = np.cumsum(weights[rows] * (y_true[rows] == 1))[last_of_score]
    asserted = np.cumsum(weights[rows])[last_of_score]
    recall = found / total if total > 0 else np.zeros(len(found))
    return Curve(recall, found / asserted, y_score[rows][last_of_score].astype(np.float64))


def _rank_scores(y_true: Flags, y_score: Floats) -> tuple[Indices, Indices]:
    """Return the judged and scored photos by falling score, and the places of each score's last photo."""
    rows = np.flatnonzero((y_true != UNJUDGED) & ~np.isnan(y_score))
    rows = rows[np.argsort(-y_score[rows], kind="stable")]  # stable: equal scores in one order everywhere
    scores = y_score[rows]
    return rows, np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])


def average_precision(curve: Curve) -> float | None:
    """Area under the curve as a sum of steps: sum of (recall gained) * (precision there). Range 0..1.

    The definition of scikit-learn's `average_precision_score`. None if nothing is true or scored.
    """
    if not len(curve.recall) or curve.recall[-1] == 0:
        return None
    # Not a dot product: that sums in another order on another processor.
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * curve.precision))


def average_precision_influence(y_true: Flags, y_score: Floats, weights: Floats) -> Floats:
    """Return how much each photo moves average precision: float64 [n], 0 for photos that do not count.

    With T the weight of what is true, and F(s) and A(s) the weights of the true and of all photos scored s or
    more, it is AP = sum over true i of w_i F(s_i) / A(s_i) / T. A photo j moves it by its own term, if it is
    true, and by F and A at all scores up to its own.
    """
    moves, is_true = np.zeros(len(y_true)), y_true == 1
    total = float(np.sum(weights * is_true))
    rows, lasts = _rank_scores(y_true, y_score)
    if not total or not len(rows):
        return moves
    true, weight = is_true[rows].astype(np.float64), weights[rows]
    starts = np.append(0, lasts[:-1] + 1)
    score_index = np.repeat(np.arange(len(starts)), lasts - starts + 1)
    found, asserted = np.cumsum(weight * true)[lasts], np.cumsum(weight)[lasts]
    true_at_score = np.add.reduceat(weight * true, starts)
    average = float(np.sum(true_at_score * found / asserted)) / total
    # Each summed over a score and all lower ones.
    raises = np.cumsum((true_at_score / asserted)[::-1])[::-1][score_index]
    lowers = np.cumsum((true_at_score * found / asserted**2)[::-1])[::-1][score_index]
    moves[rows] = (true * ((found / asserted)[score_index] + raises) - lowers) / total
    moves[is_true] -= average / total
    return moves


def rank_of_truth(y_true: Flags, y_score: Floats) -> Indices:
    """Return each photo's rank of its best-scored true key: int64 [n], 1 is the top, 0 is none.

    `y_true` is int8 [n, keys], `y_score` float [n, keys], NaN where a key is not judged: that is not ranked.
    Ties are in the order of the keys.
    """
    if not y_true.shape[1]:
        return np.zeros(len(y_true), np.int64)
    scores = np.where(np.isnan(y_score), -np.inf, y_score)
    order = np.argsort(-scores, axis=1, kind="stable")
    is_found = np.take_along_axis((y_true == 1) & (scores > -np.inf), order, axis=1)
    return np.where(is_found.any(axis=1), 1 + is_found.argmax(axis=1), 0)


def top_k(y_true: Flags, ranks: Indices, k: int) -> Ratio:
    """Share of the photos with a true key whose k best-scored keys hold at least one true key.

    `ranks` as `rank_of_truth` returns them; a photo without any score misses.
    """
    has_truth = (y_true == 1).any(axis=1)
    return _ratio(has_truth & (ranks >= 1) & (ranks <= k), has_truth)


def coverage(y_true: Flags, is_given: Bools) -> Ratio:
    """Share of the true keys, counted over photos, that are given to any photo at all: bool [keys]."""
    is_true = y_true == 1
    return _ratio(is_true & is_given, is_true)


def _ratio(numerator: Bools, denominator: Bools) -> Ratio:
    """Return the ratio of two counts, [n] or [n, keys]; its cases are the photos in the denominator."""
    part, whole = (np.atleast_2d(one.T).sum(axis=0, dtype=np.float64) for one in (numerator, denominator))
    return Ratio(part, whole, int(np.count_nonzero(whole)))
