"""Intervals: against published values, their limits, and how often they cover in seeded simulations."""

from collections.abc import Callable

import numpy as np
import pytest

from vibe_photos.settings import Evaluate
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design, simple_design
from vibe_photos.statistics.intervals import Interval, estimate_intervals, student_t, wilson_interval
from vibe_photos.statistics.metrics import Ratio

EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=500, seed=0)


def share(right: np.ndarray) -> Ratio:
    return Ratio(right.astype(float), np.ones(len(right)), len(right))


def alone(n: int) -> Design:
    return simple_design(np.arange(n))


def test_wilson_agrees_with_the_published_example() -> None:
    # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3:
    # 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0.0000 to 0.1611.
    assert wilson_interval(81 / 263, 263, 0.95).low == pytest.approx(0.2553, abs=5e-5)
    assert wilson_interval(81 / 263, 263, 0.95).high == pytest.approx(0.3662, abs=5e-5)
    assert wilson_interval(0.0, 20, 0.95) == Interval(0.0, pytest.approx(0.1611, abs=5e-5))


def test_equal_weights_and_single_photos_have_wilson() -> None:
    right = np.arange(263) < 81
    assert estimate_intervals([share(right)], alone(263), EVALUATE) == [wilson_interval(81 / 263, 263, 0.95)]


def test_under_twenty_cases_there_is_none_and_it_says_why() -> None:
    assert estimate_intervals([share(np.arange(19) < 9)], alone(19), EVALUATE)[0].reason == "n < 20"
    y_true = (np.arange(100) < 19).astype(np.int8)
    assert estimate_intervals([metrics.f1(y_true, y_true)], alone(100), EVALUATE)[0].reason == "n < 20"


def test_a_whole_library_leaves_nothing_open() -> None:
    design = Design(np.ones(40), np.ones(40), np.arange(40), np.zeros(40, np.int64), True)
    found = estimate_intervals([share(np.arange(40) < 30)], design, EVALUATE)[0]
    assert (found.low, found.high) == (0.75, 0.75)


def test_near_duplicates_widen_the_interval() -> None:
    right = np.repeat(np.arange(40) < 30, 5)
    single = estimate_intervals([share(right)], alone(200), EVALUATE)[0]
    grouped = estimate_intervals([share(right)], simple_design(np.repeat(np.arange(40), 5)), EVALUATE)[0]
    # 200 photos that are 40 photos five times: sqrt(5) times as wide.
    assert (grouped.high - grouped.low) / (single.high - single.low) == pytest.approx(5**0.5, rel=0.12)


