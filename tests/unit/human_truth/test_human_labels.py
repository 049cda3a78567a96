import json

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.review.decision_index import DecisionIndex, truth_value


def write_file(folder, *records):
    (folder / "ground_truth_human.audited.json").write_text(json.dumps(list(records)))


def write_log(folder, reviewer, *decisions):
    (folder / "decisions").mkdir(exist_ok=True)
    text = "".join(json.dumps(decision) + "\n" for decision in decisions)
    (folder / "decisions" / f"{reviewer}.jsonl").write_text(text)


def measured(folder, taxonomy):
    return list(read_human_truth(folder, {}).fit(taxonomy, folder).measured.values())


def test_nobody_has_audited_yet(tmp_path, taxonomy):
    assert measured(tmp_path, taxonomy) == []


def test_a_decision_overrides_the_file_and_keeps_the_sampling_design(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.food"], "inclusion_probability": 0.25})
    after = {"scene": ["scene.product"], "attributes": {"attr.has_text": True}, "objects": []}
    write_log(tmp_path, "ada", {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": after})
    (record,) = measured(tmp_path, taxonomy)
    assert record.scene == ["scene.product"]
    assert record.attributes == {"attr.has_text": True}
    assert record.extra == {"inclusion_probability": 0.25}


def test_the_latest_decision_of_all_reviewers_counts(tmp_path, taxonomy):
    for reviewer, hour, scene in (("ada", "12", "scene.food"), ("bob", "11", "scene.people")):
        decision = {"image_id": "a", "decided_at": f"2026-01-02T{hour}:00:00Z", "after": {"scene": [scene]}}
        write_log(tmp_path, reviewer, decision)
    assert [record.scene for record in measured(tmp_path, taxonomy)] == [["scene.food"]]


def test_a_decision_that_was_taken_back_leaves_no_record(tmp_path, taxonomy):
    write_log(
        tmp_path,
        "ada",
        {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": {"scene": ["scene.food"]}},
        {"image_id": "a", "decided_at": "2026-01-02T10:00:01Z", "after": None},
    )
    assert measured(tmp_path, taxonomy) == []


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
    found = {record.image_id: record.scene for record in measured(tmp_path, taxonomy)}
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
    assert [record.scene for record in measured(tmp_path, taxonomy)] == [["scene.food"]]


def test_records_come_sorted(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "b"}, {"image_id": "a"})
    assert [record.image_id for record in measured(tmp_path, taxonomy)] == ["a", "b"]


def test_a_misspelt_key_in_a_log_is_named_with_the_log(tmp_path, taxonomy):
    decision = {"image_id": "a", "decided_at": "2026-01-02T10:00:00Z", "after": {"scene": ["scene.fod"]}}
    write_log(tmp_path, "ada", decision)
    with pytest.raises(InputError, match=r"photo a .*scene\.food"):
        measured(tmp_path, taxonomy)


def decide(image_id, second, scene, **fields):
    after = {"scene": [scene]} if scene else None
    return {"image_id": image_id, "decided_at": f"2026-01-02T10:00:{second:02}Z", "after": after, **fields}


def test_a_decision_teaches_or_measures_and_measuring_wins(tmp_path):
    write_log(
        tmp_path,
        "ada",
        decide("a", 1, "scene.food", purpose="teach"),
        decide("b", 2, "scene.food", purpose="measure"),
        decide("b", 3, "scene.people", purpose="teach"),
        decide("c", 4, "scene.food", purpose="teach"),
        decide("c", 5, None, purpose="teach"),
    )
    truth = read_human_truth(tmp_path, {})
    assert {i: record.scene for i, record in truth.taught.items()} == {"a": ["scene.food"]}
    assert {i: record.scene for i, record in truth.measured.items()} == {"b": ["scene.people"]}
    assert set(truth.everything) == {"a", "b"}


def test_a_photo_of_the_edited_file_measures_whatever_a_decision_was_made_for(tmp_path):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.food"]})
    write_log(tmp_path, "ada", decide("a", 1, "scene.people", purpose="teach"))
    truth = read_human_truth(tmp_path, {})
    assert truth.measured["a"].scene == ["scene.people"]
    assert truth.taught == {}


def test_a_copied_record_counts_once_it_is_checked(tmp_path):
    write_file(
        tmp_path,
        {"image_id": "a", "scene": ["scene.food"], "checked": False},
        {"image_id": "b", "scene": ["scene.food"], "checked": True},
        {"image_id": "c", "scene": ["scene.food"]},
    )
    assert set(read_human_truth(tmp_path, {}).measured) == {"b", "c"}


def test_a_proposal_that_a_decision_took_away_stays_away(tmp_path):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.food"], "objects": [], "proposed": ["tent"]})
    write_log(tmp_path, "ada", decide("a", 1, "scene.food"))
    assert read_human_truth(tmp_path, {}).measured["a"].extra == {}


@pytest.mark.parametrize("seen", [[], ["reviewers"]])
def test_what_a_decision_does_not_judge_is_as_others_judged_it_unless_its_writer_knew_them(
    tmp_path, taxonomy, seen
):
    """Of pipeline and page; a decision with scene and objects counts alone."""
    whole = {"scene": ["scene.food"], "attributes": {"attr.has_person": False}, "objects": ["object.food"]}
    part = {"scene": [], "attributes": {"attr.has_text": True}, "objects": None}
    first, second = ({**decide("a", hour, None), "purpose": "teach"} for hour in (1, 2))
    write_log(tmp_path, "ada", {**first, "after": whole})
    write_log(tmp_path, "bob", {**second, "after": part, "seen": seen})
    said = read_human_truth(tmp_path, {}).taught["a"]
    assert said == DecisionIndex(tmp_path, taxonomy).state("a").truth
    both = {**whole, "attributes": {"attr.has_person": False, "attr.has_text": True}}
    assert truth_value(said) == (part if seen else both)
    write_log(tmp_path, "bob", {**first, "after": part}, {**second, "after": {**whole, "attributes": {}}})
    assert truth_value(read_human_truth(tmp_path, {}).taught["a"]) == {**whole, "attributes": {}}


def test_a_skip_says_why_until_the_photo_is_judged(tmp_path):
    skip = {"kind": "skip", "after": None, "reason": "cannot tell"}
    write_log(
        tmp_path,
        "ada",
        {**decide("a", 1, None), **skip},
        {**decide("b", 2, None), **skip},
        decide("b", 3, "scene.food"),
    )
    truth = read_human_truth(tmp_path, {})
    assert truth.skipped == {"a": "cannot tell"}
    assert set(truth.measured) == {"b"}


def decided(hour, **after):
    return {"image_id": "a", "decided_at": f"2026-01-02T{hour}:00:00.000000Z", "after": after}


def test_renamed_keys_of_the_file_and_the_logs_are_followed(tmp_path, taxonomy):
    later = msgspec.structs.replace(taxonomy, renamed={"scene.meal": "scene.food"}, removed=["object.toy"])
    write_file(tmp_path, {"image_id": "b", "scene": ["scene.meal"]})
    write_log(tmp_path, "ada", decided(10, scene=["scene.meal"], objects=["object.toy"]))
    found = [(one.image_id, one.scene, one.objects) for one in measured(tmp_path, later)]
    assert found == [("a", ["scene.food"], []), ("b", ["scene.food"], None)]


def test_an_unknown_key_blocks_only_where_it_counts(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "a", "scene": ["scene.gone"]})
    undone = decided(12, scene=["scene.gone"])
    undo = {"image_id": "a", "decided_at": "2026-01-02T13:00:00.000000Z", "undoes": undone["decided_at"]}
    write_log(tmp_path, "bob", decided(10, scene=["scene.gone"]), undone, undo)
    write_log(tmp_path, "ada", decided(11, scene=["scene.food"]))
    assert [record.scene for record in measured(tmp_path, taxonomy)] == [["scene.food"]]
    write_log(tmp_path, "bob", decided(10, scene=["scene.food"]), decided(12, scene=["scene.gone"]))
    with pytest.raises(InputError, match=r"bob\.jsonl, line 2: photo a .*'scene\.gone'.*taxonomy\.renamed"):
        measured(tmp_path, taxonomy)


def test_an_unknown_key_of_the_file_is_named_with_its_record(tmp_path, taxonomy):
    write_file(tmp_path, {"image_id": "b"}, {"image_id": "a", "scene": ["scene.gone"]})
    with pytest.raises(InputError, match=r"audited\.json, record 2: photo a has .*'scene\.gone'"):
        measured(tmp_path, taxonomy)


def test_labels_are_of_the_photo_that_a_rewritten_file_is_now(tmp_path):
    write_file(
        tmp_path,
        {"image_id": "own", "scene": ["scene.people"]},
        {"image_id": "before-own", "scene": ["scene.food"]},
        {"image_id": "before-b", "scene": ["scene.food"]},
        {"image_id": "before-c", "scene": ["scene.food"]},
    )
    write_log(
        tmp_path,
        "ada",
        {**decide("before-b", 1, "scene.people"), "purpose": "teach"},
        {**decide("before-d", 1, None), "kind": "skip", "reason": "dark"},
        {**decide("d", 2, "scene.other"), "purpose": "teach"},
    )
    current = {"before-own": "own", "before-b": "b", "before-d": "d", "before-e": "e"}
    truth = read_human_truth(tmp_path, current)
    scenes = {image_id: record.scene for image_id, record in truth.measured.items()}
    # A record under the present id counts; c is not known under another id.
    assert scenes == {"own": ["scene.people"], "b": ["scene.people"], "before-c": ["scene.food"]}
    assert all(record.image_id == image_id for image_id, record in truth.measured.items())
    assert set(truth.taught) == {"d"}
    assert truth.skipped == {}
