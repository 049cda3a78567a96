"""Confidence intervals that account for near-duplicates, weights, strata and the library's size.

- Under 20 cases there is no interval, and the reason is given. A census, in which every photo that counts was
  drawn for certain, leaves nothing open: both ends are the figure.
- A share of photos has the Korn-Graubard interval at most: that of Clopper and Pearson 1934 with the
  effective number of photos (Korn and Graubard 1998, "Confidence intervals for proportions with small
  expected number of positive counts estimated from survey data"). That is the least of n and p (1 - p) / v,
  where v is the linearised variance; where all photos agree, Kish's number. Where all photos agree the
  interval is this one. Elsewhere the narrower of it and of one of the next two stands.
- Where every photo that counts weighs the same and has no near-duplicate, a share of photos has the
  Wilson score interval (Wilson 1927), with n / (1 - drawn share) photos: the finite-population correction.
- Elsewhere near-duplicate groups are resampled within strata (rescaled bootstrap, Rao, Wu and Yue 1992,
  "Some recent work on resampling methods for complex surveys"): of a stratum's m groups m - 1 are drawn
  with replacement, and a photo's weight is scaled by 1 + sqrt(1 - drawn share) * (times * m / (m-1) - 1).
  The standard deviation of the figure over repetitions is its standard error. Percentiles cover too rarely
  near 0 and 1 and with few groups, so the interval is symmetric on the logit scale, with Student's t
  (Korn and Graubard 1999, "Analysis of Health Surveys", 2.6).
- For shares, a stratum whose photos all agree has no sample variance. Such strata together get that of
  Agresti and Coull 1998 ("Approximate is better than 'exact' for interval estimation of binomial
  proportions"): z^2 / 2 photos are added that say yes, and as many that say no.
- Above `MOST_RESAMPLED_GROUPS` groups the standard error is computed by linearisation instead, so that a
  million photos take milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np

from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import (
    Design,
    degrees_of_freedom,
    effective_count,
    strata_of_groups,
    sum_by_group,
)
from vibe_photos.statistics.metrics import Floats, Indices, Ratio

FEWEST_CASES = 20
"""With fewer cases there is no interval: it would be too wide to be of use."""

TOO_FEW = f"n < {FEWEST_CASES}"
"""The reason that is given for it."""

MOST_RESAMPLED_GROUPS = 5_000
"""With more groups than this the bootstrap is slow and gives what linearisation gives."""

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval in the figure's units, or the reason why there is none."""

    low: float = float("nan")
    high: float = float("nan")
    reason: str = ""

    @property
    def width(self) -> float:
        """How far its ends are apart; NaN without an interval."""
        return self.high - self.low


def estimate_intervals(ratios: Sequence[Ratio], design: Design, evaluate: Evaluate) -> list[Interval]:
    """Return one interval for each ratio of the n photos of `design`, all from the same seeded resampling."""
    intervals = [_interval_without_resampling(ratio, design, evaluate) for ratio in ratios]
    remaining = [ratio for ratio, interval in zip(ratios, intervals, strict=True) if interval is None]
    resampled = iter(_resample(remaining, design, evaluate) if remaining else [])
    return [interval or next(resampled) for interval in intervals]


def wilson_interval(share: float, n: float, level: float) -> Interval:
    """Return the score interval of a share of n independent photos (Wilson 1927, eq. 1); n may be inf."""
    z = _z(level)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def exact_interval(share: float, n: float, level: float) -> Interval:
    """Return the interval of Clopper and Pearson 1934 for a share of n photos; n may be no whole number."""
    from scipy.special import betaincinv

    tail, hits = (1 - level) / 2, share * n
    low = float(betaincinv(hits, n - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, n - hits, 1 - tail)) if hits < n else 1.0
    return Interval(low, high)


def korn_graubard_interval(ratio: Ratio, design: Design, level: float) -> Interval:
    """Return the widest interval that a figure may have; for a share that of Korn and Graubard 1998.

    The effective number of photos is the least of n / (1 - drawn share) and p (1 - p) / v; where the figure
    is 0 or 1, so that v is 0, it is Kish's number of equal weights / (1 - drawn share). Near-duplicates cost
    degrees of freedom: p (1 - p) / v is multiplied by the squared ratio of Student's t of n - 1 to that of
    groups - 1. The few that strata cost are left out, so that the interval is not wider for them.
    """
    share, total = _share(ratio, design), design.weights * ratio.denominator
    by_group = sum_by_group(total, design)
    open_share = 1.0 - float(np.average(design.drawn_share, weights=total))
    if share in (0.0, 1.0):
        return exact_interval(share, effective_count(by_group) / open_share, level)
    photos, groups = int(np.count_nonzero(total)), int(np.count_nonzero(by_group))
    n, variance = photos / open_share, linearised_variance(_influence(ratio, design), design)
    if variance > 0 and groups > 1:
        scale = student_t(level, photos - 1) / student_t(level, groups - 1)
        n = min(n, float(share * (1 - share) / variance * scale**2))
    return exact_interval(share, n, level)


