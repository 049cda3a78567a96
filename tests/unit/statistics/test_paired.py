"""Differences between two predictions: exact tests by hand, published values, coverage in simulations."""

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vibe_photos.settings import Evaluate
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design, simple_design
from vibe_photos.statistics.metrics import Ratio
from vibe_photos.statistics.paired import (
    Difference,
    PairedRatio,
    adjust_p_values,
    difference_interval,
    estimate_difference,
)

EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=200, seed=0)


def accuracy(before: np.ndarray, after: np.ndarray) -> PairedRatio:
    a, b = (Ratio(right.astype(float), np.ones(len(right)), len(right)) for right in (before, after))
    return PairedRatio(a, b, (1.0, 1.0), (0.0, 1.0))


def f1(y_true: np.ndarray, before: np.ndarray, after: np.ndarray) -> PairedRatio:
    y_true, before, after = (flags.astype(np.int8) for flags in (y_true, before, after))
    return PairedRatio(metrics.f1(y_true, before), metrics.f1(y_true, after), (2.0, 2.0), (0.0, 1.0))


def estimate(pair: PairedRatio, design: Design | None = None) -> Difference:
    found = estimate_difference(
        pair, design or simple_design(np.arange(len(pair.before.numerator))), EVALUATE
    )
    assert found is not None
    return found


def test_single_photos_of_equal_weight_have_mcnemars_exact_p() -> None:
    before, after = np.arange(40) < 30, np.arange(40) < 30
    after = after.copy()
    after[[0, 30, 31, 32, 33, 34, 35]] = [False, True, True, True, True, True, True]
    # 6 fixed, 1 broken: 2 * (C(7,0) + C(7,1)) / 2^7 = 16 / 128.
    found = estimate(accuracy(before, after))
    assert (found.before, found.after, found.changed_groups) == (0.75, 0.875, 7)
    assert found.p_value == pytest.approx(0.125)


def test_the_interval_is_bonett_and_prices() -> None:
    # n = 40, 6 fixed, 1 broken: p12 = 7/42, p21 = 2/42; 5/42 +- t * sqrt((9/42 - (5/42)^2) / 42), where the
    # sample variance of the 40 photos has 39 instead of 40 below it, which moves the third decimal at most.
    before = np.arange(40) < 30
    after = before.copy()
    after[[0, 30, 31, 32, 33, 34, 35]] = [False, True, True, True, True, True, True]
    found = estimate(accuracy(before, after)).interval
    reach = 2.0227 * np.sqrt((9 / 42 - (5 / 42) ** 2) / 42)
    assert (found.low, found.high) == pytest.approx((5 / 42 - reach, 5 / 42 + reach), abs=2e-3)


def test_the_same_labels_do_not_differ_and_are_not_certain() -> None:
    right = np.arange(50) < 40
    found = estimate(accuracy(right, right))
    assert (found.value, found.p_value, found.changed_groups) == (0.0, 1.0, 0)
    assert found.interval.low == pytest.approx(-found.interval.high)
    assert found.interval.high > 0


def test_near_duplicates_change_places_together() -> None:
    before, after = np.zeros(40, bool), np.zeros(40, bool)
    after[:6] = True
    # Six fixed photos alone: 2 / 2^6. In two groups of three there are four ways to swap: 2 / 2^2.
    assert estimate(accuracy(before, after)).p_value == pytest.approx(2 / 64)
    groups = np.concatenate([[0, 0, 0, 1, 1, 1], np.arange(2, 36)])
    assert estimate(accuracy(before, after), simple_design(groups)).p_value == pytest.approx(2 / 4)


def test_an_f1_changes_places_with_its_denominator() -> None:
    # One true photo that A misses and B finds, one false one that only B asserts, 20 true ones both find.
    # F1 of A: 40 / (21 + 20), of B: 42 / (21 + 22). Swaps: both as they are and both swapped are as far
    # apart as observed; one alone gives 42/42 against 40/42, which is further apart. All four count.
    y_true, before = np.arange(30) < 21, np.arange(30) < 20
    after = np.arange(30) < 22
    found = estimate(f1(y_true, before, after))
    assert found.value == pytest.approx(42 / 43 - 40 / 41)
    assert found.p_value == 1.0


