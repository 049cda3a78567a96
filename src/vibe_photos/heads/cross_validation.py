"""Which penalty to take, and what a head says of photos that it did not learn from."""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.fit import (
    ClassWeight,
    Examples,
    Floats,
    cross_entropy,
    fit_linear,
    predict_logits,
    weigh_rows,
)


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
    l2_grid: list[float],
    class_weight: ClassWeight,
) -> CrossValidation:
    """Fit without each fold in turn, for every penalty, and choose that of least out-of-fold loss.

    The folds run in parallel threads, each deterministic. With fewer than two folds nothing can be compared,
    and the largest penalty is taken.

    Args:
        examples: all photos that may train.
        folds: each photo's fold [n]; near-duplicates share one.
        l2_grid: penalties to try.
        class_weight: as in `weigh_rows`; the losses compared are weighted alike.
    """
    count, labels = examples.y.shape
    path = sorted(l2_grid, reverse=True)
    if len(np.unique(folds)) < 2:
        nothing = np.full((count, labels), np.nan, dtype=np.float32)
        return CrossValidation(path[0], None, nothing)

    def hold_out(fold: int) -> list[Floats]:
        return _fit_path(examples, folds == fold, path, class_weight)

    logits = np.empty((len(path), count, labels), dtype=np.float32)
    held = np.unique(folds).tolist()
    with ThreadPoolExecutor(max_workers=min(len(held), os.cpu_count() or 1)) as pool:
        for fold, by_penalty in zip(held, pool.map(hold_out, held), strict=True):
            logits[:, folds == fold] = by_penalty
    weights = weigh_rows(examples, np.ones(count, dtype=bool), class_weight)
    losses = np.array([_mean_loss(examples, one, weights) for one in logits])
    best = int(losses.argmin())
    return CrossValidation(path[best], float(losses[best]), logits[best])


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


def _fit_path(
    examples: Examples,
    is_held: NDArray[np.bool_],
    path: list[float],
    class_weight: ClassWeight,
) -> list[Floats]:
    """Return the held-out logits for each penalty; each fit begins where the stronger penalty's ended."""
    weights = weigh_rows(examples, ~is_held, class_weight)
    held_vectors = examples.vectors[is_held]
    start: tuple[Floats, Floats] | None = None
    logits = []
    for l2 in path:
        start = fit_linear(examples, weights, l2, start)
        logits.append(predict_logits(held_vectors, *start))
    return logits


def _mean_loss(examples: Examples, logits: Floats, weights: Floats) -> float:
    entropy, _ = cross_entropy(logits, examples.y, examples.loss)
    return float((entropy * weights).sum(dtype=np.float64) / weights.shape[1])
