"""The library's own figures on 120 photos that can be counted by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.hand_made_library import write_truth

from vibe_photos.evaluate.library_estimates import (
    MeasuredPhotos,
    bound_by_skips,
    find_teacher_labels,
    weigh_rest,
)
from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.human_truth.sample import NOT_DRAWN, MeasuredSample, StratumCount
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Settings
from vibe_photos.split.stage import write_splits
from vibe_photos.statistics.design import Design, simple_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, LabelKeys, arrays_of_records

NO_KEYS = LabelKeys([], [], [])
IDS = [f"p{number:03d}" for number in range(120)]


@pytest.fixture
def measure(
    make_truth: Callable[..., GroundTruth],
    write_roles: Callable[..., Path],
    write_table: Callable[..., Path],
    library: Settings,
) -> Callable[..., dict[str, object]]:
    """The first 20 photos are measured, the next 50 held out; the teacher sees text on every fourth photo,
    from the twentieth on every second."""

    def run(
        probability: float | None = 1 / 6, tuned_on: str = "none", answered: int = 120
    ) -> dict[str, object]:
        roles = ["reserved"] * 20 + ["holdout"] * 50 + ["train"] * 50
        auto = [
            make_truth(
                image_id, "food" if number % 2 else "people", has_text=number % (4 if number < 20 else 2) == 0
            )
            for number, image_id in enumerate(IDS)
        ]
        extra = {"inclusion_probability": probability, "stratum": "all"} if probability else {}
        # People agree but for the first two photos: no text on the first, and its scene is food.
        people = [make_truth("p000", "food", has_text=False), make_truth("p001", "food", has_text=True)]
        audited = [msgspec.structs.replace(record, extra=extra) for record in [*people, *auto[2:20]]]
        write_table({i: {"scene.food": (0.9, 1), "attr.has_text": (0.1, 0)} for i in IDS})
        path = write_roles(dict(zip(IDS, roles, strict=True)))
        halves = {"p000": "score", "p001": "score", "p002": "score", "p003": "score", "p004": "score"}
        members = read_splits(path)
        write_splits(
            path,
            {i: msgspec.structs.replace(one, half=halves.get(i, one.half)) for i, one in members.items()},
        )
        write_truth(library, audited, auto[:answered], drawn=None)
        classify = msgspec.structs.replace(library.classify, tuned_on=tuned_on)
        evaluate_labels(msgspec.structs.replace(library, classify=classify))
        return json.loads((library.paths.eval / "human" / "metrics.json").read_text())

    return run


def test_people_alone_and_together_with_the_teacher(measure: Callable[..., dict[str, dict]]) -> None:
    found = measure()["prediction_powered"]
    # Always "food": right on the ten odd photos and on p000.
    assert found["scene"]["accuracy"] == 0.55
    low, high = found["scene"]["accuracy_interval"]
    assert low < found["scene"]["accuracy_ppi"] < high
    text = found["attributes"]["has_text"]
    # People: photos 1, 4, 8, 12, 16 of 20. The teacher: 0, 4, 8, 12, 16 of these, 55 of all 120.
    # Trust is the slope of people's word on the teacher's: (4/20 - 1/16) / (1/4 - 1/16) = 11/15, and
    # 1/4 + 11/15 * (55/120 - 5/20) = 0.4028.
    assert text["prevalence"] == 0.25
    assert text["prevalence_ppi"] == 0.4028
    low, high = text["prevalence_ppi_interval"]
    assert low < 0.4028 < high
    assert found["attributes"]["has_person"] == {"prevalence": None, "accuracy": None}


def test_shares_are_of_all_photos_where_the_teacher_answered_some(
    measure: Callable[..., dict[str, dict]],
) -> None:
    # The last 20 photos have no answer: the teacher says text of 45 of all 120, not of 45 of 100, and
    # 1/4 + 11/15 * (45/120 - 5/20) = 0.3417.
    found = measure(answered=100)["prediction_powered"]
    assert found["attributes"]["has_text"]["prevalence_ppi"] == 0.3417
    # Always "food": as the teacher says of 10 of the measured photos, and of 25 of 50 held out that stand for
    # 80; about the 20 others it cannot agree: 50 of 120. Variances, times 1/19 * 5/6: of the agreement 1/4;
    # people differ from the teacher on p000, so their covariance is 10/20 - 11/20 * 10/20 = 9/40. That of
    # 50/120 is 1.6^2 * (1 - 50/80) * (50/49 * 12.5) / 120^2 = 0.000850. So trust is 0.009868 / 0.011815, and
    # 11/20 + 0.8352 * (50/120 - 10/20) = 0.4804.
    assert found["scene"]["accuracy_ppi"] == 0.4804


def test_shares_of_photos_rest_on_both_halves(measure: Callable[..., dict[str, dict]]) -> None:
    whole, halved = measure(), measure(tuned_on="human")
    # The student is scored on p000 to p004, and right on the scenes of p000, p001 and p003.
    assert (halved["n"], halved["prediction_powered"]["scene"]["accuracy"]) == (5, 0.6)
    names = ("prevalence", "prevalence_interval", "prevalence_ppi")
    text = [figures["prediction_powered"]["attributes"]["has_text"] for figures in (whole, halved)]
    assert [text[0][name] for name in names] == [text[1][name] for name in names]


def test_skipped_photos_bound_a_share() -> None:
    # Of food, 100 photos, 4 count and 1 was skipped; of people, 300, 2 count. Yes: 3 of 4, and 1 of 2.
    # All skipped no: (100 * 3/5 + 300 * 1/2) / 400; all yes: (100 * 4/5 + 300 * 1/2) / 400.
    said = [("food", True)] * 3 + [("food", False), ("people", True), ("people", False)]
    records = [GroundTruth(image_id=f"p{i}", extra={"stratum": name}) for i, (name, _) in enumerate(said)]
    sample = MeasuredSample(records, strata={"food": StratumCount(100, 4, 1), "people": StratumCount(300, 2)})
    weights = np.array([25.0] * 4 + [150.0] * 2)
    design = Design(weights, 1 / weights, np.arange(6), np.array([0] * 4 + [1] * 2), True)
    nothing = arrays_of_records(records, NO_KEYS)
    measured = MeasuredPhotos(JudgedPhotos([], NO_KEYS, nothing, nothing, design), sample)
    is_true = np.array([yes for _, yes in said])
    assert bound_by_skips(np.ones(6, np.bool_), is_true, measured) == (0.525, 0.575)
    sample.strata["food"].skipped = 0
    assert bound_by_skips(np.ones(6, np.bool_), is_true, measured) is None


def test_photos_of_unmeasured_strata_are_in_no_powered_share() -> None:
    records = [GroundTruth(image_id="a", extra={"stratum": "food"})]
    sample = MeasuredSample(
        records, strata={"food": StratumCount(2, 1), "people": StratumCount(1), NOT_DRAWN: StratumCount(1)}
    )
    nothing = arrays_of_records(records, NO_KEYS)
    photos = JudgedPhotos(["a"], NO_KEYS, nothing, nothing, simple_design(np.zeros(1, np.int64)))
    strata = {"a": "food", "b": "food", "c": "people", "d": None}
    members = {
        i: Membership(group=i, fold=0, role="train", number=0.5, stratum=stratum)
        for i, stratum in strata.items()
    }
    answers = {i: GroundTruth(image_id=i) for i in strata}
    assert find_teacher_labels(MeasuredPhotos(photos, sample), answers, members).image_ids == ["b"]


def test_accuracy_of_an_attribute(measure: Callable[..., dict[str, dict]]) -> None:
    text = measure()["prediction_powered"]["attributes"]["has_text"]
    # The student never sees text: right where people see none, 15 of 20. It agrees with the teacher on 15 of
    # these and on 25 of the 50 of the holdout, which stand for 100: 65 of 120.
    # Variances, times 1/19 * 5/6: of the agreement 0.1875, with people's word 14/20 - 0.75^2 = 0.1375.
    # That of 65/120, known of half of the others: 2^2 * (1 - 1/2) * (50/49 * 12.5) / 120^2 = 0.001772.
    # So trust is 0.006031 / (0.008224 + 0.001772) = 0.6034, and 15/20 + 0.6034 * (65/120 - 15/20) = 0.6243.
    assert text["accuracy"] == 0.75
    assert text["accuracy_ppi"] == 0.6243
    low, high = text["accuracy_ppi_interval"]
    assert low < 0.6243 < high


def test_records_that_state_no_probability_say_nothing_of_the_library(
    measure: Callable[..., dict[str, object]],
) -> None:
    figures = measure(None)
    assert (figures["n"], figures["own_set"]["n"]) == (0, 20)
    assert "prediction_powered" not in figures


def test_a_known_photo_stands_for_its_stratums_share_of_the_rest() -> None:
    strata = ["food"] * 60 + ["people"] * 40
    is_known = np.arange(100) % 60 < 40
    is_known[90:] = False
    # Of food 40 of 60 are known, of people 30 of 40.
    weights = weigh_rest(strata, is_known)
    assert weights is not None
    assert weights.tolist() == [1.5] * 40 + [40 / 30] * 30
    assert weigh_rest(strata, np.arange(100) < 60) is None  # nothing is known of people
    assert weigh_rest(strata, np.arange(100) % 2 == 0) is not None
    assert weigh_rest(strata, (np.arange(100) % 2 == 0) & (np.arange(100) > 0)) is None  # 49 are too few


def test_a_part_of_a_design_is_numbered_anew() -> None:
    design = Design(
        np.arange(1.0, 5.0), np.full(4, 0.5), np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), True
    )
    part = design.restrict(np.array([False, False, True, True]))
    assert part.weights.tolist() == [3.0, 4.0]
    assert (part.groups.tolist(), part.strata.tolist()) == ([0, 1], [0, 0])
