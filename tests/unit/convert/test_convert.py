import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.stage_settings import settings_in

from vibe_photos.convert.stage import Mapping, convert_annotations
from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import HEAD_FILES, GroundTruth
from vibe_photos.settings import Convert

CONVERT = Convert(min_object_confidence=0.7, include_non_main=False)

KEYBOARD = {
    "name_free": "mechanical keyboard",
    "coarse_type": "keyboard",
    "is_main": True,
    "confidence": 0.92,
}


@pytest.fixture
def mapping(taxonomy):
    return Mapping(taxonomy, CONVERT)


def to_ground_truth(mapping, image_id, annotation):
    scene, attributes, objects = map(json.loads, mapping.map_any(annotation))
    return GroundTruth(image_id=image_id, scene=scene, attributes=attributes, objects=objects)


def run(folder, raw, taxonomy, convert=CONVERT):
    """Run the stage on a raw file; it writes `auto/` and `eval/convert.json` in the folder."""
    convert_annotations(settings_in(folder, {"raw_annotations": raw}, taxonomy=taxonomy, convert=convert))


def test_the_users_own_example_becomes_the_users_own_truth(taxonomy, tmp_path):
    raw = tmp_path / "raw.jsonl"
    annotation = {
        "scene": "product",
        "has_person": False,
        "is_document": False,
        "is_screenshot": False,
        "objects": [KEYBOARD],
    }
    raw.write_text(json.dumps({"image_id": "8f14e45fceea167a", "annotation": annotation}) + "\n")
    run(tmp_path, raw, taxonomy)
    assert json.loads((tmp_path / "auto" / "ground_truth_auto.jsonl").read_text()) == {
        "image_id": "8f14e45fceea167a",
        "scene": ["scene.product"],
        "attributes": {
            "attr.has_person": False,
            "attr.is_document": False,
            "attr.is_screenshot": False,
        },
        "objects": ["object.electronics.peripheral.keyboard"],
    }


@pytest.mark.parametrize(
    ("word", "scene"),
    [
        ("selfie", ["scene.people"]),
        (" Food ", ["scene.food"]),
        ("night sky", ["scene.other"]),
        ("", ["scene.other"]),
        (None, []),
        (7, []),
        (["food"], []),
    ],
)
def test_scene_words(mapping, word, scene):
    assert to_ground_truth(mapping, "a", {"scene": word}).scene == scene


@pytest.mark.parametrize("value", [None, "true", 1, 0, "yes", [], {}])
def test_an_attribute_that_is_no_json_boolean_is_absent_and_never_false(mapping, value):
    assert to_ground_truth(mapping, "a", {"has_text": value}).attributes == {}


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"is_main": False}, "objects_not_main"),
        ({"is_main": "true"}, "objects_not_main"),
        ({"is_main": None}, "objects_not_main"),
        ({"confidence": 0.6999}, "objects_low_confidence"),
        ({"confidence": "0.9"}, "objects_low_confidence"),
        ({"confidence": True}, "objects_low_confidence"),
        ({"coarse_type": "unknown"}, "objects_without_key"),
        ({"coarse_type": "other_object"}, "objects_without_key"),
        ({"coarse_type": None}, "objects_without_key"),
    ],
)
def test_objects_that_do_not_count_are_counted(mapping, change, outcome):
    assert to_ground_truth(mapping, "a", {"objects": [KEYBOARD | change]}).objects == []
    assert mapping.tally.counts[outcome] == 1


def test_every_time_a_word_is_given_counts_also_when_too_many_differ_to_be_remembered(mapping, monkeypatch):
    monkeypatch.setattr("vibe_photos.convert.stage._MAX_CACHED", 2)
    for word in ["food", "night sky", "people", "food", "night sky", "night sky"]:
        mapping.map_any({"scene": word})
    assert mapping.tally.counts["scene_mapped"] == mapping.tally.counts["scene_unknown"] == 3
    assert mapping.tally.unknown_scenes == {"night sky": 3}


def test_objects_are_normalised_sorted_and_unique(mapping):
    said = [KEYBOARD, KEYBOARD | {"coarse_type": " Screen "}, KEYBOARD | {"coarse_type": "monitor"}]
    assert to_ground_truth(mapping, "a", {"objects": said}).objects == [
        "object.electronics.display.monitor",
        "object.electronics.peripheral.keyboard",
    ]


def test_a_confidence_that_is_just_enough_is_enough(mapping):
    annotation = {"scene": "food", "objects": [KEYBOARD | {"confidence": 0.7}]}
    typed = msgspec.convert(annotation, mapping.expected_type)
    for labels in (mapping.map_any(annotation), mapping.map_expected(typed)):
        assert json.loads(labels[2]) == ["object.electronics.peripheral.keyboard"]


def test_objects_that_are_not_main_count_on_request(taxonomy):
    mapping = Mapping(taxonomy, Convert(min_object_confidence=0.9, include_non_main=True))
    assert to_ground_truth(mapping, "a", {"objects": [KEYBOARD | {"is_main": False}]}).objects


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["scene", "has_person", "objects", "is_main"]),
        ANYTHING | st.lists(st.fixed_dictionaries({"coarse_type": ANYTHING, "confidence": ANYTHING})),
    )
)
def test_whatever_the_teacher_says_becomes_known_keys_or_nothing(taxonomy, annotation):
    truth = to_ground_truth(Mapping(taxonomy, CONVERT), "a", annotation)
    assert set(truth.scene) <= set(taxonomy.scenes.values())
    assert set(truth.attributes) <= set(taxonomy.attributes.values())
    assert set(truth.objects) <= set(taxonomy.objects.values())


