"""Learning curves of photos whose classes are drawn from known distributions."""

from typing import Any

import numpy as np
import pytest
from tests.unit.heads.simulation import TRAINING, draw_classes, scene_targets

from vibe_photos.heads.rounding import exact_logits
from vibe_photos.storage.files import round_metric
from vibe_photos.train.learning_curve import fit_power_law, measure_learning_curve
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import TrainingSet

COUNT, LABELS = 160, ("scene.food", "scene.people", "scene.rare")
SHARES = [0.5, 0.45, 0.05]


def learn(count: int = COUNT) -> tuple[TrainingSet, Any]:
    vectors, classes = draw_classes(7, 4 * COUNT, 24, SHARES, distance=0.35)
    targets = scene_targets(classes[:count], LABELS)
    folds = np.arange(count) % 4
    groups = [f"{number % 4}-{number // 8}" for number in range(count)]  # two photos each
    training_set = TrainingSet(targets, vectors[:count], folds, groups, "softmax", TRAINING)
    return training_set, fit_student(training_set)


@pytest.fixture(scope="module")
def curve() -> dict[str, Any]:
    found = measure_learning_curve(*learn(), seed=0)
    assert found is not None
    return found


def test_more_answers_are_worth_more(curve):
    assert curve["answers"] == [16, 30, 60, 120]  # three of four folds; one eighth lacks a fold
    assert curve["twice"] == 320
    whole = curve["rows"][0]
    assert whole["label"] == "all"
    assert whole["f1"][0] < whole["f1"][1] < whole["f1"][3]
    assert all(low < f1 < high for f1, (low, high) in zip(whole["f1"], whole["f1_interval"], strict=True))
    low, high = whole["gain_interval"]
    assert 0 <= low < whole["gain"] < high
    assert whole["twice"] > whole["f1"][-1]


def test_what_twice_as_many_give_is_what_they_then_give(curve):
    vectors, classes = draw_classes(7, 4 * COUNT, 24, SHARES, distance=0.35)
    unseen = slice(2 * COUNT, None)
    right = []
    for count in (COUNT, 2 * COUNT):
        _, student = learn(count)
        said = exact_logits(vectors[unseen], student.weight, student.bias).argmax(axis=1)
        right.append(float((said == classes[unseen]).mean()))
    whole = curve["rows"][0]
    assert whole["twice_interval"][0] <= right[1] <= whole["twice_interval"][1]
    assert whole["gain_interval"][0] <= right[1] - right[0] <= whole["gain_interval"][1]


def test_all_answers_are_the_heads_own_cross_validation(curve):
    training_set, student = learn()
    said = student.validation.logits.argmax(axis=1)
    assert curve["rows"][0]["f1"][-1] == pytest.approx(
        (said == training_set.targets.y.argmax(axis=1)).mean(), abs=1e-4
    )


def test_a_rare_label_has_no_interval_and_is_not_extrapolated(curve):
    assert curve["rows"][3] == {"label": "scene.rare", "gain": None, "gain_interval": "n < 20"}


def test_another_seed_takes_other_parts_but_all_answers_stay_all():
    first, second = (measure_learning_curve(*learn(), seed=seed)["rows"][1]["f1"] for seed in (0, 1))
    assert first[0] != second[0]
    assert first[-1] == second[-1]


def test_a_true_power_law_is_found_again():
    sizes = np.array([10.0, 20.0, 40.0, 80.0])
    for floor, slope, exponent in ((0.05, 1.0, 0.5), (0.0, 0.9, 0.25), (0.2, 2.0, 1.0)):
        errors = floor + slope * sizes**-exponent
        found = fit_power_law(errors[None], sizes, np.array([160.0]))
        assert found[0, 0] == pytest.approx(floor + slope * 160**-exponent, abs=1e-9)


def test_a_zero_has_no_sign_that_the_last_bits_decide():
    assert str(round_metric(-1e-17)) == "0.0"
    assert round_metric(0.12345) == 0.1235


def test_errors_that_rise_are_taken_as_level():
    found = fit_power_law(np.array([[0.1, 0.2]]), np.array([1.0, 3.0]), np.array([6.0]))
    assert found[0, 0] == pytest.approx(0.175)
