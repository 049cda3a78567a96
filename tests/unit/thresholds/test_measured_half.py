"""What a found threshold is worth: on the photos that chose it, by cross-validation, and on other photos."""

import os

import numpy as np
import pytest

from vibe_photos.statistics.design import simple_design
from vibe_photos.thresholds.measured_half import MeasuredHalf, score_with_descendants
from vibe_photos.thresholds.sweep import Aim

F1 = Aim("f1")
PERSON = "attr.has_person"
REPETITIONS = 2000 if os.environ.get("VIBE_PHOTOS_PROVE") else 100


def draw(generator: np.random.Generator, photos: int) -> MeasuredHalf:
    """Draw photos of which a quarter shows a person, with logits that overlap."""
    y_true = (generator.random(photos) < 0.25).astype(np.int8)
    score = 1 / (1 + np.exp(-generator.normal(np.where(y_true == 1, -0.5, -2.0), 1.0)))
    folds, design = np.arange(photos) % 5, simple_design(np.arange(photos))
    return MeasuredHalf([PERSON], y_true[:, np.newaxis], score[:, np.newaxis], folds, design)


def test_the_best_flatters_itself_and_cross_validation_does_not():
    generator, fresh = np.random.default_rng(0), draw(np.random.default_rng(1), 20_000)
    in_sample, cross_validated, true = [], [], []
    for _ in range(REPETITIONS):
        half = draw(generator, 70)
        best = {PERSON: half.find_threshold(PERSON, F1, {})}
        by_fold = {n: {PERSON: half.find_threshold(PERSON, F1, {}, without_fold=n)} for n in range(5)}
        in_sample.append(half.measure(PERSON, dict.fromkeys(range(5), best)).f1)
        cross_validated.append(half.measure(PERSON, by_fold).f1)
        true.append(fresh.measure(PERSON, dict.fromkeys(range(5), best)).f1)
    assert np.mean(in_sample) - np.mean(true) > 0.04
    # Four fifths of the photos choose a little worse than all of them, so it is rather too strict.
    assert np.mean(cross_validated) - np.mean(true) == pytest.approx(-0.01, abs=0.025)


def test_a_photo_is_decided_by_the_threshold_without_its_fold():
    y_true, score = np.array([[1], [0], [1]], np.int8), np.array([[0.6], [0.4], [0.2]])
    half = MeasuredHalf([PERSON], y_true, score, np.array([0, 1, 2]), simple_design(np.arange(3)))
    # Without the last: between 0.6 and 0.4. Without the middle: below 0.2. Without the first: below 0.2.
    found = [half.find_threshold(PERSON, F1, {}, without_fold=fold) for fold in range(3)]
    assert found == [0.1, 0.1, 0.5]
    # So the first and the second get the label, the third does not: 1 of 2 true, 1 of 2 found.
    scores = half.measure(PERSON, {fold: {PERSON: found[fold]} for fold in range(3)})
    assert (scores.precision, scores.recall, scores.f1) == (0.5, 0.5, 0.5)


def test_a_photo_with_a_label_has_the_labels_above_it():
    keys = ["object.food", "object.food.dessert"]
    score = np.array([[0.1, 0.6], [0.1, 0.4], [0.1, np.nan]])
    lifted = score_with_descendants(
        score, keys, "object.food", {"object.food.dessert": 0.5, "object.food.cake": 0.0}
    )
    assert lifted.tolist() == [1.0, 0.1, 0.1]
    assert score[0, 0] == 0.1