WORDS = st.sampled_from(["food", " Selfie", "keyboard", "SCREEN", "sofa", ""])
EXPECTED_OBJECT = st.fixed_dictionaries(
    {"coarse_type": WORDS, "is_main": st.booleans(), "confidence": st.floats(0, 1) | st.integers(0, 1)},
    optional={"name_free": st.text()},
)


@given(
    st.fixed_dictionaries(
        {"scene": WORDS, "objects": st.lists(EXPECTED_OBJECT, max_size=4)},
        optional={"has_person": st.booleans() | st.none(), "is_document": st.booleans(), "mood": st.text()},
    )
)
def test_an_annotation_means_the_same_typed_or_open(taxonomy, annotation):
    typed, opened = Mapping(taxonomy, CONVERT), Mapping(taxonomy, CONVERT)
    expected = json.loads(json.dumps(annotation))
    read = typed.map_expected(msgspec.convert(expected, typed.expected_type))
    assert read == opened.map_any(annotation)
    assert typed.tally == opened.tally


@given(st.lists(st.dictionaries(st.sampled_from(["scene", "has_text", "objects"]), ANYTHING), max_size=5))
def test_a_file_is_read_as_its_annotations_are(taxonomy, tmp_path_factory, annotations):
    folder = tmp_path_factory.mktemp("convert")
    records = [{"image_id": f"{n}", "annotation": value} for n, value in enumerate(annotations)]
    raw = write_raw(folder / "raw.jsonl", *records)
    run(folder, raw, taxonomy)
    lines = (folder / "auto" / "ground_truth_auto.jsonl").read_bytes().splitlines()
    mapping = Mapping(taxonomy, CONVERT)
    assert [msgspec.json.decode(line, type=GroundTruth) for line in lines] == [
        to_ground_truth(mapping, record["image_id"], record["annotation"]) for record in records
    ]


def write_raw(path, *annotations):
    path.write_text("".join(json.dumps(record) + "\n" for record in annotations))
    return path


def test_one_file_per_head_holds_the_same_truth(taxonomy, tmp_path):
    raw = write_raw(
        tmp_path / "raw.jsonl",
        {"image_id": "b", "annotation": {"scene": "food", "has_text": True, "objects": [KEYBOARD]}},
        {"image_id": "a", "annotation": {}},
    )
    run(tmp_path, raw, taxonomy)
    read = {
        name: [json.loads(line) for line in (tmp_path / "auto" / file).read_text().splitlines()]
        for name, file in {**HEAD_FILES, "all": "ground_truth_auto.jsonl"}.items()
    }
    assert [record["image_id"] for record in read["all"]] == ["b", "a"]
    for head, field in (("scene", "scene"), ("attribute", "attributes"), ("object", "objects")):
        assert read[head] == [{"image_id": r["image_id"], field: r[field]} for r in read["all"]]


def test_a_changed_object_mapping_leaves_the_other_heads_files_alone(taxonomy, tmp_path):
    raw = write_raw(
        tmp_path / "raw.jsonl", {"image_id": "b", "annotation": {"scene": "food", "objects": [KEYBOARD]}}
    )
    for folder, threshold in (("low", 0.7), ("high", 0.99)):
        convert = Convert(min_object_confidence=threshold, include_non_main=False)
        run(tmp_path / folder, raw, taxonomy, convert)
    same = {
        name: (tmp_path / "low" / "auto" / name).read_bytes()
        == (tmp_path / "high" / "auto" / name).read_bytes()
        for name in HEAD_FILES.values()
    }
    assert same == {"scene.jsonl": True, "attribute.jsonl": True, "object.jsonl": False}


def test_of_several_records_of_a_photo_the_last_counts(taxonomy, tmp_path):
    raw = write_raw(
        tmp_path / "raw.jsonl",
        {"image_id": "a", "annotation": {"scene": "food"}},
        {"image_id": "b", "annotation": {"scene": "people"}},
        {"image_id": "a", "annotation": {"scene": "animals"}},
    )
    run(tmp_path, raw, taxonomy)
    scenes = [
        json.loads(line)["scene"] for line in (tmp_path / "auto" / "scene.jsonl").read_text().splitlines()
    ]
    assert scenes == [["scene.people"], ["scene.animals"]]


def test_the_metric_counts_what_was_mapped_and_what_was_dropped(taxonomy, tmp_path):
    raw = write_raw(
        tmp_path / "raw.jsonl",
        {
            "image_id": "a",
            "annotation": {"scene": "night sky", "objects": [KEYBOARD, KEYBOARD | {"coarse_type": "sofa"}]},
        },
    )
    run(tmp_path, raw, taxonomy)
    metric = json.loads((tmp_path / "eval" / "convert.json").read_text())
    assert metric["photos"] == 1
    assert metric["unknown_scene_words"] == {"night sky": 1}
    assert metric["object_words_without_key"] == {"sofa": 1}
    assert metric["objects_mapped"] == metric["scene_unknown"] == 1


def test_a_torn_last_line_is_named_and_nothing_is_written(taxonomy, tmp_path):
    raw = write_raw(tmp_path / "raw.jsonl", {"image_id": "a", "annotation": {"scene": "food"}})
    with raw.open("a") as file:
        file.write('{"image_id": "b", "annot')
    with pytest.raises(InputError, match=r"raw\.jsonl, line 2: .*cut off"):
        run(tmp_path, raw, taxonomy)
    assert list((tmp_path / "auto").iterdir()) == []
