"""Which penalty to take, and what a head says of photos that it did not learn from."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

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
