"""Two predictions of the same photos: how much a figure differs, and whether that could be chance.

The question is whether B would also be better on future photos, so there is no finite-population correction,
even where the photos were drawn from a library.

- Test: if A and B were equally good, their predictions could be swapped in any near-duplicate group. p is the
  share of such swaps after which the figure differs at least as much (approximate randomisation, Yeh 2000,
  "More accurate tests for the statistical significance of result differences"; for accuracy a sign-flip test,
  for single photos of equal weight McNemar's exact test).
- Interval: from the linearised variance of the difference with Student's t, after adding two photos of
  average weight, one that only A predicts correctly and one that only B does (Bonett and Price 2012,
  "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data"): without
  them a difference that rests on a handful of photos looks more certain than it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import erfc, sqrt

import numpy as np

from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, Floats, strata_of_groups, sum_by_group
from vibe_photos.statistics.intervals import FEWEST_CASES, Interval, linearised_variance, student_t
from vibe_photos.statistics.metrics import Bools, Ratio

SWAPS = 9_999
"""Random swaps where there are too many to try all; the smallest p is then 1 / 10,000."""

MOST_SWAPPED_GROUPS = 5_000
"""With more groups that differ, p is taken from the normal distribution that the swaps approach."""


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """The same figure of two predictions of the same n photos.

    `right` and `wrong` are what one photo adds to (numerator, denominator) when its prediction is correct and
    when it is not.
    """

    before: Ratio
    after: Ratio
    right: tuple[float, float]
    wrong: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of A and of B, and their difference.

    `interval` is of `after - before`; `p_value` is two-sided; `changed_groups` counts the near-duplicate
    groups in which the figure differs.
    """

    before: float
    after: float
    interval: Interval
    p_value: float
    changed_groups: int

    @property
    def value(self) -> float:
        """How much B is above A."""
        return self.after - self.before


def estimate_difference(pair: PairedRatio, design: Design, evaluate: Evaluate) -> Difference | None:
    """Return the difference with interval and p, or None where one side has no such figure."""
    design = replace(design, drawn_share=np.zeros(len(design.weights)))
    before, after = pair.before.value(design.weights), pair.after.value(design.weights)
    if before is None or after is None:
        return None
    ratios = (pair.before.numerator, pair.before.denominator, pair.after.numerator, pair.after.denominator)
    totals = np.column_stack([sum_by_group(design.weights * column, design) for column in ratios])
    is_changed = (totals[:, :2] != totals[:, 2:]).any(axis=1)
    return Difference(
        before=before,
        after=after,
        interval=difference_interval(pair, design, evaluate.confidence_level),
        p_value=_swap_test(totals, is_changed, evaluate.seed),
        changed_groups=int(is_changed.sum()),
    )


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for testing several figures at once (Holm 1979).

    If no figure truly differs, the probability that any adjusted p is below a level is at most that level.
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, position in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = floor
    return adjusted


def _swap_test(totals: Floats, is_changed: Bools, seed: int) -> float:
    """Return p from weighted numerator and denominator of A, then of B: float64 [groups, 4]."""
    changed = totals[is_changed]
    if not len(changed):
        return 1.0
    observed = abs(float(_differences(totals.sum(axis=0))))
    step = changed[:, 2:] - changed[:, :2]
    if len(changed) > MOST_SWAPPED_GROUPS:
        return _normal_p(totals, step, observed)
    swaps, is_exact = _draw_swaps(len(changed), seed)
    moved = swaps @ step
    apart = np.abs(_differences(totals.sum(axis=0) + np.hstack([moved, -moved])))
    as_far = int((apart >= observed - 1e-12).sum())
    return as_far / len(swaps) if is_exact else (as_far + 1) / (len(swaps) + 1)


def _draw_swaps(groups: int, seed: int) -> tuple[Floats, bool]:
    """Return which groups are swapped, float64 [swaps, groups] of 0 and 1, and whether these are all."""
    if 2**groups <= SWAPS:
        codes = np.arange(2**groups)[:, None] >> np.arange(groups)
        return (codes & 1).astype(np.float64), True
    drawn = np.random.default_rng(seed).integers(0, 2, (SWAPS, groups), dtype=np.int8)
    return drawn.astype(np.float64), False


def _differences(totals: Floats) -> Floats:
    """Return B's figure minus A's, [...] from totals [..., 4]."""
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = totals[..., 2] / totals[..., 3] - totals[..., 0] / totals[..., 1]
    return np.nan_to_num(apart)


def _normal_p(totals: Floats, step: Floats, observed: float) -> float:
    middle = (totals[:, :2] + totals[:, 2:]).sum(axis=0) / 2
    # Around the middle of A and B the figure moves by (step - share * step of the denominator) / denominator.
    moves = (step[:, 0] - middle[0] / middle[1] * step[:, 1]) / middle[1]
    return erfc(observed / sqrt(2 * float((moves**2).sum())))


def difference_interval(pair: PairedRatio, design: Design, level: float) -> Interval:
    """Return the interval of B's figure minus A's; `design` has no finite-population correction.

    There is none under 20 cases, and none where all photos are near-duplicates of one another.
    """
    strata = strata_of_groups(design)
    freedom = len(strata) - len(np.unique(strata))
    if min(pair.before.cases, pair.after.cases) < FEWEST_CASES:
        return Interval(reason=f"n < {FEWEST_CASES}")
    if freedom < 1:
        return Interval(reason="one group")
    extra = average_weight(pair.before.denominator > 0, design)
    after = find_influence(pair.after, (pair.right, pair.wrong), extra, design)
    before = find_influence(pair.before, (pair.wrong, pair.right), extra, design)
    apart = after.value - before.value
    variance = linearised_variance(after.of_photos - before.of_photos, design)
    variance += float(((extra * (after.of_extra - before.of_extra)) ** 2).sum())
    reach = student_t(level, freedom) * sqrt(variance)
    return Interval(apart - reach, apart + reach)


def average_weight(counts: Bools, design: Design) -> float:
    """Return the total weight of the photos that count, bool [n], divided by their effective number."""
    by_group = sum_by_group(design.weights * counts, design)
    return float((by_group**2).sum() / by_group.sum())


@dataclass(frozen=True, slots=True)
class Influence:
    """A figure with added photos, and its derivatives by each photo's and each added photo's weight."""

    value: float
    of_photos: Floats
    of_extra: Floats


def find_influence(
    ratio: Ratio, added: Sequence[tuple[float, float]], weight: float, design: Design
) -> Influence:
    """Return a figure after adding photos of that weight, given as (numerator, denominator) each."""
    numerator, denominator = np.array(added).T
    total = float(np.sum(design.weights * ratio.denominator) + weight * denominator.sum())
    value = float(np.sum(design.weights * ratio.numerator) + weight * numerator.sum()) / total
    return Influence(
        value,
        (ratio.numerator - value * ratio.denominator) / total,
        (numerator - value * denominator) / total,
    )
