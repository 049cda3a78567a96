"""How much the teacher's answer influences people: values by hand, and how often the interval is right."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.hand_made_library import truth, write_truth

from vibe_photos.agreement.anchoring import measure_anchoring
from vibe_photos.agreement.stage import judge_teacher, measure_agreement
from vibe_photos.records.ground_truth import Decision, GroundTruth
from vibe_photos.review.decision_index import truth_value
from vibe_photos.settings import Evaluate, Settings, Taxonomy
from vibe_photos.storage.jsonl import write_jsonl

LIBRARIES = 1000 if os.environ.get("VIBE_PHOTOS_PROVE") else 60
SLACK = 0.0 if LIBRARIES == 1000 else 0.064
"""95 % of 60 libraries have a standard deviation of 2.8 %: three of them are the 2 % allowed and this."""


def photo(image_id: str, is_right: bool, probability: float = 0.5, stratum: str = "all") -> GroundTruth:
    """Return what a person says of a photo that the teacher calls food."""
    design = {"inclusion_probability": probability, "stratum": stratum}
    return msgspec.structs.replace(truth(image_id, "food" if is_right else "people"), extra=design)


def measure(
    people: list[GroundTruth], assisted: dict[str, bool], evaluate: Evaluate, taxonomy: Taxonomy
) -> dict:
    teacher = [truth(record.image_id, "food") for record in people]
    found = measure_anchoring(judge_teacher(people, teacher, {}, taxonomy), assisted, evaluate)
    figures: dict = found.get("anchoring", {})
    return figures


def test_the_difference_is_weighted_and_leaves_out_who_was_not_asked_here(
    evaluate: Evaluate, taxonomy: Taxonomy
) -> None:
    # Shown: 2 + 2 of 2 + 2 + 4 is right; hidden: 2 of 2 + 4. Half minus a third.
    right = {"a": True, "b": True, "c": False, "d": True, "e": False, "edited": True}
    light = dict.fromkeys("abd", 0.5)
    people = [photo(i, is_right, light.get(i, 0.25)) for i, is_right in right.items()]
    assisted = {"a": True, "b": True, "c": True, "d": False, "e": False}
    assert measure(people, assisted, evaluate, taxonomy) == {
        "difference": 0.1667, "difference_interval": "n < 20", "assisted": 3, "unassisted": 2,
    }  # fmt: skip
    only_hidden = measure(people, dict.fromkeys(right, False), evaluate, taxonomy)
    assert (only_hidden["difference"], only_hidden["assisted"]) == (None, 0)
    assert measure(people, dict.fromkeys(right, True), evaluate, taxonomy) == {}


def test_the_interval_is_newcombes_where_all_weigh_the_same(evaluate: Evaluate, taxonomy: Taxonomy) -> None:
    """Newcombe 1998, table II, method 10: 56/70 - 48/80 has 0.0524 to 0.3339."""
    people = [photo(f"shown {n}", n < 56, 1.0) for n in range(70)]
    people += [photo(f"hidden {n}", n < 48, 1.0) for n in range(80)]
    assisted = {record.image_id: record.image_id.startswith("shown") for record in people}
    figures = measure(people, assisted, evaluate, taxonomy)
    assert figures["difference"] == 0.2
    # All photos of the library were drawn, which says nothing of how the others would have been judged.
    assert figures["difference_interval"] == [0.0524, 0.3339]


@pytest.mark.parametrize(("shown", "hidden"), [(0.95, 0.95), (0.95, 0.8), (0.85, 0.7)])
def test_the_interval_covers_in_a_stratified_sample(shown: float, hidden: float, taxonomy: Taxonomy) -> None:
    """400 photos of an easy and a hard stratum with unequal weights; a tenth is judged without help."""
    evaluate = Evaluate(confidence_level=0.95, bootstrap_repetitions=400, seed=0)
    strata = {"easy": (250, 0.5, 0.04), "hard": (150, 0.25, -0.04)}
    sizes = {name: count / probability for name, (count, probability, _) in strata.items()}
    shift = sum(sizes[name] * strata[name][2] for name in strata) / sum(sizes.values())
    generator, found = np.random.default_rng(4), []
    for _ in range(LIBRARIES):
        people, assisted = [], {}
        for name, (count, probability, easier) in strata.items():
            is_shown = generator.random(count) >= 0.1
            chance = np.where(is_shown, shown, hidden) + easier - shift
            for n, is_right in enumerate(generator.random(count) < chance):
                people.append(photo(f"{name} {n}", bool(is_right), probability, name))
                assisted[people[-1].image_id] = bool(is_shown[n])
        found.append(measure(people, assisted, evaluate, taxonomy))
    difference = shown - hidden
    ends = [figures["difference_interval"] for figures in found]
    covered = [low <= difference <= high for low, high in ends]
    assert 0.93 - SLACK <= np.mean(covered) <= 0.98 + SLACK
    assert np.mean([figures["difference"] for figures in found]) == pytest.approx(difference, abs=0.03)


def test_the_stage_reads_from_the_log_who_saw_the_teachers_answer(
    library: Settings, write_roles: Callable[..., Path]
) -> None:
    ids = [f"p{n}" for n in range(44)]
    write_roles(dict.fromkeys(ids, "reserved"))
    answers = [truth(image_id, "food") for image_id in ids]
    # Every fourth of the 22 shown is wrong (6 of 22), every second of the 22 hidden (11 of 22).
    is_hidden = {image_id: n >= 22 for n, image_id in enumerate(ids)}
    people = [
        truth(image_id, "people" if n % (2 if is_hidden[image_id] else 4) == 0 else "food")
        for n, image_id in enumerate(ids)
    ]
    write_truth(library, [photo(image_id, True) for image_id in ids], answers)
    measure_agreement(library)
    metrics = library.paths.eval / "teacher" / "metrics.json"
    assert "anchoring" not in json.loads(metrics.read_text())
    lines = [
        Decision(
            image_id=record.image_id,
            decided_at=f"2026-01-01T00:00:{n:02}.000000Z",
            after=truth_value(record),
            shown=None if is_hidden[record.image_id] else truth_value(answers[n]),
            unassisted=is_hidden[record.image_id],
        )
        for n, record in enumerate(people)
    ]
    write_jsonl(library.paths.human / "decisions" / "ada.jsonl", lines)
    measure_agreement(library)
    figures = json.loads(metrics.read_text())["anchoring"]
    assert (figures["difference"], figures["assisted"], figures["unassisted"]) == (0.2273, 22, 22)
    low, high = figures["difference_interval"]
    assert low < 0 < 0.2273 < high