def influence_interval(
    value: float | None, influence: Floats, cases: int, design: Design, level: float
) -> Interval:
    """Return the interval of a figure (0..1) that is not a ratio.

    `influence`: float64 [n], its derivative by each photo's weight. `cases`: how many photos it rests on.
    """
    if cases < FEWEST_CASES or value is None:
        return Interval(reason=TOO_FEW)
    if (design.drawn_share == 1.0).all():
        return Interval(value, value)
    if not 0.0 < value < 1.0:
        return Interval(reason=f"{value:.0f} on every photo drawn")
    error = float(np.sqrt(linearised_variance(influence, design)))
    return logit_interval(value, error, degrees_of_freedom(design), level)


def logit_interval(share: float, error: float, freedom: int, level: float) -> Interval:
    """Return the interval of a share strictly between 0 and 1 that is symmetric on the logit scale.

    `error` is its standard error. With fewer than one degree of `freedom` there is no interval.
    """
    if freedom < 1:
        return Interval(reason="one group")
    logit, reach = np.log(share / (1 - share)), student_t(level, freedom) * error / (share * (1 - share))
    return Interval(float(1 / (1 + np.exp(reach - logit))), float(1 / (1 + np.exp(-reach - logit))))


def student_t(level: float, freedom: int) -> float:
    """Return the two-sided quantile of Student's t (Abramowitz and Stegun 26.7.5).

    With 5 degrees of freedom it is 0.9 % too small, with 20 it is 0.02 %.
    """
    z = _z(level)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + (z**3 + z) / (4 * freedom) + second / freedom**2


def linearised_variance(influence: Floats, design: Design) -> float:
    """Return the variance of a figure from how much each photo moves it: float64 [n], per unit of weight."""
    return float((linearised_residuals(influence, design) ** 2).sum())


def linearised_residuals(influence: Floats, design: Design) -> Floats:
    """Return what each near-duplicate group adds to a figure's error: float64 [groups]; see below for more.

    The sum of their squares is the variance, that of the products of two figures' the covariance: over strata
    m / (m-1) times the deviations of the groups' weighted influences, scaled by sqrt(1 - drawn share) (Binder
    1983, "On the variances of asymptotically normal estimators"). Where only a part of the library was asked
    about, the between-strata term (`design`) follows: float64 [groups + n].
    """
    strata = strata_of_groups(design)
    moving = np.sqrt(1.0 - design.drawn_share) * design.weights
    size = np.bincount(strata)
    scale = np.where(size > 1, size / np.maximum(size - 1, 1), 0.0)[strata]
    residuals = sum_by_group(moving * influence, design)
    mean = np.bincount(strata, residuals) / np.maximum(size, 1)
    within = np.sqrt(scale) * (residuals - mean[strata])
    return np.concatenate([within, _between_strata(influence, design)])


def first_phase_variance(influence: Floats, design: Design) -> float:
    """Return the variance that comes from asking the teacher about a part of the library only.

    It is the first term of theorem 12.1 in `design`; with that of `design.asked()` it makes up the whole.
    """
    if design.asked_share is None:
        return 0.0
    apart = influence - _mean_by(_number_draws(design.asked_share), influence, design)
    return float(((1 / design.asked_share - 1) * design.weights * apart**2).sum())


def _between_strata(influence: Floats, design: Design) -> Floats:
    """Return numbers whose squares sum to the between-strata term: float64 [n], or [0] without one."""
    if design.asked_share is None:
        return np.zeros(0)
    draws = _number_draws(design.asked_share)
    apart = _mean_by(design.strata, influence, design) - _mean_by(draws, influence, design)
    return np.asarray(np.sqrt((1 / design.asked_share - 1) * design.weights) * apart)


def _number_draws(asked_share: Floats) -> Indices:
    return np.unique(asked_share, return_inverse=True)[1]


def _mean_by(numbers: Indices, values: Floats, design: Design) -> Floats:
    """Return the weighted mean of the photos with the same number as each photo: float64 [n]."""
    totals = np.bincount(numbers, design.weights * values), np.bincount(numbers, design.weights)
    return np.asarray(totals[0][numbers] / totals[1][numbers])


def _z(level: float) -> float:
    return NormalDist().inv_cdf(0.5 + level / 2)


def _interval_without_resampling(ratio: Ratio, design: Design, evaluate: Evaluate) -> Interval | None:
    """Return no interval with its reason, or one that needs no resampling where it holds, else None."""
    share, level = ratio.value(design.weights), evaluate.confidence_level
    if ratio.cases < FEWEST_CASES or share is None:
        return Interval(reason=TOO_FEW)
    counts = ratio.denominator > 0
    weights, drawn = design.weights[counts], design.drawn_share[counts]
    if drawn.min() == 1.0:
        return Interval(share, share)
    if share in (0.0, 1.0):  # all photos agree, so resampling would find no variance
        return korn_graubard_interval(ratio, design, level)
    is_alone = bool((np.bincount(design.groups)[design.groups[counts]] == 1).all())
    if _is_share(ratio) and is_alone and weights.min() == weights.max() and drawn.min() == drawn.max():
        return wilson_interval(share, counts.sum() / (1.0 - float(drawn[0])), level)
    return None


