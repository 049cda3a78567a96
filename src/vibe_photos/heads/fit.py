"""The optimum of a linear head: softmax or sigmoid cross-entropy with an L2 penalty, found to convergence.

Minimised is, over weights `W` [labels, r] and an unpenalised bias,

    sum_i weight_i * cross_entropy(W x_i + bias, y_i)  +  l2/2 * |W|^2

where the weights of a label sum to 1 and `x` is in `Coordinates`: there an `l2` means the same for every
encoder, and the curvature is nearly known beforehand, so that L-BFGS (Liu & Nocedal 1989) takes tens of
passes over the data instead of hundreds.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import HeadError

Loss = Literal["softmax", "sigmoid"]
ClassWeight = Literal["none", "balanced"]
Floats = NDArray[np.floating[Any]]

_MAX_EIGEN_DIM = 4096
"""The decomposition costs the cube of this; what is wider and longer is centred and scaled only."""
_MIN_ROWS_FOR_AXES = 10_000
_MIN_CURVATURE = 1e-3
_MAX_SLOPE = 1e-4
"""Converged: the loss is then about 1e-6 above its minimum; sums in float32 can tell little more."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Where the optimum is sought: vectors less `mean` [dim], divided by `length`, turned into `basis`.

    The mean square length is 1 there. `basis` [dim, r] is orthonormal; None keeps the vectors' own axes.
    `axes` [r, r] are the principal axes there (None: its own), with `variances` [r] along them.
    """

    mean: Floats
    length: float
    basis: Floats | None
    axes: Floats | None
    variances: Floats

    def project(self, vectors: Floats) -> Floats:
        """Turn vectors [n, dim] into these coordinates, [n, r] of the same dtype."""
        centred = vectors - self.mean.astype(vectors.dtype)
        centred /= vectors.dtype.type(self.length)
        return centred if self.basis is None else np.asarray(centred @ self.basis.astype(vectors.dtype))

    def lift(self, weight: Floats, bias: Floats) -> tuple[Floats, Floats]:
        """Turn weight [labels, r] and bias into those that give the same logits of the vectors as given."""
        lifted = (weight if self.basis is None else weight @ self.basis.T) / self.length
        return lifted, bias - lifted @ self.mean


@dataclass(frozen=True, slots=True)
class Examples:
    """What a head learns from.

    `vectors` is float32 [n, r] in `coordinates`; `y` is float32 [n, labels] of 0 and 1 (one-hot for softmax).
    `is_judged` is bool [n, labels], or [n, 1] for softmax: what nobody judged takes no part.
    """

    vectors: Floats
    coordinates: Coordinates
    y: Floats
    is_judged: NDArray[np.bool_]
    loss: Loss


def prepare_examples(vectors: Floats, y: Floats, is_judged: NDArray[np.bool_], loss: Loss) -> Examples:
    """Return examples in the coordinates of their own `vectors` [n, dim], as an encoder gives them."""
    coordinates = find_coordinates(vectors)
    return Examples(coordinates.project(vectors), coordinates, y, is_judged, loss)


def find_coordinates(vectors: Floats) -> Coordinates:
    """Return the coordinates of `vectors` [n, dim]; axes from a regular sample of rows where there are many.

    Fewer rows than dimensions span only some axes. The optimum of an L2-penalised loss lies within these, so
    they are the basis, and the problem is as small as there are rows.
    """
    count, dim = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    sample = vectors[:: max(1, count // max(_MIN_ROWS_FOR_AXES, 4 * dim))] - mean.astype(vectors.dtype)
    variances = np.square(sample).mean(axis=0, dtype=np.float64)
    length = float(np.sqrt(variances.sum())) or 1.0
    if min(sample.shape) > _MAX_EIGEN_DIM:
        return Coordinates(mean, length, None, None, variances / length**2)
    axes, variances = _find_axes(sample / length)
    if count < dim:
        return Coordinates(mean, length, axes, None, variances)
    return Coordinates(mean, length, None, axes, variances)


def weigh_rows(examples: Examples, rows: NDArray[np.bool_], class_weight: ClassWeight) -> Floats:
    """Return each row's weight in each label's loss, float32 [n, labels] or [n, 1]; a label's sum to 1.

    Rows outside `rows` [n] and what is not judged weigh 0. `balanced` gives all classes of a label (for
    sigmoid: present and absent) the same sum.
    """
    weights = (examples.is_judged & rows[:, None]).astype(np.float64)
    if class_weight == "balanced" and examples.loss == "softmax":
        counts = (weights * examples.y).sum(axis=0)
        weights = weights * (examples.y @ (1.0 / np.maximum(counts, 1.0)))[:, None]
    elif class_weight == "balanced":
        sides = weights * examples.y, weights * (1.0 - examples.y)
        weights = sum(side / np.maximum(side.sum(axis=0), 1.0) for side in sides)
    totals = weights.sum(axis=0)
    return np.asarray(weights / np.where(totals > 0, totals, 1.0), dtype=np.float32)


def fit_linear(
    examples: Examples, weights: Floats, l2: float, start: tuple[Floats, Floats] | None = None
) -> tuple[Floats, Floats]:
    """Return the optimum's weight [labels, r] and bias [labels], float64, in the examples' coordinates.

    Args:
        examples: vectors, targets and the loss.
        weights: of `weigh_rows`.
        l2: penalty, > 0.
        start: weight and bias to begin from, such as those of another penalty.

    Raises:
        HeadError: the vectors are not finite, so that there is no optimum.
    """
    from scipy.optimize import minimize

    labels = examples.y.shape[1]
    here = examples.coordinates
    share = (weights * examples.y).sum(axis=0, dtype=np.float64)
    curvature = np.maximum(share * (1.0 - share), _MIN_CURVATURE)[:, None]
    stretch = 1.0 / np.sqrt(np.hstack([curvature * here.variances + l2, curvature]))

    def to_fit(point: Floats) -> tuple[Floats, Floats]:
        table = point.reshape(labels, -1) * stretch
        return (table[:, :-1] if here.axes is None else table[:, :-1] @ here.axes.T), table[:, -1]

    def turn(weight: Floats, bias: Floats) -> Floats:
        return np.column_stack([weight if here.axes is None else weight @ here.axes, bias])

    def value_and_gradient(point: Floats) -> tuple[float, Floats]:
        value, slopes = _evaluate(*to_fit(point), examples, weights, l2)
        return value, (turn(*slopes) * stretch).ravel()

    found = minimize(
        value_and_gradient,
        np.zeros(stretch.size) if start is None else (turn(*start) / stretch).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "maxfun": 4000, "gtol": _MAX_SLOPE, "ftol": 1e-9},
    )
    if not np.isfinite(found.fun):
        raise HeadError("a head cannot be fitted to vectors that are not finite; embed the photos again")
    return to_fit(found.x)


def predict_logits(vectors: Floats, weight: Floats, bias: Floats) -> Floats:
    """Return the logits [n, labels] of vectors [n, r], in the vectors' dtype."""
    return np.asarray(vectors @ weight.astype(vectors.dtype).T + bias.astype(vectors.dtype))


