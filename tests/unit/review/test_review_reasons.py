from pathlib import Path

import numpy as np
import pytest
from tests.unit.reviewed_library import IDS, write_reviewed_library

from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.review.next_round import read_unseen_labels
from vibe_photos.review.review_reasons import (
    ANY_PHOTO,
    SHARES,
    Reason,
    explain,
    find_reasons,
    measure_worth,
    read_library,
)
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.label_arrays import read_keys
from vibe_photos.storage.jsonl import read_jsonl


def holding_for(kind: str, rows: list[int], photos: int = 100) -> Reason:
    return Reason(kind, np.isin(np.arange(photos), rows), lambda row: f"{kind} of {row}")


def test_reasons_say_in_words_who_says_what(tmp_path: Path, repository: Path, taxonomy: Taxonomy) -> None:
    settings = write_reviewed_library(tmp_path, repository)
    records = list(read_jsonl(settings.paths.auto / ALL_LABELS, GroundTruth))
    reasons = find_reasons(read_library(records, read_unseen_labels(settings), read_keys(taxonomy)))
    sentences = {image_id: explain(reasons, row) for row, image_id in enumerate(IDS)}
    assert sentences["p00"] == [
        "the teacher says food, the student people",
        "the student is confident of people: the teacher may have erred",
    ]
    # p59 trained the head, which called it food only as long as it had not seen it; 0.8 is not confident.
    assert sentences["p59"] == ["the teacher says people, the student food"]
    assert {image_id for image_id, said in sentences.items() if said} == {"p00", "p59"}


def test_each_reason_gets_its_share_of_the_looks() -> None:
    reasons = [
        holding_for("disagreement", [3]),
        holding_for("rare scene", [4]),
        holding_for("rare scene", [5]),
    ]
    worth = measure_worth(reasons, 100)
    # Disagreement has 0.15 of 100 looks for one photo, two rare scenes have 0.05 together; the rest is all's.
    floor = 1 - SHARES["disagreement"] - SHARES["rare scene"]
    assert worth[3] == pytest.approx(floor + 15, rel=0.12)
    assert worth[4] == worth[5] == pytest.approx(floor + 2.5, rel=0.12)
    assert worth[0] == pytest.approx(floor, rel=0.12)
    assert worth.mean() == pytest.approx(1, rel=0.12)


def test_no_photo_is_worth_less_than_the_floor_whatever_the_others_are() -> None:
    reasons = [holding_for(kind, [7]) for kind in SHARES if kind != ANY_PHOTO]
    assert measure_worth(reasons, 100).min() == pytest.approx(SHARES[ANY_PHOTO], rel=0.12)
    assert sum(SHARES.values()) == pytest.approx(1)


def test_without_any_reason_all_photos_are_worth_the_same() -> None:
    assert set(measure_worth([], 10).tolist()) == {1.0}


def test_rare_labels_of_a_photo_are_one_sentence() -> None:
    named = [
        Reason(f"rare {level}", np.array([True]), lambda _, level=level: level)
        for level in ("scene", "object")
    ]
    said = explain([*named, holding_for("disagreement", [0], 1)], 0)
    assert said == ["disagreement of 0", "perhaps one of the few photos with scene, object"]
    assert explain(named[:0], 0) == []


def test_a_rare_label_is_told_by_its_name(tmp_path: Path, repository: Path, taxonomy: Taxonomy) -> None:
    settings = write_reviewed_library(tmp_path, repository)
    records = list(read_jsonl(settings.paths.auto / ALL_LABELS, GroundTruth))
    records[5] = GroundTruth(image_id="p05", attributes={"attr.has_animal": True}, objects=["object.drink"])
    reasons = find_reasons(read_library(records, read_unseen_labels(settings), read_keys(taxonomy)))
    assert explain(reasons, 5) == ["perhaps one of the few photos with has_animal, drink"]
    assert {reason.kind for reason in reasons if reason.holds[5]} == {"rare attribute", "rare object"}
