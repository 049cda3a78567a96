import json

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.human_truth.backup import restore_lost
from vibe_photos.human_truth.labels import AUDITED_FILE, read_human_truth
from vibe_photos.records.photos import Photo
from vibe_photos.review.human_import import (
    HumanImport,
    append_teaching,
    apply_import,
    describe_changes,
    describe_other_ids,
    describe_teaching,
    read_import,
    refuse_problems,
)
from vibe_photos.storage.files import write_json

PHOTOS = [
    Photo(image_id="id-a", rel_path="a.jpg", also_at=["copy/a.jpg"], bytes=1, format="JPEG"),
    Photo(image_id="id-b", rel_path="b.jpg", bytes=1, format="JPEG"),
]


@pytest.fixture
def read(tmp_path, taxonomy):
    def read(records, **options):
        file = tmp_path / "truth.json"
        file.write_text(json.dumps(records))
        return read_import(file, PHOTOS, taxonomy, **options)

    return read


def test_records_are_joined_by_id_by_path_and_by_the_path_of_a_copy(read):
    for record in ({"image_id": "id-a"}, {"rel_path": "a.jpg"}, {"rel_path": "copy/a.jpg"}):
        assert list(read([record | {"scene": ["scene.food"]}]).records) == ["id-a"]


def test_a_name_is_found_however_its_accents_are_written(tmp_path, taxonomy):
    """macOS writes `é` as `e` and an accent (NFD), other systems as one character (NFC)."""
    composed, split = "Zo\u00eb.jpg", "Zoe\u0308.jpg"

    def read(places, wanted):
        photos = [Photo(image_id=f"id-{p}", rel_path=p, bytes=1, format="JPEG") for p in places]
        (tmp_path / "truth.json").write_text(json.dumps([{"rel_path": wanted, "scene": ["scene.food"]}]))
        return list(read_import(tmp_path / "truth.json", photos, taxonomy).records)

    assert read([composed], split) == [f"id-{composed}"]
    assert read([split], composed) == [f"id-{split}"]
    assert read([composed, split], split) == [f"id-{split}"]


def test_a_record_under_an_earlier_id_is_of_the_photo_of_today(read):
    found = read([{"image_id": "before", "scene": ["scene.food"]}], current_ids={"before": "id-a"})
    assert (list(found.records), found.problems) == (["id-a"], [])


@pytest.mark.parametrize(
    ("records", "problem"),
    [
        ([{"rel_path": "c.jpg"}], "record 1: photo c.jpg is not in the library"),
        ([{"scene": ["scene.food"]}], "no image_id and no rel_path"),
        (
            [{"image_id": "id-a"}, {"rel_path": "a.jpg"}],
            "record 2: photo a.jpg has a record already: .*record 1",
        ),
        ([{"image_id": ["id-a"]}], r"record 1: photo \['id-a'\] has the image_id .*not text"),
        ([{"rel_path": 7}], "record 1: photo 7 has the rel_path 7, which is not text"),
        ([{"image_id": "id-a", "scenes": ["scene.food"]}], "unknown field 'scenes'; did you mean scene"),
        ([{"image_id": "id-a", "Objects": []}], "unknown field 'Objects'; did you mean objects"),
        ([{"image_id": "id-a", "scene": ["scene.food", "scene.other"]}], "has 2 scenes, and a photo has one"),
        (
            [{"image_id": "id-a", "scene": ["scene.fod"]}],
            "record 1: unknown label key 'scene.fod'; did you mean scene.food",
        ),
        (
            [{"image_id": "id-a", "attributes": {"attr.has_text": "no"}}],
            "record 1: .*attr.has_text: 'no', .* neither true nor false",
        ),
    ],
)
def test_each_problem_is_named_with_its_place_and_nothing_is_taken(
    read, tmp_path, taxonomy, records, problem
):
    found = read(records)
    with pytest.raises(InputError, match=problem):
        refuse_problems(tmp_path / "truth.json", found, taxonomy, is_dropping_keys=False)


def test_unknown_keys_are_refused_together_and_dropped_on_request(read, tmp_path, taxonomy):
    records = [{"image_id": name, "objects": ["object.animals", "object.food"]} for name in ("id-a", "id-b")]
    found = read(records)
    with pytest.raises(InputError, match=r"record 1 and 1 more records: unknown label key 'object.animals'"):
        refuse_problems(tmp_path / "truth.json", found, taxonomy, is_dropping_keys=False)
    refuse_problems(tmp_path / "truth.json", found, taxonomy, is_dropping_keys=True)
    assert found.records["id-a"].objects == ["object.food"]
    assert {key: len(places) for key, places in found.unknown_keys.items()} == {"object.animals": 2}


