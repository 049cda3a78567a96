"""Shares of stratified samples: by hand, never wider than Korn-Graubard, and how often they cover."""

import os
from collections.abc import Callable

import numpy as np
import pytest

from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, strata_of_groups
from vibe_photos.statistics.intervals import (
    Interval,
    estimate_intervals,
    exact_interval,
    korn_graubard_interval,
    wilson_interval,
)
from vibe_photos.statistics.metrics import Floats, Ratio

REPETITIONS = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 20
EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=300, seed=0)
SCENES = np.array([0.10, 0.07, 0.09, 0.15, 0.07, 0.17, 0.12, 0.08, 0.15])


def share(yes: np.ndarray) -> Ratio:
    return Ratio(yes.astype(float), np.ones(len(yes)), len(yes))


def draw_strata(photos: np.ndarray, drawn: np.ndarray) -> Design:
    probability = np.repeat(drawn / photos, drawn)
    n = int(drawn.sum())
    return Design(1 / probability, probability, np.arange(n), np.repeat(np.arange(len(drawn)), drawn), True)


NINE = draw_strata(
    np.array([300, 210, 270, 450, 210, 510, 360, 240, 450]), np.array([14, 10, 13, 21, 10, 24, 16, 11, 21])
)


def test_clopper_and_pearson_agree_with_the_published_example() -> None:
    # Newcombe 1998, table I, method 5: 81 of 263 gives 0.2527 to 0.3676, 0 of 20 gives 0 to 0.1684.
    found = exact_interval(81 / 263, 263, 0.95)
    assert (found.low, found.high) == pytest.approx((0.2527, 0.3676), abs=5e-5)
    found = exact_interval(0.0, 20, 0.95)
    assert (found.low, found.high) == pytest.approx((0.0, 0.1684), abs=5e-5)


@pytest.mark.parametrize("wrong", range(6))
def test_one_more_mistake_moves_an_interval_little(wrong: int) -> None:
    found = estimate_intervals([share(np.arange(140) >= wrong)], NINE, EVALUATE)[0]
    # Clopper and Pearson: 140 of 140 is 0.974 to 1, 139 is 0.961 to 0.9998, 135 is 0.919 to 0.988.
    # Strata and the library of 3,000 move that a little.
    low = [0.974, 0.961, 0.949, 0.939, 0.928, 0.919][wrong]
    assert found.low == pytest.approx(low, abs=0.01)
    assert found.high >= 1 - wrong / 140


def test_a_census_leaves_nothing_open_even_where_all_agree() -> None:
    census = draw_strata(np.array([30, 10]), np.array([30, 10]))
    assert estimate_intervals([share(np.ones(40))], census, EVALUATE) == [Interval(1.0, 1.0)]
    mixed = estimate_intervals([share(np.arange(40) < 10)], census, EVALUATE)[0]
    assert (mixed.low, mixed.high) == (0.25, 0.25)


def test_a_stratum_of_one_joins_the_one_that_weighs_most_nearly_as_much() -> None:
    # Weights 10, 10, 4, 3, 3: the photo that weighs 4 is alone, and joins those that weigh 3.
    weights = np.array([10.0, 10.0, 4.0, 3.0, 3.0])
    design = Design(weights, 1 / weights, np.arange(5), np.array([0, 0, 1, 2, 2]), True)
    first, second, alone, *others = strata_of_groups(design).tolist()
    assert first == second != alone
    assert set(others) == {alone}


@pytest.mark.parametrize("n", [20, 60, 140, 1000])
def test_wilson_is_narrower_than_what_it_is_held_to(n: int) -> None:
    for hits in {1, 2, 5, n // 2, n - 1}:
        wilson, exact = wilson_interval(hits / n, n, 0.95), exact_interval(hits / n, n, 0.95)
        assert wilson.high - wilson.low < exact.high - exact.low


Kind = Callable[[np.random.Generator, int, int], np.ndarray]


def rare(prevalence: float, follows_scene: bool) -> Kind:
    """7 of 10 of such photos are in one scene, or they are everywhere."""

    def draw(rng: np.random.Generator, scene: int, photos: int) -> np.ndarray:
        chance = prevalence
        if follows_scene:
            chance *= 0.7 / SCENES[5] if scene == 5 else 0.3 / (1 - SCENES[5])
        return np.asarray(rng.random(photos) < chance)

    return draw


def all_or_all_but_one(_rng: np.random.Generator, scene: int, photos: int) -> np.ndarray:
    return np.asarray(np.arange(photos) >= scene % 2)


def documents(rng: np.random.Generator, scene: int, photos: int) -> np.ndarray:
    """The teacher's documents are documents, and 0.4 % of its other photos are."""
    return np.asarray(rng.random(photos) < (0.95 if scene == 1 else 0.004))


def accuracy(rng: np.random.Generator, scene: int, photos: int) -> np.ndarray:
    chances = [0.91, 0.95, 0.73, 0.90, 0.93, 0.65, 0.85, 0.97, 0.82]
    return np.asarray(rng.random(photos) < chances[scene])


KINDS: dict[str, Kind] = {
    f"{prevalence:.0%} {where}": rare(prevalence, where == "of one scene")
    for prevalence in (0.01, 0.02, 0.05)
    for where in ("anywhere", "of one scene")
} | {"strata that agree but for one": all_or_all_but_one, "documents": documents, "accuracy": accuracy}


def allocate(photos: np.ndarray, size: int) -> np.ndarray:
    """Eight of each stratum, the others in proportion."""
    drawn = np.minimum(photos, 8)
    while drawn.sum() < size:
        drawn[np.where(drawn < photos, photos / (2 * drawn + 1), -1.0).argmax()] += 1
    return drawn


def repeat(kind: Kind, library: int, size: int) -> tuple[list[bool], list[Interval], list[Interval], Floats]:
    """Return of many samples what is covered, the intervals, those they are held to, and the errors."""
    rng, covered, found, widest, errors = np.random.default_rng(5), [], [], [], []
    for _ in range(REPETITIONS):
        photos = rng.multinomial(library, SCENES)
        drawn = allocate(photos, size)
        strata = [kind(rng, scene, count) for scene, count in enumerate(photos)]
        seen = [rng.choice(one, m, replace=False) for one, m in zip(strata, drawn, strict=True)]
        design, ratio = draw_strata(photos, drawn), share(np.concatenate(seen))
        true = float(np.concatenate(strata).mean())
        found += estimate_intervals([ratio], design, EVALUATE)
        widest.append(korn_graubard_interval(ratio, design, 0.95))
        covered.append(found[-1].low <= true <= found[-1].high)
        errors.append(ratio.numerator @ design.weights / design.weights.sum() - true)
    return covered, found, widest, np.array(errors)


@pytest.mark.parametrize(("library", "size"), [(420, 140), (3000, 140), (20000, 300), (20000, 1000)])
@pytest.mark.parametrize("name", KINDS)
def test_shares_cover_and_are_never_wider_than_korn_graubard(name: str, library: int, size: int) -> None:
    covered, found, widest, errors = repeat(KINDS[name], library, size)
    assert np.mean(covered) >= 0.93 - 3.2 * np.sqrt(0.93 * 0.07 / REPETITIONS)
    assert abs(errors.mean()) <= 4 * errors.std() / np.sqrt(REPETITIONS) + 5e-4
    for one, most in zip(found, widest, strict=True):
        assert one.high - one.low <= most.high - most.low + 1e-12
    print(f"{name}, {size} of {library}: covers {np.mean(covered):.3f}, bias {errors.mean():+.4f}")
