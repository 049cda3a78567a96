"""Temperatures by what people measured, with values derived by hand."""

import math

import msgspec
import numpy as np
import pytest

from vibe_photos.classify.stage import decide_labels
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.settings import Classify, Temperatures
from vibe_photos.statistics.design import simple_design
from vibe_photos.thresholds.temperature import (
    HARMS,
    MeasuredLevel,
    Proposal,
    TemperatureTuning,
    judge_temperature,
)

TIMID = math.log(4) / math.log(9)
"""The temperature of a student that says 0.8 and is right in 0.9: its odds are 4, they should be 9."""


def measure(head: str, right: int, photos: int, said: float = 0.8, weights=None) -> MeasuredLevel:
    """A level whose first label has a probability of `said` and is right on the first photos of each ten."""
    is_true = np.arange(photos) % 10 < right
    y = np.column_stack([is_true, ~is_true]).astype(float)
    probability = np.tile([said, 1 - said], (photos, 1))
    design = simple_design(np.arange(photos))
    if weights is not None:
        design.weights[:] = np.where(is_true, *weights)
    is_judged = np.ones((photos, 1), bool)
    if head != "scene":
        y, probability = y[:, :1], probability[:, :1]
    return MeasuredLevel(head, probability, y, is_judged, np.arange(photos) // 10 % 5, design)


def test_the_temperature_makes_the_odds_what_they_are():
    level = measure("scene", right=9, photos=100)
    temperature = level.fit(np.ones(100, bool))
    assert temperature == pytest.approx(TIMID, abs=6e-4)
    assert level.calibration_error(1.0) == pytest.approx(0.1)
    assert level.calibration_error(temperature) == pytest.approx(0, abs=5e-4)


def test_a_label_is_never_surer_than_its_number_of_photos_allows():
    # Of 20 photos all 20 are right: Platt's target is 21 of 22, so the odds are 21 and not without end.
    level = measure("attribute", right=10, photos=20)
    assert level.fit(np.ones(20, bool)) == pytest.approx(math.log(4) / math.log(21), abs=6e-4)


def test_photos_count_with_their_weights():
    # 9 right photos of weight 1 and one wrong of weight 9/4: the odds are 4, as the student says.
    level = measure("scene", right=9, photos=100, weights=(1.0, 9 / 4))
    assert level.fit(np.ones(100, bool)) == pytest.approx(1.0, abs=1e-3)


def test_what_is_better_is_proposed_with_its_gain():
    proposal = judge_temperature(measure("scene", right=9, photos=500), 1.0, 0.95)
    now, then = (-(0.9 * math.log(p) + 0.1 * math.log(1 - p)) for p in (0.8, 0.9))
    assert proposal.reason == ""
    assert (proposal.photos, proposal.active) == (500, pytest.approx(TIMID, abs=6e-4))
    assert (proposal.loss_now, proposal.loss_then) == pytest.approx((now, then), abs=1e-4)
    # A right photo gains ln(9/8), a wrong one loses ln 2: the deviation of 450 and 50 of them.
    error = 0.3 * (math.log(9 / 8) + math.log(2)) / math.sqrt(499)
    assert proposal.gain.high - proposal.gain.low == pytest.approx(2 * 1.9648 * error, rel=0.01)
    assert proposal.gain.low + proposal.gain.high == pytest.approx(2 * (now - then), abs=1e-4)


def test_what_harms_photos_that_it_was_not_fitted_to_is_refused():
    # The student is right as often as it says, 8 of 10 times, but not in each fold.
    level = measure("scene", right=8, photos=100)
    is_true = np.concatenate([np.arange(20) < right for right in (20, 18, 16, 14, 12)])
    level.y[:] = np.column_stack([is_true, ~is_true])
    level.folds[:] = np.arange(100) // 20
    proposal = judge_temperature(level, 1.0, 0.95)
    assert proposal.best == pytest.approx(1.0, abs=1e-3)
    assert proposal.loss_then > proposal.loss_now
    assert proposal.reason == HARMS
    assert proposal.active == 1.0


def test_few_photos_or_one_fold_are_refused():
    few = judge_temperature(measure("scene", right=9, photos=19), 2.0, 0.95)
    assert (few.best, few.active) == (None, 2.0)
    assert few.reason == "fewer than 20 photos of the tune half have both labels"
    level = measure("scene", right=9, photos=100)
    level.folds[:] = 3
    assert judge_temperature(level, 2.0, 0.95).reason == "all photos of the tune half are in one fold"


def tune(now: Temperatures, **best: float) -> TemperatureTuning:
    proposals = {head: Proposal(getattr(now, head), 50, best=value) for head, value in best.items()}
    return TemperatureTuning(proposals, {}, 0, 0)


def test_thresholds_move_along():
    classify = Classify(
        attribute_threshold={"default": 0.5, "has_text": 0.2},
        object_threshold={"default": 0.5, "drink": 0.8},
        attribute_from_scene={},
    )
    # From odds of 1 to 4 to their square, 1 to 16; and of 4 to 1, with half the current temperature, to 16.
    changes = tune(classify.temperature, scene=0.7, attribute=0.5).list_changes(classify)
    assert changes == {
        "temperature": {"scene": 0.7, "attribute": 0.5},
        "scene_threshold": {},
        "attribute_threshold": {"has_text": 0.058824},
    }
    classify = msgspec.structs.replace(classify, temperature=Temperatures(object=2.0))
    changes = tune(classify.temperature, object=1.0).list_changes(classify)
    assert changes == {"temperature": {"object": 1.0}, "object_threshold": {"drink": 0.941176}}


def test_no_label_changes(taxonomy):
    generator = np.random.default_rng(0)
    keys = ["attr.has_person", "attr.has_text", "object.drink", "object.food", "scene.food", "scene.people"]
    p = generator.uniform(0.01, 0.99, (300, len(keys))).round(6)
    p[:, 5] = 1 - p[:, 4]
    scores = ScoreTable([str(row) for row in range(300)], keys, p, p, p * np.nan)
    now = Classify(
        attribute_threshold={"default": 0.3, "has_text": 0.8},
        object_threshold={"default": 0.61},
        attribute_from_scene={},
    )
    changes = tune(now.temperature, scene=0.7, attribute=0.4, object=1.9).list_changes(now)
    then = msgspec.structs.replace(
        now,
        temperature=Temperatures(**changes["temperature"]),
        attribute_threshold=now.attribute_threshold | changes["attribute_threshold"],
        object_threshold=now.object_threshold | changes["object_threshold"],
    )
    before, after = (decide_labels(scores, taxonomy, one) for one in (now, then))
    np.testing.assert_array_equal(before.value, after.value)
    assert (before.score != after.score).any(axis=0).all()
