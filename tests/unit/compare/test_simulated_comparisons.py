"""Error rates, power and coverage of a whole comparison, in simulated audits of 140 photos.

The library's nine scenes are strata: of unequal shares, drawn unequally, with attributes that follow the
scene. One photo in ten has a near-duplicate with the same labels. Truth and labels of every audit are drawn
anew from known probabilities, so the true differences are known.
"""

import os
from dataclasses import dataclass

import numpy as np
import pytest

from vibe_photos.compare.compare import JudgedSides, LabelChange, find_changed, measure_changes
from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design
from vibe_photos.statistics.label_arrays import LabelKeys

IS_PROOF = bool(os.environ.get("VIBE_PHOTOS_PROVE"))
REPETITIONS = 1000 if IS_PROOF else 30
EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=200, seed=0)

SHARE = np.array([0.28, 0.2, 0.14, 0.1, 0.09, 0.07, 0.05, 0.04, 0.03])
"""Of the library, by stratum."""
DRAWN = np.array([28, 22, 18, 15, 14, 12, 11, 10, 10])
"""Photos of the audit, by stratum: 140 in all."""
STRATA = len(SHARE)
PREVALENCE = np.vstack(
    [np.outer([0.3, 0.12, 0.4], np.linspace(1.6, 0.4, STRATA)), np.full((2, STRATA), 0.15)]
)
"""Of each flag, float64 [flags, strata]."""
KEYS = LabelKeys(
    [f"scene.s{number}" for number in range(STRATA)],
    ["attr.first", "attr.second", "attr.third"],
    ["object.drink", "object.food"],
)


@dataclass(frozen=True)
class Side:
    """How one side labels.

    Attributes:
        scene: the probability that a photo's scene is right: [strata].
        hit: that a flag is asserted where it is true: [flags].
        false_alarm: that it is asserted where it is not: [flags].
    """

    scene: np.ndarray
    hit: np.ndarray
    false_alarm: np.ndarray

    def expect(self) -> dict[tuple[str, str], float]:
        """Return the true value of the figures of the scene and of the first attribute."""
        true, hit, false_alarm = SHARE @ PREVALENCE[0], self.hit[0], (1 - SHARE @ PREVALENCE[0])
        false_alarm *= self.false_alarm[0]
        return {
            ("scene", "accuracy"): SHARE @ self.scene,
            ("first", "precision"): true * hit / (true * hit + false_alarm),
            ("first", "recall"): hit,
            ("first", "F1"): 2 * true * hit / (true * hit + true + false_alarm),
            ("first", "accuracy"): 1 - true * (1 - hit) - false_alarm,
        }


def label(scene: float | np.ndarray = 0.8, hit: float = 0.7, false_alarm: float = 0.06) -> Side:
    """Return a side that has its own scenes and its own first attribute."""
    return Side(
        np.broadcast_to(scene, STRATA),
        np.array([hit, 0.6, 0.75, 0.6, 0.6]),
        np.array([false_alarm, 0.04, 0.1, 0.03, 0.03]),
    )


def audit(rng: np.random.Generator, before: Side, after: Side, churn: float) -> JudgedSides:
    """Draw an audit. For `churn` of the photos the sides err independently, else as alike as can be."""
    stratum = np.repeat(np.arange(STRATA), DRAWN)
    n = len(stratum)
    scene = np.where(rng.random(n) < 0.85, stratum, rng.integers(0, STRATA, n))
    flags = (rng.random((n, 5)) < PREVALENCE[:, stratum].T).astype(np.int8)
    groups = np.repeat(np.arange(n), 1 + (rng.random(n) < 0.1))
    u = rng.random((n, 6))
    shown = []
    for side in (before, after):
        is_right = u[:, 0] < side.scene[stratum]
        other = (scene + 1 + (u[:, 0] * 1e6).astype(int) % (STRATA - 1)) % STRATA
        asserted = u[:, 1:] < np.where(flags == 1, side.hit, side.false_alarm)
        said = np.where(is_right, scene, other)
        shown.append(np.column_stack([said, asserted])[groups].astype(np.int16))
        u = np.where(rng.random((n, 1)) < churn, rng.random((n, 6)), u)
    weights = (1000 * SHARE / DRAWN)[stratum[groups]]
    design = Design(weights, 1 / weights, groups, stratum[groups], True)
    ids = [f"p{number}" for number in range(len(groups))]
    truth = np.column_stack([scene, flags])[groups].astype(np.int16)
    return JudgedSides(ids, KEYS, truth, *shown, design)


def measure(judged: JudgedSides) -> dict[str, LabelChange]:
    changed = find_changed(judged.before, judged.after, KEYS)
    return {one.label: one for one in measure_changes(judged, changed, EVALUATE)}


UNEVEN = np.linspace(0.12, -0.12, STRATA) - SHARE @ np.linspace(0.12, -0.12, STRATA)
"""Better by that much in each stratum, and by nothing in the library."""


@dataclass(frozen=True)
class Case:
    """Two sides; the questions with a true difference, and how probable it is that each is found."""

    before: Side
    after: Side
    churn: float
    power: dict[tuple[str, str], float]


CASES = {
    "nothing": Case(label(), label(), 0.3, {}),
    "nothing, independent": Case(label(), label(), 1.0, {}),
    "nothing, uneven": Case(label(0.8 + UNEVEN), label(0.8 - UNEVEN), 0.3, {}),
    "precision": Case(
        label(hit=0.49, false_alarm=0.034),
        label(hit=0.49, false_alarm=0.171),
        0.02,
        {("first", "wrong"): 0.95, ("first", "false positives"): 0.95},
    ),
    "recall": Case(
        label(hit=0.75),
        label(hit=0.476),
        0.02,
        {("first", "wrong"): 0.9, ("first", "false negatives"): 0.9},
    ),
    "scene": Case(label(0.75), label(0.85), 0.1, {("scene", "wrong"): 0.85}),
}


@pytest.mark.parametrize("name", CASES)
def test_errors_power_and_coverage(name: str) -> None:
    case, rng = CASES[name], np.random.default_rng(3)
    before, after = case.before.expect(), case.after.expect()
    found_power = dict.fromkeys(case.power, 0)
    errors = hold = 0
    for _ in range(REPETITIONS):
        labels = measure(audit(rng, case.before, case.after, case.churn))
        rejected = {
            (one.label, question)
            for one in labels.values()
            for question, change in one.questions.items()
            if change.adjusted_p <= 0.05
        }
        errors += bool(rejected - case.power.keys())
        for question in rejected & case.power.keys():
            found_power[question] += 1
        hold += all(
            figure.interval.low <= after.get(place, 0.0) - before.get(place, 0.0) <= figure.interval.high
            for one in labels.values()
            for figure_name, figure in one.figures.items()
            if not figure.interval.reason
            for place in [(one.label, figure_name)]
        )
    # Of 1,000 repetitions; a share of 5 % has a standard deviation of 0.7 %, of 30 it has 4 %.
    assert errors / REPETITIONS <= (0.06 if IS_PROOF else 0.15)
    assert hold / REPETITIONS >= 0.93
    for question, power in case.power.items():
        assert found_power[question] / REPETITIONS >= power
