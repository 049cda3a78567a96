"""Influences of single photos: against what a slightly larger weight does, and how often intervals cover."""

import os

import numpy as np
import pytest

from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design, simple_design
from vibe_photos.statistics.intervals import influence_interval
from vibe_photos.statistics.metrics import Floats

REPETITIONS = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 60
STEP = 1e-6


def macro_f1(y_true: np.ndarray, y_pred: np.ndarray, weights: Floats) -> float:
    value = metrics.macro_f1(metrics.confusion_matrix(y_true, y_pred, 4, weights))
    assert value is not None
    return value


def average_precision(y_true: np.ndarray, y_score: np.ndarray, weights: Floats) -> float:
    value = metrics.average_precision(metrics.precision_recall_curve(y_true, y_score, weights))
    assert value is not None
    return value


def test_a_heavier_photo_moves_the_figures_by_its_influence() -> None:
    rng = np.random.default_rng(0)
    weights = rng.uniform(1, 5, 40)
    scenes, said = rng.integers(-1, 3, 40), rng.integers(-1, 4, 40)
    y_true = rng.integers(-1, 2, 40).astype(np.int8)
    scores = np.where(rng.random(40) < 0.1, np.nan, rng.integers(0, 12, 40) / 12)  # with ties
    of_macro = metrics.macro_f1_influence(scenes, said, 4, weights)
    of_average = metrics.average_precision_influence(y_true, scores, weights)
    for photo in range(40):
        heavier = weights + STEP * (np.arange(40) == photo)
        moved = macro_f1(scenes, said, heavier) - macro_f1(scenes, said, weights)
        assert of_macro[photo] == pytest.approx(moved / STEP, abs=1e-6)
        moved = average_precision(y_true, scores, heavier) - average_precision(y_true, scores, weights)
        assert of_average[photo] == pytest.approx(moved / STEP, abs=1e-6)


def test_few_cases_and_certainty_have_no_interval_and_a_census_leaves_nothing_open() -> None:
    alone, moves = simple_design(np.arange(30)), np.zeros(30)
    assert influence_interval(0.5, moves, 19, alone, 0.95).reason == "n < 20"
    assert influence_interval(1.0, moves, 30, alone, 0.95).reason == "1 on every photo drawn"
    census = Design(np.ones(30), np.ones(30), np.arange(30), np.zeros(30, np.int64), True)
    found = influence_interval(0.5, moves, 30, census, 0.95)
    assert (found.low, found.high) == (0.5, 0.5)


def test_intervals_of_macro_f1_and_average_precision_cover() -> None:
    # 140 of 3,000 photos of four scenes, drawn by strata; a student right on 4 of 5, scores with noise.
    rng, covered = np.random.default_rng(1), []
    for _ in range(REPETITIONS):
        scenes = rng.choice(4, 3000, p=[0.4, 0.3, 0.2, 0.1])
        said = np.where(rng.random(3000) < 0.75, scenes, rng.integers(0, 4, 3000))
        y_true = (rng.random(3000) < 0.3).astype(np.int8)
        scores = y_true * 1.5 + rng.normal(0, 1, 3000)
        members = [np.flatnonzero(scenes == one) for one in range(4)]
        chosen = np.concatenate([rng.choice(one, 35, replace=False) for one in members])
        drawn = np.repeat([35 / len(one) for one in members], 35)
        design = Design(1 / drawn, drawn, np.arange(140), np.repeat(np.arange(4), 35), True)
        every, seen, weights = np.ones(3000), (y_true[chosen], scores[chosen]), design.weights
        pairs = [
            (
                macro_f1(scenes, said, every),
                macro_f1(scenes[chosen], said[chosen], weights),
                metrics.macro_f1_influence(scenes[chosen], said[chosen], 4, weights),
            ),
            (
                average_precision(y_true, scores, every),
                average_precision(*seen, weights),
                metrics.average_precision_influence(*seen, weights),
            ),
        ]
        for true, value, moves in pairs:
            found = influence_interval(value, moves, 140, design, 0.95)
            covered.append(found.low <= true <= found.high)
    for figure in (covered[::2], covered[1::2]):
        assert np.mean(figure) >= 0.93 - 3.2 * np.sqrt(0.93 * 0.07 / REPETITIONS)
    print(f"macro-F1 covers {np.mean(covered[::2]):.3f}, average precision {np.mean(covered[1::2]):.3f}")