def test_few_groups_have_students_t(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ten pairs of near-duplicates: six right, two half right, two wrong: 14 of 20. The pairs deviate from
    # 2 * 0.7 by 0.6, -0.4, -1.4: the variance is 10/9 * (6 * 0.36 + 2 * 0.16 + 2 * 1.96) / 20^2 = 0.13333^2.
    # On the logit scale that is 0.13333 / 0.21; t with 9 degrees of freedom is 2.2622:
    # 0.8473 -+ 1.4363 is 0.3569 to 0.9075 (z = 1.96 would give 0.4021 to 0.8900).
    right = np.array([1, 1] * 6 + [1, 0] * 2 + [0, 0] * 2)
    design = simple_design(np.repeat(np.arange(10), 2))
    resampled = estimate_intervals([share(right)], design, EVALUATE)[0]
    assert (resampled.low, resampled.high) == pytest.approx((0.3569, 0.9075), abs=0.02)
    monkeypatch.setattr("vibe_photos.statistics.intervals.MOST_RESAMPLED_GROUPS", 1)
    computed = estimate_intervals([share(right)], design, EVALUATE)[0]
    assert (computed.low, computed.high) == pytest.approx((0.3569, 0.9075), abs=1e-3)


@pytest.mark.parametrize(("freedom", "quantile"), [(5, 2.5706), (9, 2.2622), (29, 2.0452), (10**6, 1.95996)])
def test_students_t_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_t(0.95, freedom) == pytest.approx(quantile, rel=0.01)


def test_all_right_is_not_certainty() -> None:
    design = simple_design(np.repeat(np.arange(30), 2))
    # 30 groups of equal weight are 30 photos, and 0.025^(1/30) is 0.8843.
    found = estimate_intervals([share(np.ones(60))], design, EVALUATE)[0]
    assert (found.low, found.high) == (pytest.approx(0.8843, abs=5e-5), 1.0)


def test_everything_in_one_group_says_so() -> None:
    design = simple_design(np.zeros(30, np.int64))
    assert estimate_intervals([share(np.arange(30) < 9)], design, EVALUATE)[0].reason == "one group"


def test_same_seed_same_interval() -> None:
    rng = np.random.default_rng(1)
    design, right = simple_design(np.repeat(np.arange(50), 2)), rng.random(100) < 0.7
    assert estimate_intervals([share(right)], design, EVALUATE) == estimate_intervals(
        [share(right)], design, EVALUATE
    )


def test_many_groups_are_linearised_to_what_the_bootstrap_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    strata = rng.integers(0, 3, 900)
    drawn = np.array([0.9, 0.5, 0.2])[strata]
    design = Design(1 / drawn, drawn, np.arange(900) // 2, strata, True)
    y_true, y_pred = (rng.random((2, 900)) < 0.4).astype(np.int8)
    figures = list(metrics.precision_recall_f1(y_true, y_pred).values())
    drawn_intervals = estimate_intervals(figures, design, EVALUATE)
    monkeypatch.setattr("vibe_photos.statistics.intervals.MOST_RESAMPLED_GROUPS", 10)
    for drawn_one, written in zip(
        drawn_intervals, estimate_intervals(figures, design, EVALUATE), strict=True
    ):
        assert written.low == pytest.approx(drawn_one.low, abs=0.01)
        assert written.high == pytest.approx(drawn_one.high, abs=0.01)


REPETITIONS = 200
"""Seeded; 95 % of 200 is 190, with a standard deviation of 3.1: between 180 and 199 is 3.2 of them away."""


def count_covered(draw: Callable[[np.random.Generator], tuple[float, Interval]]) -> int:
    rng = np.random.default_rng(3)
    drawn = [draw(rng) for _ in range(REPETITIONS)]
    return sum(interval.low <= truth <= interval.high for truth, interval in drawn)


def draw_simple_sample(rng: np.random.Generator) -> tuple[float, Interval]:
    """140 of a library of 360 photos, without replacement."""
    library = rng.random(360) < 0.8
    design = Design(
        np.full(140, 360 / 140), np.full(140, 140 / 360), np.arange(140), np.zeros(140, int), True
    )
    chosen = rng.choice(360, 140, replace=False)
    return library.mean(), estimate_intervals([share(library[chosen])], design, EVALUATE)[0]


def draw_strata(rng: np.random.Generator) -> tuple[float, Interval]:
    """Four strata, drawn without replacement by two thirds to a twentieth: weights from 1.5 to 20."""
    library, right, drawn, strata = [], [], [], []
    for stratum, (n, size, p) in enumerate([(40, 60, 0.9), (40, 100, 0.8), (30, 300, 0.6), (30, 600, 0.85)]):
        library.append(rng.random(size) < p)
        right.append(rng.choice(library[-1], n, replace=False))
        drawn += [n / size] * n
        strata += [stratum] * n
    share_drawn = np.array(drawn)
    design = Design(1 / share_drawn, share_drawn, np.arange(140), np.array(strata), True)
    found = estimate_intervals([share(np.concatenate(right))], design, EVALUATE)[0]
    return np.concatenate(library).mean(), found


def draw_clusters(rng: np.random.Generator) -> tuple[float, Interval]:
    """80 groups of one to four near-duplicates that are right or wrong together, more often than not."""
    size = rng.integers(1, 5, 80)
    groups = np.repeat(np.arange(80), size)
    right = rng.random(len(groups)) < rng.beta(1.6, 0.4, 80)[groups]
    return 0.8, estimate_intervals([share(right)], simple_design(groups), EVALUATE)[0]


def draw_f1(rng: np.random.Generator) -> tuple[float, Interval]:
    """35 % positives, of which 80 % are found, and 10 % of the others asserted."""
    is_true = rng.random(140) < 0.35
    y_pred = np.where(is_true, rng.random(140) < 0.8, rng.random(140) < 0.1).astype(np.int8)
    truth = 2 * 0.35 * 0.8 / (0.35 * 0.8 + 0.65 * 0.1 + 0.35)
    return truth, estimate_intervals([metrics.f1(is_true.astype(np.int8), y_pred)], alone(140), EVALUATE)[0]


@pytest.mark.parametrize("draw", [draw_simple_sample, draw_strata, draw_clusters, draw_f1])
def test_intervals_cover_the_truth_at_their_rate(
    draw: Callable[[np.random.Generator], tuple[float, Interval]],
) -> None:
    assert 180 <= count_covered(draw) <= 199
