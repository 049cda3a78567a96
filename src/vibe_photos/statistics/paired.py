"""Two predictions of the same photos: what differs, whether that could be chance, and what would be noticed.

The question is whether B would also be better on future photos, so there is no finite-population correction,
even where the photos were drawn from a library.

- Test: if A and B were equally good, their predictions could be swapped in any near-duplicate group. Each
  question's statistic is the weighted change, summed over the groups, divided by the root of the sum of its
  squares; all questions are asked of the same random swaps, and p is adjusted for their number by the
  step-down maximum (max-T: Westfall and Young 1993, "Resampling-based multiple testing", algorithm 2.8).
  If some questions have no true difference, the probability that any of these has an adjusted p below a
  level is at most that level. For one question and single photos of equal weight it is McNemar's exact test.
- Noticeable difference: what that test finds with a probability of 80 %.
- Intervals: from the linearised variance of each difference with Student's t, after adding two photos of
  average weight, one that only A predicts correctly and one that only B does (Bonett and Price 2012,
  "Adjusted Wald confidence interval for a difference of binomial proportions based on paired data"): without
  them a difference that rests on a handful of photos looks more certain than it is. They hold all at once:
  the quantile is that of the largest of the correlated t (Hothorn, Bretz and Westfall 2008, "Simultaneous
  inference in general parametric models", 4.1).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, degrees_of_freedom, sum_by_group
from vibe_photos.statistics.intervals import FEWEST_CASES, TOO_FEW, Interval, linearised_residuals
from vibe_photos.statistics.metrics import Bools, Floats, Ratio

SWAPS = 10_000
"""Swaps that are tried, the unswapped sides among them: all where there are fewer, else random ones."""

POWER = 0.8
"""How probably a noticeable difference is found."""

_CELLS, _CELLS_AT_ONCE = 200_000_000, 4_000_000
_T_DRAWS = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """What A (`before`) and B (`after`) have of something that is counted in photos: its weighted mean.

    `adjusted_p` is two-sided, adjusted for the questions asked with it, and 1 where no photo changed.
    `changed_groups` counts the near-duplicate groups in which it differs. `noticeable` is the smallest
    difference that would be found with probability `POWER`.
    """

    before: float
    after: float
    adjusted_p: float
    changed_groups: int
    noticeable: float


def compare_counts(
    before: Floats, after: Floats, is_counted: Bools, design: Design, evaluate: Evaluate
) -> list[Change]:
    """Test all questions together.

    `before` and `after`: float64 [n, questions], how often each photo has what is asked about, by A and by B.
    `is_counted`: bool [n, questions], the photos that a question is about, at least one for each.
    """
    weights = design.weights[:, None] * is_counted
    change = np.column_stack([sum_by_group(column, design) for column in (weights * (after - before)).T])
    spread = np.sqrt((change**2).sum(axis=0))
    moved = np.flatnonzero(spread)
    adjusted_p, critical = np.ones(len(spread)), 0.0
    if moved.size:
        rows = (change != 0).any(axis=1)
        adjusted_p[moved], critical = _step_down(
            change[rows][:, moved] / spread[moved], evaluate.confidence_level, evaluate.seed
        )
    normal = NormalDist()
    # The statistic of few changed photos has a low quantile, but needs more of them: the normal one is used.
    quantile = max(critical, normal.inv_cdf(0.5 + evaluate.confidence_level / 2)) + normal.inv_cdf(POWER)
    found = []
    for column, total in enumerate(weights.sum(axis=0)):
        # k photos of weight w that all change one way have k w / sqrt(k w^2) = sqrt(k).
        least = quantile**2 * average_weight(is_counted[:, column], design)
        found.append(
            Change(
                before=float((weights[:, column] * before[:, column]).sum() / total),
                after=float((weights[:, column] * after[:, column]).sum() / total),
                adjusted_p=float(adjusted_p[column]),
                changed_groups=int(np.count_nonzero(change[:, column])),
                noticeable=float(max(quantile * spread[column], least) / total),
            )
        )
    return found


def _step_down(steps: Floats, level: float, seed: int) -> tuple[Floats, float]:
    """Return each question's adjusted p, and the value that the largest statistic must reach.

    `steps`: float64 [groups, questions], changes whose squares sum to 1 in each column.
    """
    observed = np.abs(steps.sum(axis=0))
    order = np.argsort(-observed, kind="stable")
    swapped = _swap(steps[:, order], seed)
    # In each place, the largest of the statistics from there on.
    largest = np.maximum.accumulate(swapped[:, ::-1], axis=1)[:, ::-1]
    p_values = np.maximum.accumulate((largest >= observed[order] - 1e-9).mean(axis=0))
    place = np.argsort(order)
    return p_values[place], float(np.quantile(largest[:, 0], level))


def _swap(steps: Floats, seed: int) -> Floats:
    """Return the size of each statistic after each swap of groups, none of them first: [swaps, questions]."""
    groups = len(steps)
    if 2**groups <= SWAPS:
        signs = 1.0 - 2.0 * (np.arange(2**groups)[:, None] >> np.arange(groups) & 1)
        return np.abs(signs @ steps)
    rng = np.random.default_rng(seed)
    swaps = int(np.clip(_CELLS // groups, SWAPS // 10, SWAPS))
    at_once = max(1, _CELLS_AT_ONCE // groups)
    parts = [np.abs(steps.sum(axis=0, keepdims=True))]
    for start in range(1, swaps, at_once):
        shape = (min(at_once, swaps - start), groups)
        parts.append(np.abs((1.0 - 2.0 * rng.integers(0, 2, shape, dtype=np.int8)) @ steps))
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True)
class PairedRatio:
    """The same figure of two predictions of the same n photos.

    A correct photo adds `worth` to numerator and denominator (2 for F1); a wrong one 1 to the denominator.
    """

    before: Ratio
    after: Ratio
    worth: float = 1.0


def simultaneous_intervals(pairs: Sequence[PairedRatio], design: Design, level: float) -> list[Interval]:
    """Return an interval of B's figure minus A's for each pair; at that level all hold at once.

    There is none for a figure that one side lacks, that no photo moves or that rests on less than 20 cases,
    and none at all where the near-duplicate groups are as few as the strata.
    """
    if not pairs:
        return []
    design = replace(design, drawn_share=np.zeros(len(design.weights)))
    freedom = degrees_of_freedom(design)
    reasons = [_reason_for_none(pair, design, freedom) for pair in pairs]
    kept = [pair for pair, reason in zip(pairs, reasons, strict=True) if not reason]
    found = iter(_estimate_together(kept, design, level, freedom) if kept else [])
    return [Interval(reason=reason) if reason else next(found) for reason in reasons]


def _reason_for_none(pair: PairedRatio, design: Design, freedom: int) -> str:
    a, b = pair.before, pair.after
    values = (a.value(design.weights), b.value(design.weights))
    if None in values:
        return "neither side has it" if values == (None, None) else "only one side has it"
    if np.array_equal(a.numerator, b.numerator) and np.array_equal(a.denominator, b.denominator):
        return "no photo moves it"
    if min(a.cases, b.cases) < FEWEST_CASES:
        return TOO_FEW
    return "" if freedom > 0 else "one group"


def _estimate_together(
    pairs: Sequence[PairedRatio], design: Design, level: float, freedom: int
) -> list[Interval]:
    apart, residuals, added = [], [], []  # each figure's two added photos are its own
    for pair in pairs:
        extra = average_weight(pair.before.denominator + pair.after.denominator > 0, design)
        right, wrong = (pair.worth, pair.worth), (0.0, 1.0)
        after = find_influence(pair.after, (right, wrong), extra, design)
        before = find_influence(pair.before, (wrong, right), extra, design)
        apart.append(after.value - before.value)
        residuals.append(linearised_residuals(after.by_photo - before.by_photo, design))
        added.append(float(((extra * (after.by_added - before.by_added)) ** 2).sum()))
    together = np.column_stack(residuals)
    covariance = together.T @ together + np.diag(added)
    errors = np.sqrt(np.diag(covariance))
    reach = _largest_t(covariance / np.outer(errors, errors), freedom, level) * errors
    return [
        Interval(max(-1.0, float(middle - half)), min(1.0, float(middle + half)))
        for middle, half in zip(apart, reach, strict=True)
    ]


def _largest_t(correlation: Floats, freedom: int, level: float) -> float:
    """Return the quantile of the largest |t| of correlated figures, from seeded draws."""
    rng = np.random.default_rng(0)
    normal = rng.multivariate_normal(np.zeros(len(correlation)), correlation, _T_DRAWS, method="eigh")
    scale = np.sqrt(rng.chisquare(freedom, _T_DRAWS) / freedom)
    return float(np.quantile(np.abs(normal).max(axis=1) / scale, level))


def average_weight(counts: Bools, design: Design) -> float:
    """Return the total weight of the photos that count, bool [n], divided by their effective number."""
    by_group = sum_by_group(design.weights * counts, design)
    return float((by_group**2).sum() / by_group.sum())


@dataclass(frozen=True, slots=True)
class Influence:
    """A figure with added photos, and its derivatives by each photo's and each added photo's weight."""

    value: float
    by_photo: Floats
    by_added: Floats


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