def cross_entropy(logits: Floats, y: Floats, loss: Loss) -> tuple[Floats, Floats]:
    """Return the loss ([n, 1] for softmax, [n, labels] for sigmoid) and its derivative by the logits."""
    if loss == "softmax":
        shifted = logits - logits.max(axis=1, keepdims=True)
        probabilities = np.exp(shifted)
        totals = probabilities.sum(axis=1, keepdims=True)
        probabilities /= totals
        entropy = np.log(totals) - np.einsum("ij,ij->i", shifted, y)[:, None]
        return entropy, probabilities - y
    decay = np.exp(-np.abs(logits))
    entropy = np.log1p(decay) + np.maximum(logits, 0) - logits * y
    return entropy, np.where(logits >= 0, 1, decay) / (1 + decay) - y


def _evaluate(
    weight: Floats, bias: Floats, examples: Examples, weights: Floats, l2: float
) -> tuple[float, tuple[Floats, Floats]]:
    """Return the objective, and its gradient by weight and by bias."""
    entropy, slope = cross_entropy(predict_logits(examples.vectors, weight, bias), examples.y, examples.loss)
    slope *= weights
    penalty = l2 / 2 * float(np.square(weight).sum())
    value = float((entropy * weights).sum(dtype=np.float64)) + penalty
    # slope.T @ vectors, never vectors.T @ slope: the latter is many times slower for few labels.
    return value, (slope.T @ examples.vectors + l2 * weight, slope.sum(axis=0, dtype=np.float64))


def _find_axes(sample: Floats) -> tuple[Floats, Floats]:
    """Return orthonormal axes [dim, r] and the variance [r] along each, by the smaller eigenproblem."""
    count, dim = sample.shape
    if count >= dim:
        variances, axes = np.linalg.eigh((sample.T @ sample).astype(np.float64) / count)
        return axes, np.maximum(variances, 0.0)
    variances, rows = np.linalg.eigh((sample @ sample.T).astype(np.float64) / count)
    is_spanned = variances > max(variances[-1] * 1e-6, 0.0)
    axes = sample.T.astype(np.float64) @ rows[:, is_spanned]
    return axes / np.sqrt(variances[is_spanned] * count), variances[is_spanned]