def test_only_the_sample_is_taken_with_the_design_it_was_drawn_with(read):
    sample = {"id-b": {"image_id": "id-b", "stratum": "scene.food", "inclusion_probability": 0.5}}
    found = read([{"image_id": "id-a"}, {"image_id": "id-b"}], sample=sample)
    assert list(found.records) == ["id-b"]
    assert found.left_out == 1
    assert found.records["id-b"].extra == {"stratum": "scene.food", "inclusion_probability": 0.5}


def test_a_record_that_nobody_has_checked_is_left_out(read):
    """A copy of `to_review.json` has the teacher's labels."""
    found = read([{"image_id": "id-a", "checked": False}, {"image_id": "id-b", "checked": True}])
    assert (list(found.records), found.unchecked) == (["id-b"], 1)


def test_differences_are_shown_and_taking_keeps_other_records(read, tmp_path, taxonomy):
    human = tmp_path / "human"
    apply_import(human, read([{"image_id": "id-a", "scene": ["scene.food"], "note": "mine"}]).records)
    same = read([{"image_id": "id-a", "scene": ["scene.food"]}])
    assert describe_changes(human, same.records, taxonomy) == {}
    found = read([{"image_id": "id-b", "scene": ["scene.people"], "attributes": {"attr.has_text": False}}])
    assert describe_changes(human, found.records, taxonomy) == {
        "id-b": "id-b: new: scene.people attr.has_text=no"
    }
    apply_import(human, found.records)
    audited = [*read_human_truth(human, {}).measured.values()]
    assert [record.image_id for record in audited] == ["id-a", "id-b"]
    assert audited[0].extra == {"note": "mine"}


def test_how_a_photo_was_drawn_stays_when_its_labels_are_replaced(read, tmp_path, taxonomy):
    drawn = {"stratum": "all", "inclusion_probability": 0.5}
    apply_import(tmp_path, read([{"image_id": "id-a", "scene": ["scene.food"], **drawn}]).records)
    apply_import(tmp_path, read([{"image_id": "id-a", "scene": ["scene.people"]}]).records)
    (record,) = read_human_truth(tmp_path, {}).measured.values()
    assert (record.scene, record.extra) == (["scene.people"], drawn)


def test_a_record_under_an_earlier_id_is_what_an_import_replaces(read, tmp_path, taxonomy):
    drawn, current_ids = {"stratum": "all", "inclusion_probability": 0.5}, {"before": "id-a"}
    write_json(tmp_path / AUDITED_FILE, [{"image_id": "before", "scene": ["scene.food"], **drawn}])
    found = read([{"image_id": "id-a", "scene": ["scene.people"]}])
    assert describe_changes(tmp_path, found.records, taxonomy, current_ids) == {
        "id-a": "id-a: -scene.food +scene.people"
    }
    apply_import(tmp_path, found.records, current_ids)
    (record,) = read_human_truth(tmp_path, current_ids).measured.values()
    assert (record.scene, record.extra) == (["scene.people"], drawn)


def test_what_is_imported_counts_over_a_record_that_nobody_has_checked(read, tmp_path):
    write_json(tmp_path / AUDITED_FILE, [{"image_id": "id-a", "scene": ["scene.food"], "checked": False}])
    apply_import(tmp_path, read([{"image_id": "id-a", "scene": ["scene.people"]}]).records)
    (record,) = read_human_truth(tmp_path, {}).measured.values()
    assert record.scene == ["scene.people"]


def test_a_decision_that_stands_over_the_file_is_named(read, tmp_path, taxonomy):
    decision = {
        "image_id": "id-a",
        "decided_at": "2026-01-02T10:00:00.000000Z",
        "after": {"scene": ["scene.other"]},
    }
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "ada.jsonl").write_text(json.dumps(decision) + "\n")
    found = read([{"image_id": "id-a", "scene": ["scene.food"]}])
    assert describe_changes(tmp_path, found.records, taxonomy) == {
        "id-a": "id-a: new: scene.food; overridden by ada's decision: scene.other"
    }


