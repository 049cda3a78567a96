"""Fit a head with cross-validation, calibrate it, and report its out-of-fold quality."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import Calibration, expected_calibration_error, fit_calibration
from vibe_photos.heads.fit import (
    EXACT,
    ROUGH,
    ClassWeight,
    Examples,
    Floats,
    cross_entropy,
    fit_linear,
    prepare_examples,
    weigh_rows,
)
from vibe_photos.heads.rounding import exact_logits, round_figures, round_head
from vibe_photos.storage.files import round_metric
from vibe_photos.train.targets import TrainingSet

_PATIENCE = 2
"""So many penalties in a row that are no better than the best end the search."""
_LOSS_TOLERANCE = 1e-5
"""Losses that differ by no more count as equal: then the larger penalty is used."""


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """The results of cross-validation.

    `l2` is the chosen penalty, None if there was nothing to fit. `loss` is the mean out-of-fold
    cross-entropy with it; `logits` float64 [n, labels], rounded, are the out-of-fold logits (None and NaN if
    all photos are in one fold). `tables` are the folds' fits, each as `fit_linear` returns it.
    """

    l2: float | None
    loss: float | None
    logits: Floats
    tables: Sequence[Floats] = ()


@dataclass(frozen=True, slots=True)
class Student:
    """A fitted head with its cross-validation.

    `weight` is float32 [labels, dim], `bias` float32 [labels], for vectors as the encoder gives them.
    `probabilities` float64 [n, labels], rounded, are out of fold for head and calibration; if all photos are
    in one fold, they are NaN and nothing is calibrated.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibration: Calibration
    validation: CrossValidation
    probabilities: Floats


def fit_student(training_set: TrainingSet) -> Student:
    """Fit a head with the penalty that is best in cross-validation over the folds.

    The same input gives the same bits on every processor, however many cores it has (see `heads.rounding`).
    """
    targets, vectors, folds = training_set.targets, training_set.vectors, training_set.folds
    loss, options = training_set.loss, training_set.options
    if not targets.labels or not len(vectors):
        nothing = np.zeros((len(vectors), 0))
        weight, bias = np.zeros((0, vectors.shape[1]), dtype=np.float32), np.zeros(0, dtype=np.float32)
        return Student(weight, bias, Calibration.identity(0), CrossValidation(None, None, nothing), nothing)
    # The folds run in parallel, so each matrix product uses one thread.
    with threadpool_limits(limits=1, user_api="blas"):
        examples = prepare_examples(vectors, targets.y, targets.is_judged, loss)
        validation = cross_validate(examples, folds, options.l2, options.class_weight)
        all_weights = weigh_rows(examples, np.ones(len(vectors), dtype=bool), options.class_weight)
        start = validation.tables[0] if validation.tables else None  # any fold's: near the optimum
        table = fit_linear(examples, all_weights, validation.l2 or 0.0, start)
    weight, bias = round_head(*examples.coordinates.unscale(table))
    if validation.loss is None:
        calibration = Calibration.identity(len(targets.labels))
        return Student(weight, bias, calibration, validation, validation.logits)
    calibration = fit_calibration(validation.logits, examples.y, examples.is_judged, loss)
    probabilities = calibrate_out_of_fold(examples, validation.logits, folds)
    return Student(weight, bias, calibration, validation, probabilities)


