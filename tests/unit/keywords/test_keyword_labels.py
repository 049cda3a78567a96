import numpy as np
import pytest

from vibe_photos.errors import InputError
from vibe_photos.keywords.labels import read_keywords, to_keywords
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
def labels(tmp_path):
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
    return tmp_path / "labels.sqlite"


def write_human(folder, *records):
    write_json(folder / "human" / "ground_truth_human.audited.json", list(records))
    return folder / "human"


def test_a_key_is_a_path_under_our_root_and_its_last_part_a_word():
    found = to_keywords(["scene.food", "object.food", "object.food.dessert"])
    assert found.paths == (
        ("vibe-photos", "object", "food"),
        ("vibe-photos", "object", "food", "dessert"),
        ("vibe-photos", "scene", "food"),
    )
    assert found.words == ("food", "dessert")


def test_only_what_is_there_becomes_a_keyword(labels, tmp_path, taxonomy):
    found = read_keywords(labels, tmp_path / "human", taxonomy, "final")
    assert found == {
        "id-a": to_keywords(["scene.food", "attr.has_text", "object.food", "object.food.dessert"]),
        "id-b": to_keywords(["scene.people", "attr.has_person"]),
    }


def test_a_database_without_labels_is_named(tmp_path, taxonomy):
    with create_database(tmp_path / "other.sqlite", "CREATE TABLE probability (image_id TEXT)"):
        pass
    with pytest.raises(InputError, match="has no final labels"):
        read_keywords(tmp_path / "other.sqlite", tmp_path / "human", taxonomy, "final")


def test_a_person_overrules_the_student_label_by_label(labels, tmp_path, taxonomy):
    human = write_human(
        tmp_path,
        {"image_id": "id-a", "scene": ["scene.product"], "attributes": {"attr.has_text": False}},
        {"image_id": "id-b", "attributes": {"attr.has_text": True}, "objects": ["object.food.dessert"]},
    )
    found = read_keywords(labels, human, taxonomy, "final")
    assert found["id-a"] == to_keywords(["scene.product"])
    own = ["scene.people", "attr.has_person", "attr.has_text", "object.food", "object.food.dessert"]
    assert found["id-b"] == to_keywords(own)


def test_only_audited_photos_have_keywords_when_asked_for_those_alone(labels, tmp_path, taxonomy):
    human = write_human(tmp_path, {"image_id": "id-b", "objects": ["object.food.dessert"]})
    found = read_keywords(labels, human, taxonomy, "human")
    assert found == {"id-b": to_keywords(["object.food", "object.food.dessert"])}
