"""The final labels as a table: who is believed, and that CSV and Parquet say the same."""

import csv

import msgspec
import pandas as pd
import pytest

from vibe_photos.errors import InputError
from vibe_photos.export.final_labels import export_labels
from vibe_photos.records.ground_truth import ALL_LABELS
from vibe_photos.records.label_tables import read_labels
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import Membership
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json


@pytest.fixture
def settings(small_settings, tmp_path):
    """The small library, with a teacher who says the same of all, and a person who judged the first photo."""
    photos = read_manifest(small_settings.paths.photos)
    says = {"scene": ["scene.other"], "attributes": {"attr.has_animal": True}, "objects": ["object.drink"]}
    (tmp_path / "auto").mkdir()
    lines = [msgspec.json.encode({"image_id": photo.image_id, **says}) for photo in photos]
    (tmp_path / "auto" / ALL_LABELS).write_bytes(b"\n".join(lines))
    judged = {
        "image_id": photos[0].image_id,
        "scene": ["scene.people"],
        "attributes": {"attr.has_text": False},
        "objects": ["object.electronics.phone"],
    }
    write_json(tmp_path / "human" / "ground_truth_human.audited.json", [judged])
    paths = msgspec.structs.replace(small_settings.paths, auto=tmp_path / "auto", human=tmp_path / "human")
    return msgspec.structs.replace(small_settings, paths=paths)


def read_csv(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_person_counts_before_the_student_and_the_teacher_where_the_student_is_silent(settings, tmp_path):
    counts = export_labels(settings, tmp_path / "labels.csv")
    rows = read_csv(tmp_path / "labels.csv")
    assert sum(counts.values()) == len(rows)
    first, second = read_manifest(settings.paths.photos)[:2]
    judged, other = (
        {row["label_key"]: row for row in rows if row["image_id"] == photo.image_id}
        for photo in (first, second)
    )
    assert {row["rel_path"] for row in judged.values()} == {first.rel_path}
    of_person = {key: row["value"] for key, row in judged.items() if row["source"] == "person"}
    assert [key for key, value in of_person.items() if value == "true"] == [
        "object.electronics",
        "object.electronics.phone",
        "scene.people",
    ]
    assert of_person["attr.has_text"] == of_person["object.food.dessert"] == "false"
    assert judged["attr.has_animal"]["source"] == "teacher"
    assert of_person["attr.is_document"] == "false"  # follows the person's scene

    table = read_labels(settings.paths.labels)
    line = table.image_ids.index(second.image_id)
    for column, key in enumerate(table.keys):
        assert other[key]["source"] == table.source[key]
        assert float(other[key]["probability"]) == table.score[line, column]
        assert other[key]["value"] == ("true" if table.value[line, column] else "false")
    assert {row["source"] for key, row in other.items() if key not in table.keys} == {"teacher"}
    assert other["object.drink"] | {"image_id": "", "rel_path": ""} == {
        "image_id": "",
        "rel_path": "",
        "label_key": "object.drink",
        "label_name": "Drink",
        "value": "true",
        "probability": "",
        "source": "teacher",
    }
    scenes = [key for key, row in other.items() if key.startswith("scene.") and row["value"] == "true"]
    assert len(scenes) == 1


def test_a_persons_labels_follow_a_photo_whose_file_was_rewritten(settings, tmp_path):
    audited = settings.paths.human / "ground_truth_human.audited.json"
    export_labels(settings, tmp_path / "before.csv")
    (judged,) = msgspec.json.decode(audited.read_bytes())
    write_json(audited, [{**judged, "image_id": "as it was"}])
    first = read_manifest(settings.paths.photos)[0].image_id
    one = Membership(group=first, fold=0, role="train", number=0.5, earlier_ids=["as it was"])
    paths = msgspec.structs.replace(settings.paths, splits=tmp_path / "rewritten.json")
    write_splits(paths.splits, {first: one})
    export_labels(msgspec.structs.replace(settings, paths=paths), tmp_path / "after.csv")
    assert (tmp_path / "after.csv").read_bytes() == (tmp_path / "before.csv").read_bytes()


def test_parquet_has_the_same_rows_as_csv(settings, tmp_path):
    export_labels(settings, tmp_path / "labels.csv")
    export_labels(settings, tmp_path / "labels.parquet")
    found = pd.read_parquet(tmp_path / "labels.parquet")
    assert found["value"].dtype == bool
    pd.testing.assert_frame_equal(
        found.astype(object), pd.read_csv(tmp_path / "labels.csv").astype(object), check_dtype=False
    )


def test_another_ending_is_refused_before_anything_is_read(settings, tmp_path):
    with pytest.raises(InputError, match=r"labels\.xlsx must end in \.csv or \.parquet"):
        export_labels(settings, tmp_path / "labels.xlsx")
