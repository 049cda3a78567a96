"""Probabilities that mean what they say: temperature and Platt scaling, and how far off they are."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Floats, Loss, cross_entropy

ECE_BINS = 15
_MAX_LOG_SCALE = 4.0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns logits into probabilities: `softmax` or `sigmoid` of `scale * logit + offset`, by label.

    For softmax all scales are one inverse temperature and the offsets are 0.
    """

    scale: tuple[float, ...]
    offset: tuple[float, ...]

    @classmethod
    def identity(cls, label_count: int) -> "Calibration":
        """Return the calibration that changes nothing."""
        return cls((1.0,) * label_count, (0.0,) * label_count)

    def probabilities(self, logits: Floats, loss: Loss) -> Floats:
        """Return the calibrated probabilities [n, labels] of `logits` [n, labels]."""
        scaled = logits * np.asarray(self.scale) + np.asarray(self.offset)
        return activate(scaled, loss)


def activate(logits: Floats, loss: Loss) -> Floats:
    """Return softmax (over the last axis) or sigmoid of `logits`, without overflow."""
    if loss == "softmax" and logits.shape[-1]:
        exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))
    decay = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits >= 0, 1.0, decay) / (1.0 + decay))


def fit_calibration(logits: Floats, y: Floats, is_judged: NDArray[np.bool_], loss: Loss) -> Calibration:
    """Fit one temperature (Guo et al. 2017), or a scale and an offset per label (Platt 1999).

    Args:
        logits: [n, labels], of photos that the head behind them did not learn from.
        y: 0 or 1 [n, labels]; one-hot for softmax.
        is_judged: [n, labels], or [n, 1] for softmax.
        loss: of the head.
    """
    labels = logits.shape[1]
    if loss == "softmax":
        rows = is_judged[:, 0]
        scale = _fit_temperature(logits[rows].astype(np.float64), y[rows]) if rows.any() else 1.0
        return Calibration((scale,) * labels, (0.0,) * labels)
    fitted = [
        _fit_platt(logits[is_judged[:, label], label].astype(np.float64), y[is_judged[:, label], label])
        for label in range(labels)
    ]
    return Calibration(tuple(scale for scale, _ in fitted), tuple(offset for _, offset in fitted))


def expected_calibration_error(
    probabilities: Floats, y: Floats, is_judged: NDArray[np.bool_], loss: Loss
) -> float | None:
    """Return how far probabilities are from frequencies, 0 to 1, in 15 bins of equal width (Guo et al. 2017).

    Softmax: the top label's probability against how often it is right. Sigmoid: each label's probability
    against how often it is present, averaged over labels. None where nothing is judged.
    """
    if loss == "softmax":
        rows = is_judged[:, 0]
        top = probabilities[rows].argmax(axis=1) if rows.any() else np.zeros(0, dtype=np.int64)
        picked = np.arange(len(top))
        return _binned_gap(probabilities[rows][picked, top], y[rows][picked, top])
    gaps = [_binned_gap(probabilities[rows, label], y[rows, label]) for label, rows in enumerate(is_judged.T)]
    known = [gap for gap in gaps if gap is not None]
    return sum(known) / len(known) if known else None


def _binned_gap(probabilities: Floats, hits: Floats) -> float | None:
    if not len(hits):
        return None
    bins = np.minimum((probabilities * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gaps = np.bincount(bins, weights=probabilities.astype(np.float64) - hits, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(hits))


def _fit_temperature(logits: Floats, y: Floats) -> float:
    """Return the inverse temperature of least cross-entropy."""

    def value_and_gradient(point: Floats) -> tuple[float, Floats]:
        scale = np.exp(point[0])
        entropy, slope = cross_entropy(logits * scale, y, "softmax")
        return float(entropy.mean()), np.array([(slope * logits).sum() * scale / len(logits)])

    return float(np.exp(_minimise(value_and_gradient, [0.0])[0]))


def _fit_platt(logits: Floats, y: Floats) -> tuple[float, float]:
    """Return scale (kept positive) and offset of least cross-entropy with Platt's smoothed targets."""
    present = float(y.sum())
    absent = len(y) - present
    if not present or not absent:
        return 1.0, 0.0
    targets = np.where(y > 0, (present + 1) / (present + 2), 1 / (absent + 2))

    def value_and_gradient(point: Floats) -> tuple[float, Floats]:
        scale = np.exp(point[0])
        entropy, slope = cross_entropy(logits * scale + point[1], targets, "sigmoid")
        return float(entropy.mean()), np.array([(slope * logits).mean() * scale, slope.mean()])

    log_scale, offset = _minimise(value_and_gradient, [0.0, 0.0])
    return float(np.exp(log_scale)), float(offset)


def _minimise(value_and_gradient: object, start: list[float]) -> Floats:
    from scipy.optimize import minimize

    bounds = [(-_MAX_LOG_SCALE, _MAX_LOG_SCALE), *[(None, None)] * (len(start) - 1)]
    options = {"gtol": 1e-8, "ftol": 1e-14}
    found = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x)