def cross_validate(
    examples: Examples,
    folds: NDArray[np.int64],
    l2_grid: Sequence[float],
    class_weight: ClassWeight,
) -> CrossValidation:
    """Fit without each fold in turn and choose the penalty with the least out-of-fold loss.

    Penalties are tried in descending order, each fit starting from the last one (warm start), until two in a
    row are no better than the best. With fewer than two folds the largest penalty is used. Only the fits with
    the chosen penalty are solved exactly.

    Args:
        examples: all photos that may train.
        folds: each photo's fold [n]; near-duplicates share one.
        l2_grid: penalties to try.
        class_weight: as in `weigh_rows`; the compared losses use the same weights.
    """
    penalties = sorted(l2_grid, reverse=True)
    in_folds = [folds == fold for fold in np.unique(folds)]
    if len(in_folds) < 2:
        return CrossValidation(penalties[0], None, np.full(examples.y.shape, np.nan))
    weights = [weigh_rows(examples, ~in_fold, class_weight) for in_fold in in_folds]
    all_weights = weigh_rows(examples, np.ones(len(folds), dtype=bool), class_weight)
    tables: list[list[Floats]] = []
    losses: list[float] = []
    with ThreadPoolExecutor(max_workers=min(len(in_folds), os.cpu_count() or 1)) as pool:

        def fit_folds(l2: float, starts: Sequence[Floats | None], precision: float) -> list[Floats]:
            def fit_one(fold: int) -> Floats:
                return fit_linear(examples, weights[fold], l2, starts[fold], precision)

            return list(pool.map(fit_one, range(len(in_folds))))

        starts: Sequence[Floats | None] = [None] * len(in_folds)
        for l2 in penalties:
            starts = fit_folds(l2, starts, ROUGH)
            tables.append(starts)
            losses.append(_mean_loss(examples, _out_of_fold_logits(examples, in_folds, starts), all_weights))
            best = next(place for place, loss in enumerate(losses) if loss <= min(losses) + _LOSS_TOLERANCE)
            if len(losses) - 1 - best >= _PATIENCE:
                break
        exact = fit_folds(penalties[best], tables[best], EXACT)
    logits = _out_of_fold_logits(examples, in_folds, exact)
    return CrossValidation(penalties[best], _mean_loss(examples, logits, all_weights), logits, exact)


def calibrate_out_of_fold(examples: Examples, logits: Floats, folds: NDArray[np.int64]) -> Floats:
    """Return rounded probabilities [n, labels], calibrated without the photo's own fold."""
    probabilities = np.empty_like(logits)
    for fold in np.unique(folds):
        in_fold, others = folds == fold, folds != fold
        calibration = fit_calibration(
            logits[others], examples.y[others], examples.is_judged[others], examples.loss
        )
        probabilities[in_fold] = calibration.probabilities(logits[in_fold], examples.loss)
    return round_figures(probabilities)


def summarize_validation(student: Student, training_set: TrainingSet) -> dict[str, Any]:
    """Return the metrics of cross-validation: penalty, cross-entropy, accuracy, calibration error.

    Accuracy is the share of judged photos (softmax: top label right) or judged photo-label pairs (sigmoid:
    right at 0.5). `after` is the calibration error of probabilities calibrated without the photo's fold.
    """
    validation, after = student.validation, student.probabilities
    targets, loss = training_set.targets, training_set.loss
    if validation.loss is None:
        return {"l2": validation.l2, "cross_validation": None, "calibration_error": None}
    before = Calibration.identity(len(targets.labels)).probabilities(validation.logits, loss)
    if loss == "softmax":
        is_right = after.argmax(axis=1) == targets.y.argmax(axis=1)
    else:
        is_right = ((after >= 0.5) == (targets.y > 0))[targets.is_judged]
    error_before, error_after = (
        expected_calibration_error(probabilities, targets.y, targets.is_judged, loss)
        for probabilities in (before, after)
    )
    return {
        "l2": validation.l2,
        "cross_validation": {
            "loss": round_metric(validation.loss),
            "accuracy": round_metric(is_right.mean()),
        },
        "calibration_error": {"before": round_metric(error_before), "after": round_metric(error_after)},
    }


def _out_of_fold_logits(
    examples: Examples, in_folds: Sequence[NDArray[np.bool_]], tables: Sequence[Floats]
) -> NDArray[np.float64]:
    """Return each photo's logits by the fit without its fold, with weights rounded like a stored head."""
    logits = np.empty(examples.y.shape)
    for in_fold, table in zip(in_folds, tables, strict=True):
        head = round_head(*examples.coordinates.unscale(table))
        logits[in_fold] = round_figures(exact_logits(examples.vectors[in_fold], *head))
    return logits


def _mean_loss(examples: Examples, logits: Floats, weights: Floats) -> float:
    """Return the mean over the labels; each column of `weights` sums to 1 (`weigh_rows`)."""
    entropy, _ = cross_entropy(logits, examples.y, examples.loss)
    return float((entropy * weights).sum(dtype=np.float64) / weights.shape[1])
