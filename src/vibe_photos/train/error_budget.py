"""Why a head makes errors: how much its F1 changes (positive: is better) if one thing is changed.

All is measured out of fold against the training labels, on at most `MOST_PHOTOS` random photos (with so few,
noise harms more than with all). Only the calibration of `probe` and of the fits with noise has seen all
folds, as that of the learning curve. On the demo it adds up to 0.013 (attributes) or 0.035 (objects).

- `threshold`: photos get a label by the threshold with the best F1 in the other folds, instead of 0.5.
- `neighbours`: a photo gets the labels that most of its nearest photos in the other folds have (by cosine).
- `probe`: the same head with random Fourier features added to the vector (Rahimi and Recht 2007, "Random
  features for large-scale kernel machines"), so that it is not linear. If neither this nor `neighbours`
  gains, linearity is not the limit.
- `confused`, `missed`, `invented`: a share `NOISE` of the labels is made wrong. Scenes are replaced, true
  labels removed, false labels added (as a share of the true ones). From this loss and the teacher's measured
  error rate the report computes what right answers would gain, by linear extrapolation (SIMEX: Cook and
  Stefanski 1994, "Simulation-extrapolation estimation in parametric measurement error models"; for labels
  Küchenhoff, Mwalili and Lesaffre 2006, "A general method for dealing with misclassification in regression:
  the misclassification SIMEX"). It holds for random errors: a mistake that the teacher always makes is
  learned, and no figure here shows it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.fit import Coordinates, Floats, find_coordinates, prepare_examples
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.records.photos import unit_interval
from vibe_photos.storage.files import round_metric
from vibe_photos.train.learning_curve import (
    FEWEST_CASES,
    RANDOM_SEED,
    Bools,
    assign_blocks,
    draw_with_replacement,
    find_f1,
    flag_hits,
    percentile_interval,
    predict_all,
    sum_blocks,
)
from vibe_photos.train.student import Student, cross_validate, fit_student
from vibe_photos.train.targets import Targets, TrainingSet

MOST_PHOTOS = 5_000
NEIGHBOURS = 11
"""An odd number: a label is given if most of them have it, and half of them is not most."""
NOISE = 0.1
_NOISE_DRAWS = 3
_FOURIER_FEATURES = 128


def measure_error_budget(training_set: TrainingSet, student: Student, seed: int) -> dict[str, Any] | None:
    """Return the gains and losses of F1, for `train_<head>.json`; None if nothing can be compared.

    `photos`: their number. `rows`: one for the whole head (`label` is "all") and one for each
    label, with intervals; none for those that fewer than `FEWEST_CASES` photos show.
    """
    if student.validation.loss is None or not training_set.targets.labels:
        return None
    if len(training_set.groups) > MOST_PHOTOS:
        part = MOST_PHOTOS / len(training_set.groups)
        numbers = [unit_interval(seed, "error budget", group) for group in training_set.groups]
        training_set = _select_photos(training_set, np.flatnonzero(np.array(numbers) < part))
        student = fit_student(training_set)
    blocks = assign_blocks(list(training_set.groups))
    draw_counts = draw_with_replacement(np.random.default_rng(RANDOM_SEED), int(blocks.max()) + 1)

    def measure_f1(*predictions: Floats) -> Floats:
        """Return the F1 of one prediction [n, labels], or of several pooled: [1 + repetitions, 1 + labels].

        The first row is without resampling, the first column over all labels.
        """
        hits = [sum_blocks(flag_hits(training_set, one), blocks) for one in predictions]
        return find_f1(draw_counts @ sum(hits))

    now = measure_f1(student.probabilities)
    changes = {
        "neighbours": measure_f1(predict_by_neighbours(training_set)) - now,
        "probe": measure_f1(predict_by_nonlinear_head(training_set)) - now,
    }
    noises = ("confused",) if training_set.loss == "softmax" else ("missed", "invented")
    if training_set.loss == "sigmoid":
        changes["threshold"] = measure_f1(_predict_with_best_thresholds(training_set, student)) - now
    coordinates = find_coordinates(training_set.vectors)
    for noise in noises:
        predictions = (
            _predict_after_noise(training_set, coordinates, student, noise, draw)
            for draw in range(_NOISE_DRAWS)
        )
        changes[noise] = measure_f1(*predictions) - now
    cases = (training_set.targets.y * training_set.targets.is_judged).sum(axis=0)
    return {
        "photos": len(training_set.groups),
        "rows": [
            {"label": label, "f1": round_metric(now[0, column])}
            | _format_changes({name: change[:, column] for name, change in changes.items()})
            for column, (label, count) in enumerate(
                zip(["all", *training_set.targets.labels], [cases.sum(), *cases], strict=True)
            )
            if count >= FEWEST_CASES
        ],
    }


def _format_changes(changes: dict[str, Floats]) -> dict[str, Any]:
    return {
        name: value
        for what, change in changes.items()
        for name, value in (
            (what, round_metric(change[0])),
            (f"{what}_interval", percentile_interval(change[1:])),
        )
    }


def _select_photos(training_set: TrainingSet, rows: NDArray[np.int64]) -> TrainingSet:
    targets: Targets = replace(
        training_set.targets, y=training_set.targets.y[rows], is_judged=training_set.targets.is_judged[rows]
    )
    return replace(
        training_set,
        targets=targets,
        vectors=training_set.vectors[rows],
        folds=training_set.folds[rows],
        groups=[training_set.groups[row] for row in rows],
    )


def _predict_with_best_thresholds(training_set: TrainingSet, student: Student) -> Floats:
    """Return 1 where a probability reaches the best threshold of the other folds, else 0: [n, labels]."""
    predicted = np.zeros(student.probabilities.shape)
    for fold in np.unique(training_set.folds):
        in_fold = training_set.folds == fold
        for column, p in enumerate(student.probabilities.T):
            known = ~in_fold & training_set.targets.is_judged[:, column]
            threshold = _best_threshold(p[known], training_set.targets.y[known, column])
            predicted[in_fold, column] = p[in_fold] >= threshold
    return predicted


def _best_threshold(probabilities: Floats, y: Floats) -> float:
    """Return the threshold with the best F1; 0.5 if no label is true."""
    if not y.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    hits, given = np.cumsum(y[order], dtype=np.float64), np.arange(1, len(y) + 1)
    ends = np.append(probabilities[order][1:] != probabilities[order][:-1], True)
    f1 = np.where(ends, find_f1((hits, given, y.sum(dtype=np.float64))), -1.0)
    return float(probabilities[order][f1.argmax()])


def predict_by_neighbours(training_set: TrainingSet) -> Floats:
    """Return the share of the nearest photos in other folds that have each label: [n, labels]."""
    targets, folds = training_set.targets, training_set.folds
    share = np.zeros(targets.y.shape)
    for fold in np.unique(folds):
        in_fold, others = folds == fold, np.flatnonzero(folds != fold)
        known = training_set.vectors[others]
        likeness = exact_logits(training_set.vectors[in_fold], known, np.zeros(len(known), dtype=np.float32))
        nearest = others[np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]]
        is_judged = np.broadcast_to(targets.is_judged, targets.y.shape)[nearest]
        votes = (targets.y[nearest] * is_judged).sum(axis=1)
        share[in_fold] = votes / np.maximum(is_judged.sum(axis=1), 1)
    return share


def predict_by_nonlinear_head(training_set: TrainingSet) -> Floats:
    """Return out-of-fold probabilities [n, labels] of a head with random Fourier features added."""
    generator = np.random.default_rng(RANDOM_SEED)
    mean = training_set.vectors.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(training_set.vectors - mean).sum(axis=1).mean()) or 1.0
    directions = generator.standard_normal((training_set.vectors.shape[1], _FOURIER_FEATURES)) / spread
    waves = np.cos(
        (training_set.vectors - mean) @ directions + generator.uniform(0, 2 * np.pi, _FOURIER_FEATURES)
    )
    # Rounded to the same bits on every processor. Both parts' norm is at most 1, as `exact_logits` needs.
    waves = np.rint(waves * 2.0**20) / 2.0**20 * np.sqrt(0.5 / _FOURIER_FEATURES)
    both = np.hstack([training_set.vectors * np.sqrt(0.5), waves]).astype(np.float32)
    targets, options = training_set.targets, training_set.options
    with threadpool_limits(limits=1, user_api="blas"):
        examples = prepare_examples(both, targets.y, targets.is_judged, training_set.loss)
        found = cross_validate(examples, training_set.folds, options.l2, options.class_weight)
    calibration = fit_calibration(found.logits, targets.y, targets.is_judged, training_set.loss)
    return calibration.probabilities(found.logits, training_set.loss)


def _predict_after_noise(
    training_set: TrainingSet, coordinates: Coordinates, student: Student, noise: str, draw: int
) -> Floats:
    """Return out-of-fold probabilities [n, labels] after learning from labels with added errors."""
    y = _add_noise(training_set.targets.y, training_set.targets.is_judged, noise, draw)
    noisy = replace(training_set, targets=replace(training_set.targets, y=y))
    return predict_all(noisy, coordinates, np.ones(len(y), dtype=bool), student.validation.l2 or 0.0)


def _add_noise(y: Floats, is_judged: Bools, noise: str, draw: int) -> NDArray[np.float32]:
    """Return targets of which a share `NOISE` is wrong; `noise` is as in the module's docstring."""
    generator = np.random.default_rng(draw)
    noisy = y.astype(np.float32).copy()
    chance = generator.random(y.shape)
    if noise == "confused":
        classes = y.argmax(axis=1)
        for row in np.flatnonzero(chance[:, 0] < NOISE):
            others = np.flatnonzero(classes != classes[row])
            if len(others):
                noisy[row] = y[generator.choice(others)]
    elif noise == "missed":
        noisy[(y > 0) & (chance < NOISE)] = 0.0
    else:
        true, absent = (y * is_judged).sum(axis=0), ((1 - y) * is_judged).sum(axis=0)
        noisy[(y == 0) & (chance < NOISE * true / np.maximum(absent, 1))] = 1.0
    return noisy


def find_better_models(budget: dict[str, Any] | None) -> list[str]:
    """Return which of "neighbours" and "probe" are significantly better than the head, over all labels."""
    rows = budget["rows"] if budget else []
    return [
        model
        for model in ("neighbours", "probe")
        if any(row["label"] == "all" and row[f"{model}_interval"][0] > 0 for row in rows)
    ]
