"""Three teachers of known quality on 150 checked photos: do ranges hold, and is the ranking right?"""

import os

import numpy as np
import pytest

from vibe_photos.pilot.teachers import TeacherAnswers, compare_teachers, count_right, estimate_cost
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.taxonomy import HEADS, head_keys
from vibe_photos.settings import Evaluate, Rates, Taxonomy
from vibe_photos.statistics.label_arrays import arrays_of_records, read_keys

REPETITIONS = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 12
EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=100, seed=0)
ERRORS = {"large": 0.06, "small": 0.10, "tiny": 0.22}
TOKENS = {"large": (600, 160), "small": (600, 80), "tiny": (200, 80)}
RATES = Rates(
    prompt_tokens_per_second=1000, completion_tokens_per_second=100, price_per_hour=3.6, currency="EUR"
)


class World:
    """Photos with true labels; a teacher errs on each with its own probability, more often on hard photos."""

    def __init__(self, taxonomy: Taxonomy, rng: np.random.Generator) -> None:
        self.keys = [head_keys(taxonomy, head) for head in HEADS]
        self.rng = rng

    def draw(self, count: int) -> tuple[list[GroundTruth], dict[str, list[GroundTruth]]]:
        scenes, attributes, objects = self.keys
        truth, said = [], {name: list[GroundTruth]() for name in ERRORS}
        for number in range(count):
            difficulty = self.rng.choice([0.5, 2.0], p=[2 / 3, 1 / 3])
            scene = int(self.rng.integers(len(scenes)))
            flags, thing = self.rng.random(len(attributes)) < 0.3, objects[self.rng.integers(len(objects))]
            image_id = f"p{number}"

            def record(error: float, image_id=image_id, scene=scene, flags=flags, thing=thing) -> GroundTruth:
                wrong = self.rng.random(len(attributes) + 2) < error
                return GroundTruth(
                    image_id=image_id,
                    scene=[scenes[(scene + wrong[0]) % len(scenes)]],
                    attributes={
                        key: bool(flag ^ w) for key, flag, w in zip(attributes, flags, wrong[2:], strict=True)
                    },
                    objects=[] if wrong[1] else [thing],
                )

            truth.append(record(0.0))
            for name, error in ERRORS.items():
                said[name].append(record(error * difficulty))
        return truth, said


@pytest.mark.timeout(3600)
def test_ranges_hold_and_the_ranking_is_right_as_often_as_they_say(taxonomy: Taxonomy) -> None:
    world, keys = World(taxonomy, np.random.default_rng(2)), read_keys(taxonomy)
    truth, said = world.draw(20_000 if REPETITIONS == 1000 else 6_000)
    arrays, ones = arrays_of_records(truth, keys), np.ones(len(truth))
    true = {
        name: count_right(arrays, arrays_of_records(said[name], keys), keys.object).value(ones) or 0.0
        for name in ERRORS
    }
    held = told_apart = wrong = ranked = 0
    alone = []
    for _ in range(REPETITIONS):
        checked, answers = world.draw(150)
        teachers = [TeacherAnswers(name, answers[name], [TOKENS[name]], RATES) for name in ERRORS]
        judged, pairs = compare_teachers(teachers, checked, {}, taxonomy, EVALUATE, 1000)
        apart = {(pair.first, pair.second): true[pair.second] - true[pair.first] for pair in pairs}
        held += all(
            pair.interval.low <= apart[pair.first, pair.second] <= pair.interval.high for pair in pairs
        )
        told_apart += sum(pair.better is not None for pair in pairs)
        wrong += any(
            pair.better and true[pair.better] < max(true[pair.first], true[pair.second]) for pair in pairs
        )
        ranked += [one.name for one in judged] == sorted(true, key=lambda name: -true[name])
        alone += [one.interval.low <= true[one.name] <= one.interval.high for one in judged]
    print(
        f"all ranges hold {held / REPETITIONS:.3f}, one teacher's {np.mean(alone):.3f}; pairs told apart "
        f"{told_apart / 3 / REPETITIONS:.3f}, a wrong verdict {wrong / REPETITIONS:.3f}, ranking right "
        f"{ranked / REPETITIONS:.3f}"
    )
    allowance = 3.2 * np.sqrt(0.95 * 0.05 / REPETITIONS)
    assert held / REPETITIONS >= 0.95 - allowance
    assert np.mean(alone) >= 0.94 - allowance
    assert wrong / REPETITIONS <= 0.05 + allowance
    assert ranked / REPETITIONS > 0.9 - allowance


def test_the_price_of_a_thousand_right_labels_by_hand(taxonomy: Taxonomy) -> None:
    scenes, attributes, objects = (head_keys(taxonomy, head) for head in HEADS)
    truth = GroundTruth(
        image_id="a", scene=[scenes[0]], attributes={attributes[0]: True}, objects=[objects[0]]
    )
    said = GroundTruth(
        image_id="a", scene=[scenes[0]], attributes={attributes[0]: False}, objects=[objects[0]]
    )
    teacher = TeacherAnswers("one", [said], [(500, 50), (1500, 150)], RATES)
    (judged,), pairs = compare_teachers([teacher], [truth], {}, taxonomy, EVALUATE, 36_000)
    # 1,000 prompt and 100 completion tokens a photo: 1 s + 1 s; 36,000 photos: 20 hours, 72 EUR.
    assert judged.cost == estimate_cost(teacher, 36_000)
    assert judged.cost is not None
    assert (judged.cost.hours, judged.cost.price, judged.cost.currency) == (20.0, pytest.approx(72.0), "EUR")
    # Two of three labels are right: 72 EUR for 72,000 right labels.
    assert judged.right == pytest.approx(2 / 3)
    assert judged.price_of_thousand == pytest.approx(1.0)
    assert not pairs


def test_objects_that_nobody_judged_are_not_wrong(taxonomy: Taxonomy) -> None:
    keys = read_keys(taxonomy)
    truth = GroundTruth(image_id="a", scene=[keys.scene[0]], objects=None)
    said = GroundTruth(image_id="a", scene=[keys.scene[0]], objects=[keys.object[0]])
    right = count_right(arrays_of_records([truth], keys), arrays_of_records([said], keys), keys.object)
    assert right.value(np.ones(1)) == 1.0


def test_who_is_paid_by_the_token_has_a_price_of_tokens() -> None:
    by_token = Rates(
        prompt_tokens_per_second=1000,
        completion_tokens_per_second=100,
        price_per_hour=9.0,
        currency="USD",
        prompt_price_per_million=0.5,
        completion_price_per_million=2.0,
    )
    assert by_token.price(2e6, 1e6) == 3.0
    assert RATES.price(3.6e6, 0) == pytest.approx(3.6)
