"""What people teach is laid over the teacher's labels; what they measure leaves no trace here."""

import json

import msgspec
import pytest

from vibe_photos.configuration import read_resolved
from vibe_photos.records.ground_truth import read_training
from vibe_photos.records.splits import Membership
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.teach.stage import compile_training_truth

ROLES = {"a": "train", "b": "train", "r": "reserved", "h": "holdout", "unasked": "train"}


@pytest.fixture
def settings(tmp_path, repository):
    base = read_resolved(repository)
    places = {name: tmp_path / name for name in ("auto", "training", "human", "eval")}
    paths = msgspec.structs.replace(base.paths, splits=tmp_path / "splits.json", **places)
    places["auto"].mkdir()
    (places["human"] / "decisions").mkdir(parents=True)
    asked = ["a", "b", "r", "h"]
    write_jsonl(places["auto"] / "scene.jsonl", [{"image_id": i, "scene": ["scene.food"]} for i in asked])
    attributes = {"attr.has_person": False, "attr.has_text": True}
    write_jsonl(
        places["auto"] / "attribute.jsonl", [{"image_id": i, "attributes": attributes} for i in asked]
    )
    objects = ["object.food"]
    write_jsonl(places["auto"] / "object.jsonl", [{"image_id": i, "objects": objects} for i in asked])
    memberships = {
        image_id: Membership(group=image_id, fold=number, role=role, number=0.5)
        for number, (image_id, role) in enumerate(ROLES.items())
    }
    write_splits(paths.splits, memberships)
    return msgspec.structs.replace(base, paths=paths)


def say(settings, *decisions):
    lines = [
        {"decided_at": f"2026-01-02T10:00:{second:02}Z", "purpose": "teach", **decision}
        for second, decision in enumerate(decisions)
    ]
    write_jsonl(settings.paths.human / "decisions" / "ada.jsonl", lines)


def compiled(settings):
    compile_training_truth(settings)
    return {
        head: (settings.paths.training / f"{head}.jsonl").read_bytes()
        for head in ("scene", "attribute", "object")
    }


def metric(settings):
    return json.loads((settings.paths.eval / "teach.json").read_text())


def test_without_people_it_is_the_teachers_truth_of_photos_that_train(settings):
    compile_training_truth(settings)
    records = read_training(settings.paths.training, "scene")
    assert [(one.image_id, one.scene, one.fold, one.by_people) for one in records] == [
        ("a", ["scene.food"], 0, []),
        ("b", ["scene.food"], 1, []),
    ]
    assert metric(settings)["photos_taught"] == 0


def test_a_persons_answer_stands_in_the_teachers_place(settings):
    after = {"scene": ["scene.people"], "attributes": {"attr.has_person": True}, "objects": []}
    say(settings, {"image_id": "a", "after": after})
    compile_training_truth(settings)
    (scene, _), (attribute, _), (thing, _) = (
        read_training(settings.paths.training, head) for head in ("scene", "attribute", "object")
    )
    assert (scene.scene, scene.by_people) == (["scene.people"], ["scene"])
    # An attribute that the person did not judge stays the teacher's.
    assert attribute.attributes == {"attr.has_person": True, "attr.has_text": True}
    assert attribute.by_people == ["attr.has_person"]
    assert (thing.objects, thing.by_people) == ([], ["objects"])
    counts = metric(settings)
    assert counts["photos_taught"] == 1
    assert [counts[head]["labels_changed"] for head in ("scene", "attribute", "object")] == [1, 1, 1]


def test_a_photo_that_the_teacher_did_not_answer_can_be_taught(settings):
    say(settings, {"image_id": "unasked", "after": {"scene": ["scene.people"]}})
    compile_training_truth(settings)
    assert [one.image_id for one in read_training(settings.paths.training, "scene")] == ["a", "b", "unasked"]


def test_objects_that_nobody_judged_are_not_learnt_as_absent(settings):
    after = {"scene": ["scene.people"], "attributes": {}, "objects": None}
    say(settings, {"image_id": "unasked", "after": after})
    compile_training_truth(settings)
    assert [one.image_id for one in read_training(settings.paths.training, "scene")] == ["a", "b", "unasked"]
    assert [one.image_id for one in read_training(settings.paths.training, "object")] == ["a", "b"]
    say(settings, {"image_id": "unasked", "after": {**after, "objects": []}})
    compile_training_truth(settings)
    assert read_training(settings.paths.training, "object")[-1].image_id == "unasked"


def test_a_taught_photo_touches_only_the_heads_whose_labels_it_changes(settings):
    before = compiled(settings)
    after = {"scene": ["scene.people"], "attributes": {}, "objects": ["object.food"]}
    say(settings, {"image_id": "a", "after": after})
    now = compiled(settings)
    assert now["attribute"] == before["attribute"]
    assert now["scene"] != before["scene"]


def test_measuring_changes_no_byte(settings):
    before = compiled(settings)
    after = {"scene": ["scene.people"], "attributes": {"attr.has_text": False}, "objects": []}
    say(
        settings,
        {"image_id": "r", "after": after, "purpose": "measure"},
        {"image_id": "h", "after": after},
        {"image_id": "gone", "after": after},
    )
    assert compiled(settings) == before
    assert metric(settings)["not_training"] == 1
    assert metric(settings)["not_in_library"] == 1


def test_where_a_photo_was_judged_for_both_measuring_wins(settings):
    before = compiled(settings)
    after = {"scene": ["scene.people"], "attributes": {}, "objects": []}
    say(
        settings,
        {"image_id": "a", "after": after, "purpose": "measure"},
        {"image_id": "a", "after": after},
    )
    assert compiled(settings) == before


def test_what_a_person_did_not_judge_stays_the_teachers(settings):
    """A scene set for many photos at once says nothing about attributes and objects."""
    without = compiled(settings)
    say(settings, {"image_id": "a", "after": {"scene": ["scene.other"], "attributes": {}, "objects": None}})
    found = compiled(settings)
    assert (found["attribute"], found["object"]) == (without["attribute"], without["object"])
    records = {record.image_id: record for record in read_training(settings.paths.training, "scene")}
    assert (records["a"].scene, records["a"].by_people) == (["scene.other"], ["scene"])
    say(settings, {"image_id": "a", "after": {"scene": [], "attributes": {}, "objects": []}})
    assert compiled(settings)["scene"] == without["scene"]
    records = {record.image_id: record for record in read_training(settings.paths.training, "object")}
    assert (records["a"].objects, records["a"].by_people) == ([], ["objects"])
