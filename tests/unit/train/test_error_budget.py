"""Error budgets of photos for which it is known what limits a head."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.unit.heads.simulation import TRAINING, draw_classes, one_hot, scene_targets

from vibe_photos.train.error_budget import find_better_models, measure_error_budget
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import Targets, TrainingSet

COUNT = 160


def measure(targets: Targets, vectors: NDArray[np.float32], loss: Any) -> dict[str, Any]:
    folds = np.arange(len(vectors)) % 4
    training_set = TrainingSet(targets, vectors, folds, [str(n) for n in range(len(vectors))], loss, TRAINING)
    found = measure_error_budget(training_set, fit_student(training_set), 0)
    assert found is not None
    return found


def one_attribute(is_present: NDArray[np.bool_]) -> Targets:
    y = is_present[:, None].astype(np.float32)
    everyone = np.ones(y.shape, dtype=bool)
    return Targets(np.arange(len(y)), ("attr.has_text",), y, everyone, support={}, not_learnable={})


def test_a_linear_head_is_the_limit_where_classes_lie_crosswise():
    generator = np.random.default_rng(0)
    places = generator.standard_normal((COUNT, 2))
    vectors = np.column_stack([places, np.full(COUNT, 4.0)])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    found = measure(one_attribute(places[:, 0] * places[:, 1] > 0), vectors, "sigmoid")
    whole = found["rows"][0]
    assert whole["neighbours_interval"][0] > 0.1
    assert whole["probe_interval"][0] > 0.1
    assert find_better_models(found) == ["neighbours", "probe"]


def test_where_classes_are_linear_nothing_beats_the_head_and_noise_costs():
    vectors, classes = draw_classes(1, COUNT, 24, [0.5, 0.5], distance=0.35)
    found = measure(scene_targets(classes, ("scene.food", "scene.people")), vectors, "softmax")
    whole = found["rows"][0]
    assert find_better_models(found) == []
    assert whole["confused_interval"][0] < whole["confused"] < 0
    assert found["photos"] == COUNT
    assert [row["label"] for row in found["rows"]] == ["all", "scene.food", "scene.people"]


def test_a_threshold_gains_where_a_rare_label_seldom_reaches_a_half():
    vectors, classes = draw_classes(2, 300, 10, [0.15, 0.85], distance=0.35)
    rare = measure(one_attribute(classes == 0), vectors, "sigmoid")["rows"][1]
    even, classes = draw_classes(2, 300, 10, [0.5, 0.5], distance=0.8)
    common = measure(one_attribute(classes == 0), even, "sigmoid")["rows"][1]
    assert rare["threshold"] > 0.05
    assert abs(common["threshold"]) < 0.03
    assert rare["missed"] < 0


def test_labels_of_few_photos_are_left_out():
    vectors, classes = draw_classes(3, COUNT, 10, [0.05, 0.95], distance=1.0)
    rows = measure(scene_targets(classes, ("scene.food", "scene.people")), vectors, "softmax")["rows"]
    assert [row["label"] for row in rows] == ["all", "scene.people"]


def test_all_photos_in_one_fold_give_no_budget():
    vectors, classes = draw_classes(4, 30, 5, [0.5, 0.5], distance=1.0)
    targets, folds = scene_targets(classes, ("scene.food", "scene.people")), np.zeros(30, dtype=np.int64)
    training_set = TrainingSet(targets, vectors, folds, [str(n) for n in range(30)], "softmax", TRAINING)
    assert measure_error_budget(training_set, fit_student(training_set), 0) is None


@pytest.mark.parametrize("count", [1, 2])
def test_a_large_library_is_measured_on_a_part(monkeypatch, count):
    monkeypatch.setattr("vibe_photos.train.error_budget.MOST_PHOTOS", 80)
    vectors, _ = draw_classes(5, COUNT, 10, [0.5, 0.5], distance=0.5)
    y = one_hot(np.arange(COUNT) // 4 % 2, 2)[:, :count]
    targets = Targets(np.arange(COUNT), ("a.b", "a.c")[:count], y, np.ones(y.shape, bool), {}, {})
    assert 60 <= measure(targets, vectors, "sigmoid")["photos"] <= 100
