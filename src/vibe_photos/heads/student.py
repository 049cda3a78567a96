"""A student fitted, calibrated and examined: the optimum, and what the folds say of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import Calibration, expected_calibration_error, fit_calibration
from vibe_photos.heads.cross_validation import CrossValidation, calibrate_out_of_fold, cross_validate
from vibe_photos.heads.fit import Examples, Floats, Loss, fit_linear, prepare_examples, weigh_rows
from vibe_photos.heads.targets import Targets
from vibe_photos.settings import HeadTraining


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