def _is_share(ratio: Ratio) -> bool:
    """Return whether the figure is a share of photos: each that counts, counts once."""
    return bool((ratio.denominator[ratio.denominator > 0] == 1).all() and (ratio.numerator <= 1).all())


def _resample(ratios: list[Ratio], design: Design, evaluate: Evaluate) -> list[Interval]:
    strata, level = strata_of_groups(design), evaluate.confidence_level
    if len(strata) > MOST_RESAMPLED_GROUPS:
        errors = np.sqrt([linearised_variance(_influence(ratio, design), design) for ratio in ratios])
    else:
        errors = _bootstrap_errors(ratios, design, strata, evaluate)
    intervals = []
    for ratio, error in zip(ratios, errors, strict=True):
        is_counted = sum_by_group(design.weights * ratio.denominator, design) > 0
        freedom = int(is_counted.sum()) - len(np.unique(strata[is_counted]))
        if len(strata) <= MOST_RESAMPLED_GROUPS:
            error = np.hypot(error, np.linalg.norm(_between_strata(_influence(ratio, design), design)))
        total_error = float(np.hypot(error, np.sqrt(_unanimous_variance(ratio, design, strata, level))))
        found = logit_interval(_share(ratio, design), total_error, freedom, level)
        if _is_share(ratio) and not found.reason:
            found = min(found, korn_graubard_interval(ratio, design, level), key=lambda one: one.width)
        intervals.append(found)
    return intervals


def _unanimous_variance(ratio: Ratio, design: Design, strata: Indices, level: float) -> float:
    """Return what strata whose photos all agree add to the variance of a share; 0 for other figures."""
    if not _is_share(ratio):
        return 0.0
    z2 = _z(level) ** 2
    counts, photo_strata = ratio.denominator > 0, strata[design.groups]
    variance = 0.0
    for answer in (0, 1):
        others = np.bincount(photo_strata[counts & (ratio.numerator != answer)], minlength=strata.max() + 1)
        weights = design.weights * (counts & (others[photo_strata] == 0))
        if weights.any():
            n = effective_count(sum_by_group(weights, design))
            contrary = z2 / 2 / (n + z2)
            part = weights.sum() / np.sum(design.weights * ratio.denominator)
            open_share = 1.0 - np.average(design.drawn_share, weights=weights)
            variance += float(part**2 * open_share * contrary * (1 - contrary) / (n + z2))
    return variance


def _bootstrap_errors(ratios: list[Ratio], design: Design, strata: Indices, evaluate: Evaluate) -> Floats:
    """Return each figure's standard deviation over the repetitions: float64 [figures]."""
    columns = [column for ratio in ratios for column in (ratio.numerator, ratio.denominator)]
    moving = np.sqrt(1.0 - design.drawn_share) * design.weights
    fixed = np.array([np.sum((design.weights - moving) * column) for column in columns])
    by_group = np.column_stack([sum_by_group(moving * column, design) for column in columns])
    step, repetitions = max(1, _CELLS_AT_ONCE // len(strata)), evaluate.bootstrap_repetitions
    drawn = [
        _draw_groups(strata.tobytes(), min(step, repetitions - start), evaluate.seed + start) @ by_group
        for start in range(0, repetitions, step)
    ]
    totals = fixed + np.concatenate(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nanstd(totals[:, 0::2] / totals[:, 1::2], axis=0))


@lru_cache(maxsize=1)
def _draw_groups(strata_bytes: bytes, repetitions: int, seed: int) -> Floats:
    """Return how much each group counts in each repetition: float64 [repetitions, groups], mean 1.

    All figures of an evaluation have the same groups, so the last draw is kept. `strata_bytes` is the stratum
    of each group, int64 [groups], as bytes: an array cannot be a key of the cache.
    """
    strata, rng = np.frombuffer(strata_bytes, np.int64), np.random.default_rng(seed)
    counts = np.ones((repetitions, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        m = len(members)
        if m > 1:
            counts[:, members] = rng.multinomial(m - 1, np.full(m, 1 / m), repetitions) * (m / (m - 1))
    return counts


def _influence(ratio: Ratio, design: Design) -> Floats:
    total = float(np.sum(design.weights * ratio.denominator))
    return np.asarray((ratio.numerator - _share(ratio, design) * ratio.denominator) / total)


def _share(ratio: Ratio, design: Design) -> float:
    """Return the value of a figure whose denominator is not empty."""
    value = ratio.value(design.weights)
    assert value is not None
    return value
