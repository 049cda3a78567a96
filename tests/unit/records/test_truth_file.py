import json
import logging
import subprocess
import sys

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth, fit_keys, parse_truth, read_truth_file, truth_object
from vibe_photos.settings import Taxonomy

ONE = {"image_id": "a", "scene": ["scene.food"], "attributes": {"attr.has_text": True}, "objects": []}
TWO = {"image_id": "b", "scene": "scene.people", "note": {"by": "Ada"}}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([ONE, TWO]),
        json.dumps([ONE, TWO], indent=2),
        json.dumps(ONE) + "\n" + json.dumps(TWO) + "\n",
        json.dumps(ONE) + "\n\n" + json.dumps(TWO),
    ],
)
def test_a_list_and_json_lines_read_alike_and_extra_fields_are_kept(tmp_path, text):
    (tmp_path / "truth").write_text(text)
    one, two = read_truth_file(tmp_path / "truth")
    assert one == GroundTruth(
        image_id="a", scene=["scene.food"], attributes={"attr.has_text": True}, objects=[]
    )
    assert two.scene == ["scene.people"]
    assert truth_object(two)["note"] == {"by": "Ada"}


def test_one_object_is_a_list_of_one(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(ONE))
    assert [record.image_id for record in read_truth_file(tmp_path / "truth.json")] == ["a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither JSON nor JSON Lines"),
        ('{"image_id": "a"', "neither JSON nor JSON Lines"),
        ('{"image_id": "a"}\n{"image_id": ', "line 2"),
        ("[3]", "record 1: a truth record is a JSON object"),
        ('[{"scene": []}]', "record 1: .*image_id"),
        ('[{"image_id": "a", "attributes": {"attr.has_text": "yes"}}]', "photo a.*bool"),
        ('[{"image_id": "a"}, {"image_id": "a"}]', "photo a has more than one record"),
        (
            '{"image_id": "a"}\n{"image_id": "b", "scene": ["scene.food", "scene.other"]}',
            r"line 2 \(photo b\) has 2 scenes \(scene.food, scene.other\)",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, text, message):
    path = tmp_path / "truth.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_truth_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_truth_file(tmp_path / "truth.json")


def test_a_misspelt_key_is_named_with_its_photo(tmp_path, taxonomy):
    record = GroundTruth(image_id="a", attributes={"attr.has_persn": True})
    with pytest.raises(InputError, match=r"photo a .*'attr.has_persn'; did you mean attr.has_person"):
        fit_keys([record], taxonomy, tmp_path / "truth.json")


def test_a_key_in_the_wrong_field_is_unknown_there(tmp_path, taxonomy):
    with pytest.raises(InputError, match=r"object\.food"):
        fit_keys([GroundTruth(image_id="a", scene=["object.food"])], taxonomy, tmp_path / "truth.json")


def test_truth_outlives_a_key_that_was_taken_out_of_the_taxonomy(tmp_path, taxonomy, caplog):
    gone = GroundTruth(image_id="a", objects=["object.drink", "object.food.fruit"])
    (record,) = fit_keys([gone], taxonomy, tmp_path / "truth.json")
    assert record.objects == ["object.drink", "object.food"]
    assert "'object.food.fruit' is not in the taxonomy; in 1 records it counts as object.food" in caplog.text


def test_an_object_key_without_a_known_ancestor_is_a_mistake(tmp_path, taxonomy):
    with pytest.raises(InputError, match=r"object\.animals"):
        fit_keys([GroundTruth(image_id="a", objects=["object.animals"])], taxonomy, tmp_path / "truth.json")


@pytest.fixture
def later(taxonomy):
    """The taxonomy after renames, over two steps too, and after labels were taken out."""
    scenes = {**taxonomy.scenes, "animals": "scene.wildlife"}
    attributes = {word: key for word, key in taxonomy.attributes.items() if word != "has_animal"}
    objects = {word: key for word, key in taxonomy.objects.items() if word not in ("dessert", "packaging")}
    return msgspec.structs.replace(
        taxonomy,
        scenes=scenes,
        attributes=attributes,
        objects={**objects, "drink": "object.beverage"},
        renamed={
            "object.drink": "object.liquid",
            "object.liquid": "object.beverage",
            "scene.animals": "scene.wildlife",
            "attr.has_words": "attr.has_text",
        },
        removed=["attr.has_animal", "object.dailystuff", "object.food.dessert", "scene.art"],
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"objects": ["object.drink"]}, {"objects": ["object.beverage"]}),
        ({"objects": ["object.liquid"]}, {"objects": ["object.beverage"]}),
        ({"objects": ["object.drink.tea"]}, {"objects": ["object.beverage"]}),
        ({"objects": ["object.beverage", "object.drink"]}, {"objects": ["object.beverage"]}),
        ({"objects": ["object.dailystuff", "object.drink"]}, {"objects": ["object.beverage"]}),
        ({"objects": ["object.dailystuff.box"]}, {"objects": []}),
        ({"objects": ["object.food.dessert"]}, {"objects": ["object.food"]}),
        ({"scene": ["scene.animals"]}, {"scene": ["scene.wildlife"]}),
        ({"scene": ["scene.art"]}, {}),
        ({"attributes": {"attr.has_animal": True}}, {}),
        ({"attributes": {"attr.has_words": True}}, {"attributes": {"attr.has_text": True}}),
        (
            {"attributes": {"attr.has_words": True, "attr.has_text": False}},
            {"attributes": {"attr.has_text": False}},
        ),
    ],
)
def test_keys_that_were_renamed_or_removed_are_followed(tmp_path, later, old, new):
    (record,) = fit_keys([GroundTruth(image_id="a", extra={"n": 1}, **old)], later, tmp_path / "t.json")
    assert record == GroundTruth(image_id="a", extra={"n": 1}, **new)


