"""Fit a linear head: softmax or sigmoid cross-entropy with an L2 penalty, solved in float64.

It minimises, over weight [labels, dim] and bias, for centred vectors scaled to mean square length 1,

    sum_i row_weight_i * cross_entropy(weight @ x_i + bias, y_i)  +  l2/2 * |weight|^2  +  1e-6/2 * |bias|^2

The scaling makes an `l2` comparable between encoders. The tiny penalty on the bias ensures that there is an
optimum even if a label is true, or false, for all photos.

The method is Newton's with conjugate gradients (Nocedal & Wright 2006, chapter 7). The gradient is float64,
the curvature only float32: each step makes the error about a hundred times smaller (iterative refinement),
down to the precision of float64. So results differ between processors only in their last digits, which
`rounding` removes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import HeadError

Loss = Literal["softmax", "sigmoid"]
ClassWeight = Literal["none", "balanced"]
Floats = NDArray[np.floating[Any]]

EXACT = 1e-12
"""Relative distance of a fit from its optimum."""
ROUGH = 1e-3
"""Precise enough to compare penalties by their losses."""

_BIAS_L2 = 1e-6
_MAX_NEWTON_STEPS = 50
_MAX_CG_STEPS = 100
_MIN_CURVATURE = 1e-6
_CG_REDUCTION = 0.01
_TINY = np.float32(1e-30)
_BLOCK_VALUES = 1 << 16
"""Rows are processed in blocks of this many values, so that they stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Coordinates:
    """The standardisation of vectors: minus `mean` float64 [dim], then divided by `length`.

    `length` is the root mean square of the centred vectors' lengths.
    `axes` float32 [dim, k] are approximate principal axes, k the smaller of n and dim, and `variances` [k]
    the variances along them; these two are only used to precondition the solver.
    """

    mean: Floats
    length: float
    axes: Floats
    variances: Floats

    def unscale(self, table: Floats) -> tuple[Floats, Floats]:
        """Convert a table [labels, dim + 1] of `fit_linear` to weight and bias for unscaled vectors."""
        weight = table[:, :-1] / self.length
        return weight, table[:, -1] - weight @ self.mean


@dataclass(frozen=True, slots=True)
class Examples:
    """The training data of a head.

    `vectors` is float32 [n, dim], unscaled; `y` is float32 [n, labels] of 0 and 1 (one-hot
    for softmax). `is_judged` is bool [n, labels], or [n, 1] for softmax: others are ignored.
    """

    vectors: Floats
    coordinates: Coordinates
    y: Floats
    is_judged: NDArray[np.bool_]
    loss: Loss


def prepare_examples(vectors: Floats, y: Floats, is_judged: NDArray[np.bool_], loss: Loss) -> Examples:
    """Return examples with the coordinates of their `vectors` [n, dim]."""
    return Examples(vectors, find_coordinates(vectors), y, is_judged, loss)


