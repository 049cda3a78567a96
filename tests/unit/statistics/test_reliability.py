"""Calibration: errors by hand and as the heads' own metrics have them, and the points of a diagram."""

from dataclasses import replace

import numpy as np
import pytest

from vibe_photos.heads.calibration import expected_calibration_error
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.statistics.reliability import (
    ScoredPredictions,
    calibration_error,
    calibration_noise,
    predictions_out_of_fold,
    reliability_points,
)


def state(
    probability: list[float], is_true: list[bool], weights: list[float] | None = None
) -> ScoredPredictions:
    return ScoredPredictions(
        np.array(probability),
        np.array(is_true),
        np.array(weights or [1.0] * len(probability)),
        np.arange(len(probability)),
    )


def test_the_error_by_hand() -> None:
    # Two bins: 0.9 and 0.9, of which one is true: 0.8 too much; 0.1, true: 0.9 too little; each a gap of
    # its bin's sum, over three statements: (0.8 + 0.9) / 3.
    said = state([0.9, 0.9, 0.1], [True, False, True])
    assert calibration_error(said) == pytest.approx(1.7 / 3)
    # The photo behind the last one stands for two: (0.8 + 1.8) / 4.
    weighed = state([0.9, 0.9, 0.1], [True, False, True], [1.0, 1.0, 2.0])
    assert calibration_error(weighed) == pytest.approx(2.6 / 4)
    assert calibration_error(state([], [])) is None


def test_the_error_is_that_of_the_heads_metrics() -> None:
    rng = np.random.default_rng(0)
    probabilities, y = rng.random((300, 1)), rng.integers(0, 2, (300, 1))
    theirs = expected_calibration_error(probabilities, y, np.ones((300, 1), dtype=np.bool_), "sigmoid")
    ours = calibration_error(
        ScoredPredictions(probabilities[:, 0], y[:, 0] == 1, np.ones(300), np.arange(300))
    )
    assert ours == pytest.approx(theirs)


def test_noise_is_what_perfectly_calibrated_students_show() -> None:
    # All in one bin: the gap is normal with sqrt(100 * 0.5 * 0.5) / 100 = 0.05, and 1.96 of it is 0.098.
    one_bin = state([0.5] * 100, [True] * 100)
    assert calibration_noise(one_bin, 0) == pytest.approx(0.098, abs=0.002)
    # In ten groups of ten that are true together the gap is sqrt(10) times as large.
    together = replace(one_bin, together=np.arange(100) // 10)
    assert calibration_noise(together, 0) == pytest.approx(0.098 * 10**0.5, abs=0.006)
    assert calibration_noise(state([], []), 0) is None


def test_noise_agrees_with_students_drawn_one_by_one() -> None:
    rng = np.random.default_rng(3)
    said = state(list(rng.beta(0.5, 0.5, 140)), [True] * 140, list(rng.uniform(1, 4, 140)))
    errors = [
        calibration_error(replace(said, is_true=rng.random(140) < said.probability)) for _ in range(2000)
    ]
    assert calibration_noise(said, 0) == pytest.approx(np.quantile(errors, 0.95), abs=0.01)


def test_a_point_stands_for_a_tenth_of_all_probabilities() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(2000)
    points = reliability_points(
        ScoredPredictions(probability, rng.random(2000) < probability, np.ones(2000), np.arange(2000)), 0.95
    )
    assert [int(10 * point.probability) for point in points] == list(range(10))
    assert sum(point.statements for point in points) == 2000
    # Calibrated, so that 95 % of the intervals hold the probability.
    covered = [point.interval.low <= point.probability <= point.interval.high for point in points]
    assert sum(covered) >= 8


def test_few_statements_join_those_below_them() -> None:
    assert reliability_points(state([], []), 0.95) == []
    # 10 of the last tenth stand alone; 5 and 4 of two others wait for the 20 below them; 3 join those above.
    probability = [0.95] * 10 + [0.75] * 5 + [0.65] * 4 + [0.35] * 20 + [0.05] * 3
    points = reliability_points(state(probability, [True] * 42), 0.95)
    assert [point.statements for point in points] == [32, 10]
    # With weights: (3 * 0.2 + 0.8) / 4, and 1 / 4 is true.
    (point,) = reliability_points(state([0.2, 0.8], [False, True], [3.0, 1.0]), 0.95)
    assert (point.probability, point.frequency, point.statements) == (pytest.approx(0.35), 0.25, 2)


def test_out_of_fold_the_teacher_is_the_truth() -> None:
    scenes = OutOfFold(
        ["a", "b"],
        ["scene.food", "scene.people"],
        np.array([[0.9, 0.1], [0.3, 0.7]], dtype=np.float32),
        np.array([[1, 0], [1, 0]], dtype=np.int8),
        np.zeros((2, 2), bool),
    )
    attributes = OutOfFold(
        ["a", "b"],
        ["attr.has_text"],
        np.array([[0.4], [0.6]], dtype=np.float32),
        np.array([[1], [-1]], dtype=np.int8),
        np.zeros((2, 1), bool),
    )
    unknown, y = np.full((1, 1), np.nan, np.float32), np.ones((1, 1), np.int8)
    untold = OutOfFold(["a"], ["object.food"], unknown, y, np.zeros((1, 1), bool))
    found = predictions_out_of_fold({"scene": scenes, "attribute": attributes, "object": untold})
    assert found.keys() == {"scene", "has_text"}
    assert found["scene"].probability.tolist() == pytest.approx([0.9, 0.7])
    assert found["scene"].is_true.tolist() == [True, False]
    # Nobody judged has_text of b.
    assert found["has_text"].probability.tolist() == pytest.approx([0.4])