def test_truth_of_the_older_application_fits_the_whole_tree(tmp_path, repository):
    stage = [sys.executable, repository / "stages" / "compose_config.py", "taxonomy=m2_whole", "--cfg", "job"]
    shown = subprocess.run(stage, cwd=repository, capture_output=True, check=True).stdout
    whole = msgspec.convert(msgspec.yaml.decode(shown)["taxonomy"], Taxonomy)
    objects = [
        *("object.animals", "object.document", "object.document.notebook", "object.document.receipt"),
        *("object.stationery", "object.stationery.pen", "object.stationery.scissors"),
    ]
    path = tmp_path / "truth.json"
    path.write_text(json.dumps([{"image_id": "a", "scene": "scene.food", "objects": ["object", *objects]}]))
    (record,) = fit_keys(read_truth_file(path), whole, path)
    assert record.objects == objects


def test_what_is_dropped_is_logged_once_for_each_key(tmp_path, later, caplog):
    records = [GroundTruth(image_id=str(n), attributes={"attr.has_animal": True}) for n in range(3)]
    with caplog.at_level(logging.INFO):
        fit_keys(records, later, tmp_path / "t.json")
    assert [line.message for line in caplog.records] == [
        f"{tmp_path / 't.json'}: 'attr.has_animal' was removed: dropped from 3 records"
    ]


@pytest.mark.parametrize("unknown", [{"scene": ["attr.has_animal"]}, {"objects": ["scene.art"]}])
def test_a_removed_key_in_the_wrong_field_is_unknown_there(tmp_path, later, unknown):
    with pytest.raises(InputError, match="unknown label key"):
        fit_keys([GroundTruth(image_id="a", **unknown)], later, tmp_path / "t.json")


def test_a_circle_of_renames_ends(tmp_path, taxonomy):
    circle = msgspec.structs.replace(taxonomy, renamed={"scene.a": "scene.b", "scene.b": "scene.a"})
    with pytest.raises(InputError, match=r"unknown label key 'scene\.a'"):
        fit_keys([GroundTruth(image_id="a", scene=["scene.a"])], circle, tmp_path / "t.json")


def test_an_unknown_key_is_named_with_file_line_photo_and_the_entry_to_add(tmp_path, taxonomy, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "truth.jsonl"
    path.write_text(
        json.dumps(ONE) + "\n\n" + json.dumps({"image_id": "b", "objects": ["object.drnk"]}) + "\n"
    )
    for chosen, file in ((None, "the taxonomy's file"), ("mine", "conf/taxonomy/mine.yaml")):
        if chosen:
            (tmp_path / "params.yaml").write_text(f"use: {{taxonomy: {chosen}}}\n")
        with pytest.raises(InputError) as caught:
            fit_keys(read_truth_file(path), taxonomy, path)
        said = str(caught.value)
        assert said.startswith(f"{path}, line 3: photo b has the unknown label key 'object.drnk'")
        assert "did you mean object.drink" in said
        assert "`taxonomy.renamed: {object.drnk: object.drink}`" in said
        assert f"`taxonomy.removed: [object.drnk]` in {file}" in said


def test_a_proposed_object_is_a_label_as_soon_as_the_taxonomy_has_it(taxonomy, tmp_path, caplog):
    """By a teacher's word or a short name, however it is written; a name for people waits, as others do."""
    words = ["bicycle", "Hub", "Mini_PC", "tent", "bank  card", "usb hub"]
    record = GroundTruth(image_id="a", objects=["object.food"], extra={"proposed": words, "by": "Ada"})
    (now,) = fit_keys([record], taxonomy, tmp_path)
    hub, card = "object.electronics.peripheral.hub", "object.document.bank_card"
    assert now.objects == sorted([card, hub, "object.electronics.mini_pc", "object.food"])
    assert now.extra == {"proposed": ["bicycle", "tent", "usb hub"], "by": "Ada"}
    grown = msgspec.structs.replace(
        taxonomy, objects={**taxonomy.objects, "bicycle": "object.vehicle.bicycle", "tent": "object.tent"}
    )
    with caplog.at_level(logging.INFO):
        (later,) = fit_keys([record], grown, tmp_path)
    assert {"object.vehicle.bicycle", "object.tent"} <= set(later.objects)
    assert later.extra == {"proposed": ["usb hub"], "by": "Ada"}
    assert "the proposed 'bicycle' is a label now: in 1 records it is object.vehicle.bicycle" in caplog.text


def test_a_proposed_object_is_no_complete_list_where_nobody_judged_the_objects(taxonomy, tmp_path):
    record = GroundTruth(image_id="a", objects=None, extra={"proposed": ["hub"]})
    assert fit_keys([record], taxonomy, tmp_path) == [record]


def test_objects_that_a_record_does_not_name_are_not_judged(tmp_path):
    assert parse_truth({"image_id": "a", "scene": ["scene.food"]}, "here").objects is None
    assert parse_truth({"image_id": "a", "objects": []}, "here").objects == []


@pytest.mark.parametrize("odd", ["bicycle", [1, None], {"bicycle": True}])
def test_an_odd_field_of_that_name_is_kept_as_it_is(taxonomy, tmp_path, odd):
    record = GroundTruth(image_id="a", extra={"proposed": odd})
    assert fit_keys([record], taxonomy, tmp_path) == [record]
