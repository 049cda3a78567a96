"""Calibration of probabilities by temperature and Platt scaling, and the calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Floats, Loss, cross_entropy, fit_linear, prepare_examples, weigh_rows
from vibe_photos.heads.rounding import round_figures

ECE_BINS = 15
_MIN_SCALE, _MAX_SCALE = 0.02, 50.0
_SMALL_L2 = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """Parameters of probabilities: `softmax` or `sigmoid` of `scale * logit + offset`, per label.

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

    Each is solved exactly in float64 and then rounded to six decimals.

    Args:
        logits: [n, labels], out of fold.
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
    """Return the mean distance of probabilities from frequencies, 0 to 1, in 15 equal bins (Guo et al. 2017).

    Softmax: the top label's probability against how often it is right. Sigmoid: each label's probability
    against how often it is present, averaged over labels. None if nothing is judged.
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
    """Return the inverse temperature with the least cross-entropy: the root of its increasing derivative."""
    from scipy.optimize import brentq

    def slope(scale: float) -> float:
        return float((cross_entropy(logits * scale, y, "softmax")[1] * logits).sum()) / len(logits)

    if slope(_MIN_SCALE) >= 0:
        return _MIN_SCALE
    if slope(_MAX_SCALE) <= 0:
        return _MAX_SCALE
    return float(round_figures(brentq(slope, _MIN_SCALE, _MAX_SCALE, xtol=1e-14)))


def _fit_platt(logits: Floats, y: Floats) -> tuple[float, float]:
    """Return the scale (positive) and offset with the least cross-entropy for Platt's smoothed targets."""
    from scipy.optimize import brentq

    present = float(y.sum())
    absent = len(y) - present
    if not present or not absent:
        return 1.0, 0.0
    targets = np.where(y > 0, (present + 1) / (present + 2), 1 / (absent + 2))
    everyone = np.ones((len(y), 1), dtype=bool)
    examples = prepare_examples(logits[:, None], targets[:, None], everyone, "sigmoid")
    table = fit_linear(examples, weigh_rows(examples, everyone[:, 0], "none"), _SMALL_L2)
    (scale,), offset = (part[0] for part in examples.coordinates.unscale(table))
    if not _MIN_SCALE <= scale <= _MAX_SCALE:
        scale = float(np.clip(scale, _MIN_SCALE, _MAX_SCALE))
        most = scale * np.abs(logits).max() + 50.0
        offset = brentq(
            lambda shift: (activate(scale * logits + shift, "sigmoid") - targets).mean(), -most, most
        )
    return float(round_figures(scale)), float(round_figures(offset))