def test_what_teaches_is_compared_with_the_decision_that_it_overrides(read, tmp_path, taxonomy):
    after = {"scene": ["scene.other"], "attributes": {}, "objects": ["object.food"]}
    decision = {"image_id": "id-a", "decided_at": "2026-01-02T10:00:00.000000Z", "after": after}
    (tmp_path / "decisions").mkdir()
    (tmp_path / "decisions" / "ada.jsonl").write_text(json.dumps({**decision, "purpose": "teach"}) + "\n")
    records = read([{"image_id": "id-a", "scene": ["scene.food"]}]).records
    assert describe_teaching(tmp_path, records, taxonomy) == {"id-a": "id-a: -scene.other +scene.food"}
    append_teaching(tmp_path, tmp_path / "store", records)
    assert describe_teaching(tmp_path, records, taxonomy) == {}


def test_only_what_differs_is_shown(read, tmp_path, taxonomy):
    judged = {"attr.has_text": False, "attr.has_person": True}
    apply_import(
        tmp_path, read([{"image_id": "id-a", "scene": ["scene.food"], "attributes": judged}]).records
    )
    attributes = {"attr.has_text": True, "attr.has_person": True}
    found = read([{"image_id": "id-a", "attributes": attributes, "objects": ["object.food"]}])
    assert describe_changes(tmp_path, found.records, taxonomy) == {
        "id-a": "id-a: -scene.food -attr.has_text=no +attr.has_text=yes +object.food"
    }


def test_what_teaches_lands_in_a_log_and_in_the_store(read, tmp_path):
    human, store = tmp_path / "human", tmp_path / "store"
    found = read([{"image_id": "id-a", "scene": ["scene.people"]}])
    append_teaching(human, store, found.records)
    truth = read_human_truth(human, {})
    assert (list(truth.taught), list(truth.measured)) == (["id-a"], [])
    (human / "decisions" / "imported.jsonl").unlink()
    assert restore_lost(human, store, human / "no splits.json") == {"imported": 1}


def test_ids_of_another_length_are_told_at_once():
    photos = [Photo(image_id="0123456789abcdef" * 2, rel_path="a.jpg", bytes=1, format="JPEG")]
    found = HumanImport(unknown_ids=["0123456789abcdef"])
    assert "16 digits and the library's 32" in describe_other_ids(photos, found)
    assert describe_other_ids(photos, HumanImport()) == ""


def test_a_bad_line_of_json_lines_is_named(tmp_path, taxonomy):
    file = tmp_path / "truth.jsonl"
    file.write_text('{"image_id": "id-a"}\n{"image_id": }\n{"image_id": "id-b"}\n')
    with pytest.raises(InputError, match="line 2"):
        read_import(file, PHOTOS, taxonomy)


def test_renamed_and_removed_keys_of_a_file_are_followed(tmp_path, taxonomy):
    later = msgspec.structs.replace(taxonomy, renamed={"object.soda": "object.drink"}, removed=["object.toy"])
    file = tmp_path / "truth.json"
    file.write_text(json.dumps([{"image_id": "id-a", "objects": ["object.soda", "object.toy"]}]))
    found = read_import(file, PHOTOS, later)
    assert (found.records["id-a"].objects, found.unknown_keys) == (["object.drink"], {})


def test_a_misspelt_object_is_told_though_it_has_an_ancestor(read, tmp_path, taxonomy):
    found = read([{"image_id": "id-a", "objects": ["object.food.desert"]}])
    with pytest.raises(InputError, match=r"did you mean object\.food\.dessert.*taxonomy\.renamed"):
        refuse_problems(tmp_path / "truth.json", found, taxonomy, is_dropping_keys=False)


def test_a_lost_key_in_the_file_does_not_keep_an_import_from_replacing_it(read, tmp_path, taxonomy):
    human = tmp_path / "human"
    human.mkdir()
    record = {"image_id": "id-a", "scene": ["scene.food"], "objects": ["object.gone"]}
    (human / "ground_truth_human.audited.json").write_text(json.dumps([record]))
    found = read([record])
    refuse_problems(tmp_path / "truth.json", found, taxonomy, is_dropping_keys=True)
    describe_changes(human, found.records, taxonomy)
    apply_import(human, found.records)
    assert read_human_truth(human, {}).fit(taxonomy, human).measured["id-a"].objects == []
