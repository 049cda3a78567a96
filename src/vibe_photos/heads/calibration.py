"""Calibration of probabilities by temperature and Platt scaling, and the calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Floats, Loss, cross_entropy
from vibe_photos.heads.rounding import DECIMALS, round_figures

ECE_BINS = 15
_MIN_SCALE, _MAX_SCALE = 0.02, 50.0
_SMALL_L2 = 1e-6
_MAX_NEWTON_STEPS, _SMALL_STEP = 50, 1e-8


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


def apply_temperature(probabilities: Floats, temperature: float, loss: Loss) -> Floats:
    """Return rounded probabilities [n, labels] with their logits divided by `temperature`."""
    return round_figures(activate(find_logits(probabilities, loss) / temperature, loss))


def find_logits(probabilities: Floats, loss: Loss) -> Floats:
    """Return the logits of rounded probabilities [n, labels]; 0 counts as 5e-7, and 1 as 1 - 5e-7."""
    half = 10.0**-DECIMALS / 2
    p = np.clip(probabilities, half, 1 - half)
    return np.asarray(np.log(p) if loss == "softmax" else np.log(p) - np.log1p(-p))


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
        everyone = np.ones((int(rows.sum()), 1))
        scale = fit_scale(logits[rows].astype(np.float64), y[rows], everyone, loss)
        return Calibration((scale,) * labels, (0.0,) * labels)
    scales, offsets = np.ones(labels), np.zeros(labels)
    present, absent = (is_judged * y).sum(axis=0), (is_judged * (1 - y)).sum(axis=0)
    mixed = np.flatnonzero((present > 0) & (absent > 0))
    values = logits[:, mixed].astype(np.float64)
    scales[mixed], offsets[mixed] = _fit_platt(values, y[:, mixed], is_judged[:, mixed])
    return Calibration(tuple(round_figures(scales).tolist()), tuple(round_figures(offsets).tolist()))


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


def fit_scale(logits: Floats, y: Floats, weights: Floats, loss: Loss) -> float:
    """Return the factor of `logits` (the inverse temperature) of least cross-entropy, within 0.02 to 50.

    Newton's method, between bounds that each step narrows. A tiny penalty keeps the factor near 1 where it
    does not matter, for example if all logits are equal.

    Args:
        logits: float64 [n, labels].
        y: 0 or 1 [n, labels]; one-hot for softmax.
        weights: [n, labels], or [n, 1].
        loss: what turns logits into probabilities.
    """
    low, high, scale = _MIN_SCALE, _MAX_SCALE, 1.0
    weights = weights / max(float(weights.sum()), 1e-300)
    for _ in range(_MAX_NEWTON_STEPS):
        _, error = cross_entropy(scale * logits, y, loss)
        p = error + y
        slope = float((weights * error * logits).sum()) + _SMALL_L2 * (scale - 1)
        low, high = (low, scale) if slope > 0 else (scale, high)
        # The variance of a photo's logits under its probabilities; for sigmoid that of each label.
        mean = (p * logits).sum(axis=1, keepdims=True) if loss == "softmax" else p * logits
        curvature = float((weights * p * logits * (logits - mean)).sum()) + _SMALL_L2
        last, scale = scale, scale - slope / curvature
        if not low < scale < high:
            scale = float(np.sqrt(low * high))
        if abs(scale - last) < 1e-9 * scale:
            break
    return round(scale, DECIMALS)


def _fit_platt(logits: Floats, y: Floats, is_judged: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return each label's scale (positive) and offset of least cross-entropy, for Platt's smoothed targets.

    Each label must be present on some judged photos, and absent on others.
    """
    weights = is_judged / is_judged.sum(axis=0)
    targets = smooth_targets(y, is_judged)
    mean = (weights * logits).sum(axis=0)
    spread = np.sqrt((weights * np.square(logits - mean)).sum(axis=0))
    spread[spread <= 1e-6 * np.abs(mean)] = 1.0  # logits that differ only by rounding are equal
    values = (logits - mean) / spread
    slope, height = _fit_lines(values, targets, weights)
    scale = np.clip(slope / spread, _MIN_SCALE, _MAX_SCALE)
    if (is_clipped := scale != slope / spread).any():
        _, best = _fit_lines(values, targets, weights, scale * spread)
        height = np.where(is_clipped, best, height)
    return scale, height - scale * mean


def smooth_targets(y: Floats, is_judged: NDArray[np.bool_]) -> Floats:
    """Return Platt's targets [n, labels] in 0..1: nearer to 0 and 1 if more photos of a label are judged."""
    present, absent = (is_judged * y).sum(axis=0), (is_judged * (1 - y)).sum(axis=0)
    return np.asarray(np.where(y > 0, (present + 1) / (present + 2), 1 / (absent + 2)))


def _fit_lines(
    values: Floats, targets: Floats, weights: Floats, slope: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return slope and height [labels] of the logits `slope * values + height` with the least cross-entropy.

    Newton's method for all labels at once; steps are halved until the loss does not increase. A given slope
    stays. Otherwise both have a tiny penalty, so that there is an optimum even if all values are equal.
    """
    is_free = slope is None
    penalty = _SMALL_L2 if is_free else 0.0
    line = np.zeros((2, values.shape[1]))
    if slope is not None:
        line[0] = slope

    def evaluate(line: Floats) -> tuple[Floats, Floats]:
        entropy, error = cross_entropy(line[0] * values + line[1], targets, "sigmoid")
        return (weights * entropy).sum(axis=0) + penalty / 2 * np.square(line).sum(axis=0), error

    loss, error = evaluate(line)
    for _ in range(_MAX_NEWTON_STEPS):
        p = error + targets
        curvature = weights * p * (1 - p)
        of_slope, of_both = (curvature * values**2).sum(axis=0) + penalty, (curvature * values).sum(axis=0)
        of_height = curvature.sum(axis=0) + penalty
        error *= weights
        towards = -penalty * line - [(error * values).sum(axis=0), error.sum(axis=0)]
        if is_free:
            step = np.array([of_height, of_slope]) * towards - of_both * towards[::-1]
            step /= of_slope * of_height - of_both**2
        else:
            step = np.array([np.zeros_like(of_height), towards[1] / of_height])
        share = np.ones_like(loss)
        last_loss = loss
        loss, error = evaluate(line + step)
        while (is_worse := ~(loss <= last_loss * (1 + 1e-12))).any() and share.min() > 1e-6:
            share = np.where(is_worse, share / 2, share)
            loss, error = evaluate(line + share * step)
        line = line + share * step
        if np.abs(step).max(initial=0.0) < _SMALL_STEP:
            break
    return line[0], line[1]
