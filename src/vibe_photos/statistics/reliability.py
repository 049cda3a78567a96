"""Whether probabilities mean what they say: of what is said with 0.8, eight of ten should be true.

The reliability diagram of DeGroot and Fienberg 1983, "The comparison and evaluation of forecasters", and the
expected calibration error of Guo et al. 2017, "On calibration of modern neural networks", equation 3. The
error is taken over 15 bins of equal width, as in the heads' own metrics; a point of a diagram stands for a
tenth of all probabilities, or for more where few statements were made, so that none rests on a handful.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from vibe_photos.heads.calibration import ECE_BINS
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import HeadName
from vibe_photos.statistics.intervals import Interval, wilson_interval
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Floats, Indices
from vibe_photos.statistics.opinions import with_parents
from vibe_photos.statistics.summary import Comparison, Figures, round_figure

TENTHS = 10
FEWEST_STATEMENTS = 10
"""A point of a diagram stands for no fewer statements, unless there are no more in all."""


@dataclass(frozen=True, slots=True)
class Statements:
    """What was said with which probability, and whether it is true.

    `probability` float64 [n] in 0..1, `is_true` bool [n], `weights` float64 [n].
    """

    probability: Floats
    is_true: Bools
    weights: Floats


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """One point of a diagram: mean probability, share that is true, its interval, statements behind it."""

    probability: float
    frequency: float
    interval: Interval
    statements: int


def calibration_error(statements: Statements) -> float | None:
    """Return how far probabilities are from frequencies, 0 to 1; None where nothing is said."""
    total = float(statements.weights.sum())
    if not total:
        return None
    bins = np.minimum((statements.probability * ECE_BINS).astype(np.int64), ECE_BINS - 1)
    gap = (statements.probability - statements.is_true) * statements.weights
    return float(np.abs(np.bincount(bins, gap, ECE_BINS)).sum()) / total


def summarise_calibration(statements: Mapping[str, Statements]) -> Figures:
    """Return each calibration error, as it stands in `metrics.json`."""
    return {name: round_figure(calibration_error(said)) for name, said in statements.items()}


def reliability_points(statements: Statements, level: float) -> list[ReliabilityPoint]:
    """Return the points of a diagram, by rising probability; intervals take statements for independent."""
    return [_summarise(statements, rows, level) for rows in _divide(statements.probability)]


def statements_of_labels(comparison: Comparison) -> dict[str, Statements]:
    """Return what labels say of photos whose truth is known: `scene`, each attribute, and `objects` together.

    A scene's statement is the one that was made. An attribute or object is stated to be present, with
    whatever probability; an object's ancestors are true with it.
    """
    truth, said, weights = comparison.truth, comparison.prediction, comparison.design.weights
    is_right = np.where((truth.scene >= 0) & (said.scene >= 0), truth.scene == said.scene, UNJUDGED)
    attributes = {
        label_name(key): _collect(said.attribute_scores[:, [i]], truth.attributes[:, [i]], weights)
        for i, key in enumerate(comparison.keys.attribute)
    }
    is_object = with_parents(truth.objects, comparison.keys.object)
    return {
        "scene": _collect(said.scene_score[:, None], is_right[:, None].astype(np.int8), weights),
        **attributes,
        "objects": _collect(said.object_scores, is_object, weights),
    }


def statements_out_of_fold(held_out: Mapping[HeadName, OutOfFold]) -> dict[str, Statements]:
    """Return the same of the photos that trained, by fits that had not seen them; the teacher is the truth.

    There is no entry for a head that learnt nothing, or whose photos are all in one fold.
    """
    found: dict[str, Statements] = {}
    for head, one in held_out.items():
        if not one.labels or np.isnan(one.probabilities).any():
            continue
        if head == "scene":
            top = one.probabilities.argmax(axis=1)[:, None]
            is_right = np.take_along_axis(one.y, top, axis=1)
            found["scene"] = _collect(np.take_along_axis(one.probabilities, top, axis=1), is_right)
        elif head == "attribute":
            for i, key in enumerate(one.labels):
                found[label_name(key)] = _collect(one.probabilities[:, [i]], one.y[:, [i]])
        else:
            found["objects"] = _collect(one.probabilities, one.y)
    return found


def _collect(probability: Floats, y: Flags, weights: Floats | None = None) -> Statements:
    """Take the statements that are scored and judged out of [n, labels]; `weights` [n] are the photos'."""
    counts = ~np.isnan(probability) & (y != UNJUDGED)
    of_photos = np.ones(len(y)) if weights is None else weights
    return Statements(
        probability[counts].astype(np.float64), y[counts] == 1, of_photos[np.nonzero(counts)[0]]
    )


def _divide(probability: Floats) -> list[Indices]:
    """Divide statements by tenths of probability, from the surest down; too few join those below them."""
    tenths = np.minimum((probability * TENTHS).astype(np.int64), TENTHS - 1)
    groups, waiting = list[Indices](), np.empty(0, np.int64)
    for tenth in reversed(range(TENTHS)):
        waiting = np.append(waiting, np.flatnonzero(tenths == tenth))
        if len(waiting) >= FEWEST_STATEMENTS:
            groups.append(waiting)
            waiting = np.empty(0, np.int64)
    if len(waiting):
        above = [groups.pop()] if groups else []
        groups.append(np.concatenate([*above, waiting]))
    return groups[::-1]


def _summarise(statements: Statements, rows: Indices, level: float) -> ReliabilityPoint:
    weights = statements.weights[rows]
    frequency = float(np.average(statements.is_true[rows], weights=weights))
    # As many equal ones as weigh as much (Kish 1965, 11.7).
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    return ReliabilityPoint(
        probability=float(np.average(statements.probability[rows], weights=weights)),
        frequency=frequency,
        interval=wilson_interval(frequency, effective, level),
        statements=len(rows),
    )
