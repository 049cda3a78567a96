"""Calibration: of all labels predicted with probability 0.8, eight of ten should be true.

The reliability diagram of DeGroot and Fienberg 1983, "The comparison and evaluation of forecasters", and the
expected calibration error of Guo et al. 2017, "On calibration of modern neural networks", equation 3. The
error is taken over 15 bins of equal width, as in the heads' own metrics; a point of a diagram covers a tenth
of the probabilities, or more where few predictions were made, so that none is based on a handful.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vibe_photos.heads.calibration import ECE_BINS
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import HeadName
from vibe_photos.statistics.design import effective_count
from vibe_photos.statistics.intervals import Interval, wilson_interval
from vibe_photos.statistics.label_arrays import JudgedPhotos, with_parents
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Floats, Indices
from vibe_photos.statistics.summary import Figures
from vibe_photos.storage.files import round_metric

TENTHS = 10
FEWEST_PREDICTIONS = 10
"""A point of a diagram stands for at least so many predictions, unless there are fewer in all."""


@dataclass(frozen=True, slots=True)
class ScoredPredictions:
    """Predictions with their probabilities, and whether each is true.

    `probability` float64 [n] in 0..1, `is_true` bool [n], `weights` float64 [n], `together` int64 [n]: equal
    for predictions of one label for near-duplicates, which are true or false together.
    """

    probability: Floats
    is_true: Bools
    weights: Floats
    together: Indices


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """One point of a diagram: mean probability, share that is true, its interval, number of predictions."""

    probability: float
    frequency: float
    interval: Interval
    statements: int


def calibration_error(predictions: ScoredPredictions) -> float | None:
    """Return how far probabilities are from frequencies, 0 to 1; None without predictions."""
    total = float(predictions.weights.sum())
    if not total:
        return None
    bins = np.minimum((predictions.probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gap = (predictions.probability - predictions.is_true) * predictions.weights
    return float(np.abs(np.bincount(bins, gap, ECE_BINS)).sum()) / total


def calibration_noise(predictions: ScoredPredictions, seed: int) -> float | None:
    """Return the error below which 95 of 100 perfectly calibrated students stay on these photos; 0 to 1.

    An error below it says nothing against the student. With true probabilities p the gap of a bin is about
    normal around 0, with variance sum of weight^2 p (1 - p); near-duplicates move together. The 95th
    percentile is that of 10,000 seeded draws. None without predictions.
    """
    total = float(predictions.weights.sum())
    if not total:
        return None
    p = predictions.probability
    bins = np.minimum((p * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    _, cells = np.unique(predictions.together * ECE_BINS + bins, return_inverse=True)
    moves = np.bincount(cells, predictions.weights * np.sqrt(p * (1 - p)))
    bin_of_cell = np.zeros(len(moves), np.int64)
    bin_of_cell[cells] = bins
    spread = np.sqrt(np.bincount(bin_of_cell, moves**2, ECE_BINS)) / total
    drawn = np.random.default_rng(seed).standard_normal((10_000, ECE_BINS))
    return float(np.quantile((np.abs(drawn) * spread).sum(axis=1), 0.95))


def summarise_calibration(predictions: Mapping[str, ScoredPredictions], seed: int) -> Figures:
    """Return `calibration_error` and `calibration_noise` of each, as they stand in `metrics.json`."""
    return {
        "calibration_error": {
            name: round_metric(calibration_error(one)) for name, one in predictions.items()
        },
        "calibration_noise": {
            name: round_metric(calibration_noise(one, seed)) for name, one in predictions.items()
        },
    }


def reliability_points(predictions: ScoredPredictions, level: float) -> list[ReliabilityPoint]:
    """Return the points of a diagram, by rising probability; intervals treat predictions as independent."""
    points = []
    for rows in _divide(predictions.probability):
        weights = predictions.weights[rows]
        frequency = float(np.average(predictions.is_true[rows], weights=weights))
        probability = float(np.average(predictions.probability[rows], weights=weights))
        interval = wilson_interval(frequency, effective_count(weights), level)
        points.append(ReliabilityPoint(probability, frequency, interval, len(rows)))
    return points


def predictions_of_labels(photos: JudgedPhotos) -> dict[str, ScoredPredictions]:
    """Return the scored labels whose truth is known: `scene`, each attribute, and all `objects` together.

    A scene's prediction is the chosen one. For an attribute or object it is the probability that it is
    present; an object's ancestors are true with it.
    """
    truth, prediction, design = photos.truth, photos.prediction, photos.design
    is_known = (truth.scene >= 0) & (prediction.scene >= 0)
    is_right = np.where(is_known, truth.scene == prediction.scene, UNJUDGED).astype(np.int8)
    attributes = {
        label_name(key): _collect(
            prediction.attribute_scores[:, [i]], truth.attributes[:, [i]], design.weights, design.groups
        )
        for i, key in enumerate(photos.keys.attribute)
    }
    objects = with_parents(truth.objects, photos.keys.object)
    return {
        "scene": _collect(prediction.scene_score[:, None], is_right[:, None], design.weights, design.groups),
        **attributes,
        "objects": _collect(prediction.object_scores, objects, design.weights, design.groups),
    }


def predictions_out_of_fold(held_out: Mapping[HeadName, OutOfFold]) -> dict[str, ScoredPredictions]:
    """Return the same for the training photos, by fits that had not seen them; the teacher is the truth.

    There is no entry for a head that learned nothing, or whose photos are all in one fold.
    """
    found: dict[str, ScoredPredictions] = {}
    for head, one in held_out.items():
        if not one.labels or np.isnan(one.probabilities).any():
            continue
        alone = np.ones(len(one.y)), np.arange(len(one.y))
        if head == "scene":
            top = one.probabilities.argmax(axis=1)[:, None]
            scores = np.take_along_axis(one.probabilities, top, axis=1)
            found["scene"] = _collect(scores, np.take_along_axis(one.y, top, axis=1), *alone)
        elif head == "attribute":
            for i, key in enumerate(one.labels):
                found[label_name(key)] = _collect(one.probabilities[:, [i]], one.y[:, [i]], *alone)
        else:
            found["objects"] = _collect(one.probabilities, one.y, *alone)
    return found


def _collect(probability: Floats, y: Flags, weights: Floats, groups: Indices) -> ScoredPredictions:
    """Take the predictions that are scored and judged out of [n, labels]; the last two, [n], are photos'."""
    counts = ~np.isnan(probability) & (y != UNJUDGED)
    photos, labels = np.nonzero(counts)
    return ScoredPredictions(
        probability[counts].astype(np.float64),
        y[counts] == 1,
        weights[photos],
        groups[photos] * y.shape[1] + labels,
    )


def _divide(probability: Floats) -> list[Indices]:
    """Divide predictions by tenths of probability, from the highest down; too few join those below them."""
    tenths = np.minimum((probability * TENTHS).astype(np.int64), TENTHS - 1)
    groups, waiting = list[Indices](), np.empty(0, np.int64)
    for tenth in reversed(range(TENTHS)):
        waiting = np.append(waiting, np.flatnonzero(tenths == tenth))
        if len(waiting) >= FEWEST_PREDICTIONS:
            groups.append(waiting)
            waiting = np.empty(0, np.int64)
    if len(waiting):
        above = [groups.pop()] if groups else []
        groups.append(np.concatenate([*above, waiting]))
    return groups[::-1]