def test_swaps_drawn_at_random_agree_with_the_normal_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    before = rng.random(2000) < 0.7
    after = np.where(rng.random(2000) < 0.1, rng.random(2000) < 0.8, before)
    # Weights of any size leave no ties, which a normal distribution would know nothing of.
    design = replace(simple_design(np.arange(2000)), weights=rng.uniform(1, 3, 2000))
    drawn = estimate(accuracy(before, after), design).p_value
    monkeypatch.setattr("vibe_photos.statistics.paired.MOST_SWAPPED_GROUPS", 10)
    assert estimate(accuracy(before, after), design).p_value == pytest.approx(drawn, abs=0.02)


def test_no_interval_on_few_cases_or_one_group_and_no_difference_without_a_figure() -> None:
    few = np.arange(19) < 9
    assert estimate(accuracy(few, few)).interval.reason == "n < 20"
    right = np.arange(30) < 9
    assert estimate(accuracy(right, right), simple_design(np.zeros(30, int))).interval.reason == "one group"
    nothing = np.zeros(30, bool)
    pair = f1(nothing, nothing, right)
    assert estimate_difference(pair, simple_design(np.arange(30)), EVALUATE) is None


def test_holms_adjustment() -> None:
    # Sorted 0.01, 0.02, 0.04: times 3, 2, 1 gives 0.03, 0.04, 0.04.
    assert adjust_p_values([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert adjust_p_values([0.9, 0.8]) == [1.0, 1.0]
    assert adjust_p_values([]) == []


REPETITIONS = 1000
"""Seeded; the share that covers has a standard deviation of 0.7 %: 93 % to 97 % is 2.9 of them away."""

REPEATED_TESTS = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 200


def draw_accuracy(rng: np.random.Generator) -> tuple[float, PairedRatio, Design]:
    """10 % of the photos only B has right, 5 % only A."""
    u = rng.random(400)
    return 0.05, accuracy((u < 0.7) | (u > 0.95), u < 0.8), simple_design(np.arange(400))


def draw_clusters(rng: np.random.Generator) -> tuple[float, PairedRatio, Design]:
    """150 groups of one to three photos, drawn by unequal chances, that flip together or not at all."""
    groups = np.repeat(np.arange(150), rng.integers(1, 4, 150))
    u = rng.random(150)[groups]
    drawn = np.where(groups % 2, 0.5, 0.3)
    design = Design(1 / drawn, drawn, groups, groups % 2, True)
    return 0.1, accuracy((u < 0.6) | (u > 0.9), u < 0.8), design


def draw_f1(rng: np.random.Generator) -> tuple[float, PairedRatio, Design]:
    """40 % are true; A finds 70 % and asserts 10 % of the others, B 80 % and 15 %, each by itself."""
    is_true = rng.random(300) < 0.4
    before, after = (
        np.where(is_true, rng.random(300) < hit, rng.random(300) < false_alarm)
        for hit, false_alarm in ((0.7, 0.1), (0.8, 0.15))
    )
    apart = 2 * 0.32 / (0.4 + 0.32 + 0.09) - 2 * 0.28 / (0.4 + 0.28 + 0.06)
    return apart, f1(is_true, before, after), simple_design(np.arange(300))


@pytest.mark.parametrize("draw", [draw_accuracy, draw_clusters, draw_f1])
def test_intervals_of_differences_cover_at_their_rate(
    draw: Callable[[np.random.Generator], tuple[float, PairedRatio, Design]],
) -> None:
    rng = np.random.default_rng(4)
    covered = 0
    for _ in range(REPETITIONS):
        apart, pair, design = draw(rng)
        interval = difference_interval(pair, replace(design, drawn_share=np.zeros(len(design.weights))), 0.95)
        covered += interval.low <= apart <= interval.high
    assert 0.93 <= covered / REPETITIONS <= 0.97


def test_no_difference_is_called_one_at_the_stated_rate() -> None:
    rng = np.random.default_rng(5)
    called = 0
    for _ in range(REPEATED_TESTS):
        u = rng.random(200)
        called += estimate(accuracy((u < 0.7) | (u > 0.92), u < 0.78)).p_value <= 0.05
    # Exact, so at most 5 % (10 % is 3.2 standard deviations away at 200); discrete, so somewhat less.
    assert 0.005 <= called / REPEATED_TESTS <= 0.1
