"""How much each photo moves a figure that is not a ratio of two totals: its derivative by the photo's weight.

With them macro-F1 and average precision have intervals of the same kind as other figures:
`linearised_variance` holds near-duplicate groups, strata, weights and the library's size (Deville 1999,
"Variance estimation for complex statistics and estimators: linearization and residual techniques").
"""

import numpy as np

from vibe_photos.statistics.design import Floats, Indices
from vibe_photos.statistics.metrics import UNJUDGED, Flags
from vibe_photos.statistics.metrics import Floats as AnyFloats


def of_macro_f1(y_true: Indices, y_pred: Indices, classes: int, weights: AnyFloats) -> Floats:
    """Return the influences on macro-F1: float64 [n].

    The mean of those on each class's F1, (2 * hit - F1 * (true + predicted)) / total of (true + predicted),
    over the classes that occur in the truth.
    """
    moves, occurring = np.zeros(len(y_true)), 0
    is_known = y_true >= 0
    for one in range(classes):
        is_true, is_said = y_true == one, is_known & (y_pred == one)
        if not (weights * is_true).any():
            continue
        hits, counted = 2.0 * (is_true & is_said), is_true.astype(np.float64) + is_said
        total = float(np.sum(weights * counted))
        moves += (hits - float(np.sum(weights * hits)) / total * counted) / total
        occurring += 1
    return moves / max(1, occurring)


def of_average_precision(y_true: Flags, y_score: AnyFloats, weights: AnyFloats) -> Floats:
    """Return the influences on average precision: float64 [n], 0 for photos that do not count.

    With T the weight of what is true, and F(s) and A(s) the weights of the true and of all photos scored s or
    more, it is AP = sum over true i of w_i F(s_i) / A(s_i) / T. A photo j moves it by its own term, if it is
    true, and by F and A at all scores up to its own.
    """
    moves = np.zeros(len(y_true))
    is_true = y_true == 1
    total = float(np.sum(weights * is_true))
    rows = np.flatnonzero((y_true != UNJUDGED) & ~np.isnan(y_score))
    if not total or not len(rows):
        return moves
    rows = rows[np.argsort(-y_score[rows], kind="stable")]
    scores, true, weight = y_score[rows], is_true[rows].astype(np.float64), weights[rows]
    starts = np.flatnonzero(np.append(True, scores[1:] != scores[:-1]))
    lasts = np.append(starts[1:], len(rows)) - 1
    of_score = np.repeat(np.arange(len(starts)), lasts - starts + 1)
    found, asserted = np.cumsum(weight * true)[lasts], np.cumsum(weight)[lasts]
    true_at_score = np.add.reduceat(weight * true, starts)
    average = float(np.sum(true_at_score * found / asserted)) / total

    def sum_below(values: Floats) -> Floats:
        """Return, for each score, the sum over it and all lower ones."""
        return np.cumsum(values[::-1])[::-1]

    raises = sum_below(true_at_score / asserted)[of_score]
    lowers = sum_below(true_at_score * found / asserted**2)[of_score]
    own = (found / asserted)[of_score]
    moves[rows] = (true * (own + raises) - lowers) / total
    moves[is_true] -= average / total
    return moves
