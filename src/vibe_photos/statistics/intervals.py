"""How sure a figure is: intervals that know near-duplicates, weights, strata and the library's size.

- Under 20 cases there is no interval, and the reason is said.
- Where every photo that counts weighs the same and is in a group of its own, a share of photos has the
  Wilson score interval (Wilson 1927), with n / (1 - drawn share) photos: what is drawn from a finite
  library without replacement is known better.
- Elsewhere near-duplicate groups are resampled within strata (rescaled bootstrap, Rao, Wu and Yue 1992,
  "Some recent work on resampling methods for complex surveys"): of a stratum's m groups m - 1 are drawn
  with replacement, and a photo's weight is scaled by 1 + sqrt(1 - drawn share) * (times * m / (m-1) - 1).
  The spread of the figure over repetitions is its standard error. Percentiles cover too seldom near 0
  and 1 and with few groups, so the interval is symmetric on the logit scale, with Student's t
  (Korn and Graubard 1999, "Analysis of Health Surveys", 2.6).
- Of a share, photos of a stratum that all agree show no spread, which is not certainty: such strata together
  add the variance of as many photos after z^2 / 2 were added that say yes and as many that say no (Agresti
  and Coull 1998, "Approximate is better than 'exact' for interval estimation of binomial proportions").
- Beyond `MOST_RESAMPLED_GROUPS` the same standard error is written down instead of drawn (linearisation),
  so that a million photos take milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, Floats, Indices, strata_of_groups, sum_by_group
from vibe_photos.statistics.metrics import Ratio

FEWEST_CASES = 20
"""Fewer positives than this say too little for a range to be worth printing."""

MOST_RESAMPLED_GROUPS = 5_000
"""With more groups than this a bootstrap draws its own normal limit, at great length."""

_CELLS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval in the figure's units, or the reason why there is none."""

    low: float = float("nan")
    high: float = float("nan")
    reason: str = ""


def estimate_intervals(ratios: Sequence[Ratio], design: Design, evaluate: Evaluate) -> list[Interval]:
    """Return one interval a ratio, all from the same seeded resampling.

    Args:
        ratios: figures over the same n photos.
        design: how the n photos were drawn.
        evaluate: confidence level, repetitions and seed.
    """
    intervals = [_interval_without_resampling(ratio, design, evaluate) for ratio in ratios]
    open_ones = [i for i, interval in enumerate(intervals) if interval is None]
    resampled = _resample([ratios[i] for i in open_ones], design, evaluate)
    found = dict(zip(open_ones, resampled, strict=True))
    return [interval or found[i] for i, interval in enumerate(intervals)]


def wilson_interval(share: float, n: float, level: float) -> Interval:
    """Return the score interval of a share of n independent photos (Wilson 1927, eq. 1); n may be inf."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)))


def _interval_without_resampling(ratio: Ratio, design: Design, evaluate: Evaluate) -> Interval | None:
    """Return no interval with its reason, or Wilson's where it holds, else None."""
    share = ratio.value(design.weights)
    if ratio.cases < FEWEST_CASES or share is None:
        return Interval(reason=f"n < {FEWEST_CASES}")
    counts = ratio.denominator > 0
    if share in (0.0, 1.0):
        return wilson_interval(share, _effective_count(ratio, design), evaluate.confidence_level)
    weights, drawn = design.weights[counts], design.drawn_share[counts]
    is_alone = bool((np.bincount(design.groups)[design.groups[counts]] == 1).all())
    if _is_share(ratio) and is_alone and weights.min() == weights.max() and drawn.min() == drawn.max():
        open_share = 1.0 - float(drawn[0])
        n = counts.sum() / open_share if open_share > 0 else float("inf")
        return wilson_interval(share, n, evaluate.confidence_level)
    return None


def _is_share(ratio: Ratio) -> bool:
    """Return whether the figure is a share of photos: each that counts, counts once."""
    return bool((ratio.denominator[ratio.denominator > 0] == 1).all() and (ratio.numerator <= 1).all())


def _effective_count(ratio: Ratio, design: Design) -> float:
    """Return how many equal, independent groups weigh as much as these (Kish 1965, 11.7).

    Where all photos agree, resampling would find no spread at all; Wilson's interval at this n does.
    """
    weight = np.bincount(design.groups, design.weights * ratio.denominator)
    return float(weight.sum() ** 2 / (weight**2).sum())


def _resample(ratios: list[Ratio], design: Design, evaluate: Evaluate) -> list[Interval]:
    if not ratios:
        return []
    strata = strata_of_groups(design)
    is_large = len(strata) > MOST_RESAMPLED_GROUPS
    errors = _linearise(ratios, design, strata) if is_large else _bootstrap(ratios, design, strata, evaluate)
    level = evaluate.confidence_level
    hidden = np.sqrt([_hidden_variance(ratio, design, strata, level) for ratio in ratios])
    return [
        _logit_interval(ratio, float(error), design, strata, level)
        for ratio, error in zip(ratios, np.hypot(errors, hidden), strict=True)
    ]