def find_coordinates(vectors: Floats) -> Coordinates:
    """Return the coordinates of `vectors` [n, dim]; the axes are computed from every k-th row.

    Raises:
        HeadError: the vectors are not finite.
    """
    count, dim = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    squares = sum(np.square(vectors[rows] - mean).sum() for rows in _blocks(count, dim)) / count
    if not np.isfinite(squares):
        raise HeadError("a head cannot be fitted to vectors that are not finite; embed the photos again")
    # Vectors that differ only by rounding count as equal.
    length = float(np.sqrt(squares)) if squares > 1e-12 * np.square(mean).sum() else 1.0
    sample = ((vectors[:: max(1, count // (4 * dim))] - mean) / length).astype(np.float32)
    if len(sample) >= dim:
        variances, axes = np.linalg.eigh(sample.T @ sample / np.float32(len(sample)))
    else:  # no variance outside the space that so few rows span
        basis, rows = np.linalg.qr(sample.T)
        variances, axes = np.linalg.eigh(rows @ rows.T / np.float32(len(sample)))
        axes = basis @ axes
    return Coordinates(mean, length, axes, np.maximum(variances, 0.0))


def weigh_rows(examples: Examples, rows: NDArray[np.bool_], class_weight: ClassWeight) -> Floats:
    """Return each row's weight in each label's loss, float32 [n, labels] or [n, 1]; they sum to 1 per label.

    Rows outside `rows` [n], and labels that were not judged, have weight 0. `balanced` gives all classes of a
    label (for sigmoid: present and absent) the same sum.
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
    examples: Examples, weights: Floats, l2: float, start: Floats | None = None, precision: float = EXACT
) -> Floats:
    """Return the optimum in the examples' coordinates: float64 [labels, dim + 1], with the bias last.

    Args:
        examples: vectors, targets and the loss.
        weights: of `weigh_rows`.
        l2: penalty, > 0.
        start: a table to start from (warm start), such as that of another penalty.
        precision: `EXACT`, or `ROUGH` if only the loss is needed.
    """
    table = np.zeros((examples.y.shape[1], examples.vectors.shape[1] + 1)) if start is None else start
    point = _evaluate(table, examples, weights, l2)
    length = 1.0
    for _ in range(_MAX_NEWTON_STEPS):
        step = _newton_step(point, examples, weights, l2, reduction=min(max(length, _CG_REDUCTION), 0.1))
        last_length = length
        length = float(np.linalg.norm(step) / max(float(np.linalg.norm(table + step)), 1e-300))
        # Steps shrink by about a constant factor, so this predicts the length of the next step.
        next_length = length * min(max(length / last_length, _CG_REDUCTION), 1.0)
        is_at_the_limit = length < 1e-9 and length > last_length / 2
        if next_length < precision or is_at_the_limit:
            table = table + step
            break
        table, point = _line_search(table, step, point, examples, weights, l2)
    return table


def _line_search(
    table: Floats, step: Floats, point: "_Point", examples: Examples, weights: Floats, l2: float
) -> tuple[Floats, "_Point"]:
    """Take the step, halved until the objective does not increase, separately for each problem."""
    share = np.ones_like(point.value)
    while True:
        new_point = _evaluate(table + share * step, examples, weights, l2)
        # The tolerance is for rounding: near the optimum the values are equal.
        is_worse = ~(new_point.value <= point.value * (1 + 1e-12))
        if not is_worse.any() or share.min() < 1e-6:
            return table + share * step, new_point
        share = np.where(is_worse, share / 2, share)


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


@dataclass(frozen=True, slots=True)
class _Point:
    """The objective at one table.

    `value` is [labels, 1] for sigmoid, [1, 1] for softmax; `gradient` float64 [labels, dim + 1];
    `probabilities` float32 [n, labels]; `curvature` [labels, 1] is the weighted mean of p (1 - p).
    """

    value: Floats
    gradient: Floats
    probabilities: Floats
    curvature: Floats


def _evaluate(table: Floats, examples: Examples, weights: Floats, l2: float) -> _Point:
    """Return the objective, its gradient and what the curvature needs; all sums are float64."""
    probabilities = np.empty(examples.y.shape, dtype=np.float32)
    loss, curvature = np.zeros(weights.shape[1]), np.zeros(len(table))

    def find_slope(rows: slice, logits: Floats) -> Floats:
        y, share = examples.y[rows], weights[rows].astype(np.float64)
        entropy, slope = cross_entropy(logits, y, examples.loss)
        probabilities[rows] = slope + y
        loss[:] += (entropy * share).sum(axis=0)
        curvature[:] += (share * (slope + y) * (1 - slope - y)).sum(axis=0)
        return slope * share

    gradient = _backpropagate(table, examples, l2, np.float64, find_slope)
    penalty = (_penalties(table, l2) * np.square(table)).sum(axis=1) / 2
    value = loss + (penalty if examples.loss == "sigmoid" else penalty.sum())
    return _Point(value[:, None], gradient, probabilities, np.maximum(curvature, _MIN_CURVATURE)[:, None])


def _newton_step(point: _Point, examples: Examples, weights: Floats, l2: float, reduction: float) -> Floats:
    """Return Newton's step to a relative error `reduction`, by preconditioned conjugate gradients."""
    # A sigmoid head is one problem per label; a softmax head is a single problem.
    axis = 1 if examples.loss == "sigmoid" else None
    p = point.probabilities
    slope_of_p = p * weights if axis is None else p * (1 - p) * weights

    def find_change(rows: slice, change: Floats) -> Floats:
        if axis is None:
            change -= np.einsum("ij,ij->i", p[rows], change)[:, None]
        change *= slope_of_p[rows]
        return change

    def dot(one: Floats, other: Floats) -> Floats:
        return np.asarray(np.sum(one * other, axis=axis, keepdims=True))

    precondition = _make_preconditioner(point.curvature, examples.coordinates, l2, examples.loss)
    size = np.sqrt(dot(point.gradient, point.gradient)) + _TINY
    residual = (-point.gradient / size).astype(np.float32)
    direction = preconditioned = precondition(residual)
    step = np.zeros_like(residual)
    rate = first_rate = dot(residual, preconditioned)
    for _ in range(_MAX_CG_STEPS):
        curved = _backpropagate(direction, examples, l2, np.float32, find_change)
        step_size = rate / (dot(direction, curved) + _TINY)
        step += step_size * direction
        residual -= step_size * curved
        preconditioned = precondition(residual)
        last_rate, rate = rate, dot(residual, preconditioned)
        if (rate <= reduction**2 * first_rate).all():
            break
        direction = preconditioned + rate / (last_rate + _TINY) * direction
    return _centre_classes(step * size, examples.loss)


def _backpropagate(
    table: Floats, examples: Examples, l2: float, dtype: Any, derive: Callable[[slice, Floats], Floats]
) -> Floats:
    """Return a derivative by the table [labels, dim + 1], by the chain rule, with that of the penalty.

    `derive` gets a slice of rows and their logits, and returns the derivative by the logits.
    """
    coordinates = examples.coordinates
    weight, bias = (part.astype(dtype) for part in coordinates.unscale(table))
    slopes = np.zeros(table.shape, dtype)
    for rows in _blocks(*examples.vectors.shape):
        vectors = examples.vectors[rows].astype(dtype, copy=False)
        slope = derive(rows, vectors @ weight.T + bias)
        # slope.T @ vectors, never vectors.T @ slope: the latter is many times slower for few labels.
        slopes[:, :-1] += slope.T @ vectors
        slopes[:, -1] += slope.sum(axis=0)
    slopes[:, :-1] = (slopes[:, :-1] - np.outer(slopes[:, -1], coordinates.mean)) / coordinates.length
    return np.asarray(slopes + _penalties(table, l2) * table, dtype)


def _blocks(count: int, dim: int) -> Iterator[slice]:
    size = max(1, _BLOCK_VALUES // max(dim, 1))
    return (slice(start, start + size) for start in range(0, count, size))


def _penalties(table: Floats, l2: float) -> Floats:
    return np.append(np.full(table.shape[1] - 1, l2), _BIAS_L2).astype(table.dtype)


def _centre_classes(table: Floats, loss: Loss) -> Floats:
    """Subtract the mean over the classes of a softmax, which changes no probability."""
    return table if loss == "sigmoid" else table - table.mean(axis=0)


def _make_preconditioner(
    curvature: Floats, coordinates: Coordinates, l2: float, loss: Loss
) -> Callable[[Floats], Floats]:
    """Return a function that applies the inverse of an approximate Hessian (`curvature` times covariance)."""
    weight_inverse = (1 / (curvature * coordinates.variances + l2)).astype(np.float32)
    bias_inverse = (1 / (curvature + _BIAS_L2)).astype(np.float32)
    axes = coordinates.axes

    def precondition(gradient: Floats) -> Floats:
        along = gradient[:, :-1] @ axes
        weight = (along * weight_inverse) @ axes.T
        if axes.shape[1] < axes.shape[0]:
            weight += (gradient[:, :-1] - along @ axes.T) / np.float32(l2)
        return _centre_classes(np.hstack([weight, bias_inverse * gradient[:, -1:]]), loss)

    return precondition
