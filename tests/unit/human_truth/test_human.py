import json

import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.audited import AUDITED_FILE, read_audited_truth
from vibe_photos.human_truth.sample_design import read_sampled
from vibe_photos.records.ground_truth import GroundTruth, truth_object
from vibe_photos.sample.stage import sample_for_review
from vibe_photos.settings import Sample
from vibe_photos.storage.jsonl import write_jsonl


def write_file(folder, *records):
    (folder / "ground_truth_human.audited.json").write_text(json.dumps(list(records)))


def write_log(folder, reviewer, *decisions):
    (folder / "decisions").mkdir(exist_ok=True)
    text = "".join(json.dumps(decision) + "\n" for decision in decisions)
    (folder / "decisions" / f"{reviewer}.jsonl").write_text(text)


def test_nobody_has_audited_yet(tmp_path, taxonomy):
    assert read_audited_truth(tmp_path, taxonomy) == []


def test_a_decision_overrides_the_file_and_keeps_the_sampling_design(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.food"], "inclusion_probability": 0.25})
    after = {"scene": ["scene.product"], "attributes": {"attr.has_text": True}, "objects": []}
    write_log(tmp_path, "ada", {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": after})
    (record,) = read_audited_truth(tmp_path, taxonomy)
    assert record.scene == ["scene.product"]
    assert record.attributes == {"attr.has_text": True}
    assert record.extra == {"inclusion_probability": 0.25}


def test_the_latest_decision_of_all_reviewers_counts(tmp_path, taxonomy):
    for reviewer, hour, scene in (("ada", "12", "scene.food"), ("bob", "11", "scene.people")):
        decision = {"image_id": "a", "decided_at": f"2026-01-02T{hour}:00:00Z", "after": {"scene": [scene]}}
        write_log(tmp_path, reviewer, decision)
    assert [record.scene for record in read_audited_truth(tmp_path, taxonomy)] == [["scene.food"]]


def test_a_decision_that_was_taken_back_leaves_no_record(tmp_path, taxonomy):
    write_log(
        tmp_path,
        "ada",
        {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": {"scene": ["scene.food"]}},
        {"image_id": "a", "decided_at": "2026-01-02T10:00:01Z", "after": None},
    )
    assert read_audited_truth(tmp_path, taxonomy) == []


def test_what_was_undone_uncovers_what_the_file_or_another_reviewer_says(tmp_path, taxonomy):
    write_file(
        tmp_path, {"image_id": "a", "scene": ["scene.food"]}, {"image_id": "b", "scene": ["scene.food"]}
    )
    first, second = "2026-01-02T10:00:00Z", "2026-01-02T11:00:00Z"
    write_log(tmp_path, "ada", {"image_id": "b", "decided_at": first, "after": {"scene": ["scene.other"]}})
    write_log(
        tmp_path,
        "bob",
        {"image_id": "a", "decided_at": first, "after": {"scene": ["scene.people"]}},
        {"image_id": "b", "decided_at": second, "after": {"scene": ["scene.people"]}},
        {"image_id": "b", "decided_at": "2026-01-02T11:00:01Z", "undoes": second},
        {"image_id": "a", "decided_at": "2026-01-02T11:00:02Z", "undoes": first},
    )
    found = {record.image_id: record.scene for record in read_audited_truth(tmp_path, taxonomy)}
    assert found == {"a": ["scene.food"], "b": ["scene.other"]}


def test_a_skip_or_a_remark_decides_nothing(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.food"]})
    skip = {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "kind": "skip", "note": "who is this?"}
    write_log(
        tmp_path,
        "ada",
        skip,
        {**skip, "kind": "remark", "image_id": "b", "decided_at": "2026-01-02T10:00:01Z"},
    )
    assert [record.scene for record in read_audited_truth(tmp_path, taxonomy)] == [["scene.food"]]


def test_records_come_sorted(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "b"}, {"image_id": "a"})
    assert [record.image_id for record in read_audited_truth(tmp_path, taxonomy)] == ["a", "b"]


def test_a_misspelt_key_in_a_log_is_named_with_the_log(tmp_path, taxonomy):
    decision = {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": {"scene": ["scene.fod"]}}
    write_log(tmp_path, "ada", decision)
    with pytest.raises(InputError, match=r"photo a .*scene\.food"):
        read_audited_truth(tmp_path, taxonomy)


def test_what_was_audited_stays_truth_when_others_are_sampled(tmp_path, taxonomy):
    scenes = {f"p{n:02}": "scene.food" if n < 10 else "scene.people" for n in range(40)}
    auto = tmp_path / "auto.jsonl"
    write_jsonl(auto, [truth_object(GroundTruth(image_id=i, scene=[scene])) for i, scene in scenes.items()])

    def sample(size, seed):
        wanted = Sample(size=size, seed=seed, strategy="stratified", min_per_stratum=2)
        sample_for_review(auto, tmp_path / "to_review.json", tmp_path, wanted)
        return read_sampled(tmp_path / "to_review.json")

    first = sample(12, 1)
    by_hand = next(image_id for image_id in scenes if image_id not in first)
    (tmp_path / AUDITED_FILE).write_text(json.dumps([*first.values(), {"image_id": by_hand}]))
    second = sample(20, 2)
    assert not first.keys() <= second.keys()
    truth = read_audited_truth(tmp_path, taxonomy)
    # Of food 3 of 10 were drawn, of people 9 of 30.
    assert {record.image_id for record in truth} == first.keys()
    assert {record.extra["inclusion_probability"] for record in truth} == {3 / 10, 9 / 30}
    assert sum(1 / record.extra["inclusion_probability"] for record in truth) == pytest.approx(40)