def _hidden_variance(ratio: Ratio, design: Design, strata: Indices, level: float) -> float:
    """Return what strata whose photos all agree add to the variance of a share; 0 for other figures."""
    if not _is_share(ratio):
        return 0.0
    z2 = NormalDist().inv_cdf(0.5 + level / 2) ** 2
    counts, of_photo = ratio.denominator > 0, strata[design.groups]
    variance = 0.0
    for answer in (0, 1):
        others = np.bincount(of_photo[counts & (ratio.numerator != answer)], minlength=strata.max() + 1)
        weights = design.weights * (counts & (others[of_photo] == 0))
        if weights.any():
            n = float(weights.sum() ** 2 / (sum_by_group(weights, design) ** 2).sum())
            contrary = z2 / 2 / (n + z2)
            part = weights.sum() / (design.weights @ ratio.denominator)
            open_share = 1.0 - np.average(design.drawn_share, weights=weights)
            variance += float(part**2 * open_share * contrary * (1 - contrary) / (n + z2))
    return variance


def _logit_interval(ratio: Ratio, error: float, design: Design, strata: Indices, level: float) -> Interval:
    counts = np.bincount(design.groups, ratio.denominator) > 0
    freedom = int(counts.sum()) - int(np.count_nonzero(np.bincount(strata[counts])))
    return logit_interval(_share(ratio, design), error, freedom, level)


def logit_interval(share: float, error: float, freedom: int, level: float) -> Interval:
    """Return the interval of a share strictly between 0 and 1 that is symmetric on the logit scale."""
    if freedom < 1:
        return Interval(reason="one group")
    logit, reach = np.log(share / (1 - share)), student_t(level, freedom) * error / (share * (1 - share))
    return Interval(float(1 / (1 + np.exp(reach - logit))), float(1 / (1 + np.exp(-reach - logit))))


def student_t(level: float, freedom: int) -> float:
    """Return the two-sided quantile of Student's t (Abramowitz and Stegun 26.7.5; 0.2 % off at 5)."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + (z**3 + z) / (4 * freedom) + second / freedom**2


def _bootstrap(ratios: list[Ratio], design: Design, strata: Indices, evaluate: Evaluate) -> Floats:
    """Return each figure's standard deviation over the repetitions: float64 [figures]."""
    columns = [column for ratio in ratios for column in (ratio.numerator, ratio.denominator)]
    moving = np.sqrt(1.0 - design.drawn_share) * design.weights
    fixed = np.array([(design.weights - moving) @ column for column in columns])
    by_group = np.column_stack([sum_by_group(moving * column, design) for column in columns])
    rng = np.random.default_rng(evaluate.seed)
    step = max(1, _CELLS_AT_ONCE // len(strata))
    drawn = [
        _draw_groups(strata, min(step, evaluate.bootstrap_repetitions - start), rng) @ by_group
        for start in range(0, evaluate.bootstrap_repetitions, step)
    ]
    totals = fixed + np.concatenate(drawn)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.nanstd(totals[:, 0::2] / totals[:, 1::2], axis=0))


def _draw_groups(strata: Indices, repetitions: int, rng: np.random.Generator) -> Floats:
    """Return how much each group counts in each repetition: float64 [repetitions, groups], mean 1."""
    counts = np.ones((repetitions, len(strata)))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        m = len(members)
        if m > 1:
            counts[:, members] = rng.multinomial(m - 1, np.full(m, 1 / m), repetitions) * (m / (m - 1))
    return counts


def _linearise(ratios: list[Ratio], design: Design, strata: Indices) -> Floats:
    """Return each figure's standard error from its linearised variance: float64 [figures]."""
    errors = []
    for ratio in ratios:
        unlike = ratio.numerator - _share(ratio, design) * ratio.denominator
        total = float(np.sum(design.weights * ratio.denominator))
        errors.append(np.sqrt(linearised_variance(unlike / total, design, strata)))
    return np.array(errors)


def linearised_variance(influence: Floats, design: Design, strata: Indices) -> float:
    """Return the variance of a figure from how much each photo moves it, per unit of weight.

    The sum over strata of m / (m-1) times the squared deviations of the groups' weighted influences, those
    scaled by sqrt(1 - drawn share) (Binder 1983, "On the variances of asymptotically normal estimators").

    Args:
        influence: float64 [n], the derivative of the figure by each photo's weight.
        design: how the n photos were drawn.
        strata: of the groups, as `strata_of_groups` returns them.
    """
    moving = np.sqrt(1.0 - design.drawn_share) * design.weights
    size = np.bincount(strata)
    scale = np.where(size > 1, size / np.maximum(size - 1, 1), 0.0)[strata]
    residuals = sum_by_group(moving * influence, design)
    mean = np.bincount(strata, residuals) / np.maximum(size, 1)
    return float((scale * (residuals - mean[strata]) ** 2).sum())


def _share(ratio: Ratio, design: Design) -> float:
    """Return the value of a figure whose denominator is known to hold something."""
    return float(np.sum(design.weights * ratio.numerator) / np.sum(design.weights * ratio.denominator))
