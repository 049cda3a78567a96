import numpy as np
import pytest
from tests.unit.stage_settings import settings_in

from vibe_photos.errors import InputError
from vibe_photos.keywords.export import read_keywords, to_keywords
from vibe_photos.records.label_tables import LabelTable, write_labels
from vibe_photos.storage.files import write_json
from vibe_photos.storage.sqlite import create_database

KEYS = [
    "attr.has_person",
    "attr.has_text",
    "object.food",
    "object.food.dessert",
    "scene.food",
    "scene.people",
]


@pytest.fixture
def settings(tmp_path):
    """Write labels of two photos: food with text and a dessert; people, a person."""
    table = LabelTable(
        image_ids=["id-a", "id-b"],
        keys=KEYS,
        level=dict(zip(KEYS, ["attribute"] * 2 + ["object"] * 2 + ["scene"] * 2, strict=True)),
        source=dict.fromkeys(KEYS, "head"),
        threshold=dict.fromkeys(KEYS),
        score=np.full((2, 6), 0.5),
        value=np.array([[0, 1, 1, 1, 1, 0], [1, 0, 0, 0, 0, 1]], dtype=np.int8),
    )
    write_labels(tmp_path / "labels.sqlite", table, dict.fromkeys(KEYS))
    return settings_in(tmp_path)


def write_human(settings, *records):
    write_json(settings.paths.human / "ground_truth_human.audited.json", list(records))


def test_a_key_is_a_path_under_our_root_and_its_last_part_a_word():
    found = to_keywords(["scene.food", "object.food", "object.food.dessert"])
    assert found.paths == (
        ("vibe-photos", "object", "food"),
        ("vibe-photos", "object", "food", "dessert"),
        ("vibe-photos", "scene", "food"),
    )
    assert found.words == ("food", "dessert")


def test_only_what_is_there_becomes_a_keyword(settings):
    found = read_keywords(settings, "final")
    assert found == {
        "id-a": to_keywords(["scene.food", "attr.has_text", "object.food", "object.food.dessert"]),
        "id-b": to_keywords(["scene.people", "attr.has_person"]),
    }


def test_a_database_without_labels_is_named(settings):
    with create_database(settings.paths.labels, "CREATE TABLE probability (image_id TEXT)"):
        pass
    with pytest.raises(InputError, match="has no final labels"):
        read_keywords(settings, "final")


def test_a_person_overrules_the_student_label_by_label(settings):
    write_human(
        settings,
        {
            "image_id": "id-a",
            "scene": ["scene.product"],
            "attributes": {"attr.has_text": False},
            "objects": [],
        },
        {"image_id": "id-b", "attributes": {"attr.has_text": True}, "objects": ["object.food.dessert"]},
    )
    found = read_keywords(settings, "final")
    assert found["id-a"] == to_keywords(["scene.product"])
    own = ["scene.people", "attr.has_person", "attr.has_text", "object.food", "object.food.dessert"]
    assert found["id-b"] == to_keywords(own)


def test_an_attribute_that_follows_the_scene_by_rule_follows_the_scene_of_a_person(settings):
    write_human(
        settings,
        {"image_id": "id-a", "scene": ["scene.document"]},
        {"image_id": "id-b", "scene": ["scene.document"], "attributes": {"attr.is_document": False}},
    )
    found = read_keywords(settings, "human")
    assert found == {
        "id-a": to_keywords(["attr.is_document", "scene.document"]),
        "id-b": to_keywords(["scene.document"]),
    }


def test_only_audited_photos_have_keywords_when_asked_for_those_alone(settings):
    write_human(settings, {"image_id": "id-b", "objects": ["object.food.dessert"]})
    found = read_keywords(settings, "human")
    assert found == {"id-b": to_keywords(["object.food", "object.food.dessert"])}
