"""Which penalty to take, and what a head says of photos that it did not learn from.

A student fitted, calibrated and examined: the optimum, and what the folds say of it.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import Calibration, expected_calibration_error, fit_calibration
from vibe_photos.heads.fit import (
    ClassWeight,
    Examples,
    Floats,
    Loss,
    cross_entropy,
    fit_linear,
    predict_logits,
    prepare_examples,
    weigh_rows,
)
from vibe_photos.settings import HeadTraining
from vibe_photos.train.targets import Targets

_MAX_RISES = 2


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What the folds say.

    `l2` is the chosen penalty, None where there was nothing to fit. `loss` is the mean out-of-fold
    cross-entropy with it and `logits` float32 [n, labels] are the out-of-fold logits: None and NaN where all
    photos are in one fold.
    """

    l2: float | None
    loss: float | None
    logits: Floats


def cross_validate(
    examples: Examples,
    folds: NDArray[np.int64],
    l2_grid: Sequence[float],
    class_weight: ClassWeight,
) -> CrossValidation:
    """Fit without each fold in turn and choose the penalty of least out-of-fold loss.

    Penalties are tried from the largest down, each fit beginning where the last one ended, until two in a row
    do no better than the best. The folds run in parallel threads, each deterministic. With fewer than two
    folds nothing can be compared, and the largest penalty is taken.

    Args:
        examples: all photos that may train.
        folds: each photo's fold [n]; near-duplicates share one.
        l2_grid: penalties to try.
        class_weight: as in `weigh_rows`; the losses compared are weighted alike.
    """
    path = sorted(l2_grid, reverse=True)
    held = [folds == fold for fold in np.unique(folds)]
    if len(held) < 2:
        return CrossValidation(path[0], None, np.full(examples.y.shape, np.nan, dtype=np.float32))
    weights = [weigh_rows(examples, ~is_held, class_weight) for is_held in held]
    everyone = weigh_rows(examples, np.ones(len(folds), dtype=bool), class_weight)
    starts: Sequence[tuple[Floats, Floats] | None] = [None] * len(held)
    losses: list[float] = []
    logits_of: list[Floats] = []
    with ThreadPoolExecutor(max_workers=min(len(held), os.cpu_count() or 1)) as pool:
        for l2 in path:
            fits = list(pool.map(fit_linear, repeat(examples), weights, repeat(l2), starts))
            logits_of.append(_join_folds(examples, held, fits))
            losses.append(_mean_loss(examples, logits_of[-1], everyone))
            starts, best = fits, losses.index(min(losses))
            if len(losses) - 1 - best >= _MAX_RISES:
                break
    return CrossValidation(path[best], losses[best], logits_of[best])


def calibrate_out_of_fold(examples: Examples, logits: Floats, folds: NDArray[np.int64]) -> Floats:
    """Return probabilities [n, labels] of photos of which neither head nor calibration has learnt."""
    probabilities = np.empty_like(logits)
    for fold in np.unique(folds):
        held = folds == fold
        calibration = fit_calibration(
            logits[~held], examples.y[~held], examples.is_judged[~held], examples.loss
        )
        probabilities[held] = calibration.probabilities(logits[held], examples.loss)
    return probabilities


def _join_folds(
    examples: Examples, held: Sequence[NDArray[np.bool_]], fits: Sequence[tuple[Floats, Floats]]
) -> Floats:
    """Return each photo's logits by the fit that held it out, float32 [n, labels]."""
    logits = np.empty(examples.y.shape, dtype=np.float32)
    for is_held, fit in zip(held, fits, strict=True):
        logits[is_held] = predict_logits(examples.vectors[is_held], *fit)
    return logits


def _mean_loss(examples: Examples, logits: Floats, weights: Floats) -> float:
    entropy, _ = cross_entropy(logits, examples.y, examples.loss)
    return float((entropy * weights).sum(dtype=np.float64) / weights.shape[1])


@dataclass(frozen=True, slots=True)
class Student:
    """A fitted head and the evidence.

    `weight` is float32 [labels, dim], `bias` float32 [labels], for vectors as the encoder gives them.
    `probabilities` float32 [n, labels] are of photos that neither head nor calibration has seen; they are
    NaN where all photos are in one fold, and nothing is calibrated then.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibration: Calibration
    validation: CrossValidation
    probabilities: Floats


def fit_student(
    targets: Targets,
    vectors: NDArray[np.float32],
    folds: NDArray[np.int64],
    loss: Loss,
    options: HeadTraining,
) -> Student:
    """Fit a head to `vectors` [n, dim] with the penalty that does best on photos held out by `folds` [n].

    The same input gives the same bits on one machine, however many cores it has.
    """
    if not targets.labels or not len(vectors):
        return _know_nothing(len(vectors), vectors.shape[1])
    # One thread for each product: how a sum is shared out among threads would change its last bits.
    with threadpool_limits(limits=1, user_api="blas"):
        examples = prepare_examples(vectors, targets.y, targets.is_judged, loss)
        validation = cross_validate(examples, folds, options.l2, options.class_weight)
        weights = weigh_rows(examples, np.ones(len(vectors), dtype=bool), options.class_weight)
        fitted = fit_linear(examples, weights, validation.l2 or 0.0)
        weight, bias = examples.coordinates.lift(*fitted)
    return Student(
        weight.astype(np.float32), bias.astype(np.float32), *_calibrate(examples, validation, folds)
    )


def examine(student: Student, targets: Targets, loss: Loss) -> dict[str, Any]:
    """Return what the metric says of the folds: penalty, cross-entropy, accuracy, calibration error.

    Accuracy is the share of judged photos (softmax: top label right) or judged photo-label pairs (sigmoid:
    right at 0.5). The calibration error after is that of probabilities calibrated without the photo's fold.
    """
    validation = student.validation
    if validation.loss is None:
        return {"l2": validation.l2, "cross_validation": None, "calibration_error": None}
    before = Calibration.identity(len(targets.labels)).probabilities(validation.logits, loss)
    judged = targets.y, targets.is_judged, loss
    return {
        "l2": validation.l2,
        "cross_validation": {
            "loss": round(validation.loss, 4),
            "accuracy": round(_accuracy(student.probabilities, targets, loss), 4),
        },
        "calibration_error": {
            "before": _rounded(expected_calibration_error(before, *judged)),
            "after": _rounded(expected_calibration_error(student.probabilities, *judged)),
        },
    }


def _calibrate(
    examples: Examples, validation: CrossValidation, folds: NDArray[np.int64]
) -> tuple[Calibration, CrossValidation, Floats]:
    if validation.loss is None:
        return Calibration.identity(examples.y.shape[1]), validation, validation.logits
    calibration = fit_calibration(validation.logits, examples.y, examples.is_judged, examples.loss)
    return calibration, validation, calibrate_out_of_fold(examples, validation.logits, folds)


def _accuracy(probabilities: Floats, targets: Targets, loss: Loss) -> float:
    if loss == "softmax":
        return float((probabilities.argmax(axis=1) == targets.y.argmax(axis=1)).mean())
    return float(((probabilities >= 0.5) == (targets.y > 0))[targets.is_judged].mean())


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _know_nothing(count: int, dim: int) -> Student:
    nothing = np.zeros((count, 0), dtype=np.float32)
    return Student(
        weight=np.zeros((0, dim), dtype=np.float32),
        bias=np.zeros(0, dtype=np.float32),
        calibration=Calibration.identity(0),
        validation=CrossValidation(l2=None, loss=None, logits=nothing),
        probabilities=nothing,
    )
