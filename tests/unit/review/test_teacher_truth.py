from pathlib import Path

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth, truth_object
from vibe_photos.review.opinions import list_columns
from vibe_photos.review.teacher_truth import TeacherTruth
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import write_jsonl

ROWS = {"a": 0, "b": 1, "c": 2}


def write(path: Path, *records: GroundTruth) -> Path:
    write_jsonl(path, map(truth_object, records))
    return path


def test_a_record_is_read_from_its_place_however_long_it_is(tmp_path: Path, taxonomy: Taxonomy) -> None:
    """Lines longer than what is read at once, and a letter whose bytes a block's end cuts in two."""
    records = [
        GroundTruth(image_id="a", scene=["scene.food"]),
        GroundTruth(image_id="b", objects=["object." + "ü" * 5000]),
        GroundTruth(image_id="c", objects=["object.food"]),
    ]
    teacher = TeacherTruth(write(tmp_path / "auto.jsonl", *records), ROWS, taxonomy)
    assert [teacher.get(image_id) for image_id in "abcd"] == [*records, None]


def test_values_have_a_row_for_each_photo_of_the_library(tmp_path: Path, taxonomy: Taxonomy) -> None:
    """A mouse is also electronics; an attribute that was not judged is neither yes nor no."""
    records = [
        GroundTruth(image_id="a", scene=["scene.food"], attributes={"attr.has_text": False}),
        GroundTruth(image_id="not in the library", scene=["scene.food"]),
        GroundTruth(image_id="c", scene=["scene.food"], objects=["object.electronics.peripheral.mouse"]),
    ]
    values = TeacherTruth(write(tmp_path / "auto.jsonl", *records), ROWS, taxonomy).values
    keys, _ = list_columns(taxonomy)
    assert values[:, keys.index("scene.food")].tolist() == [1, -1, 1]
    assert values[:, keys.index("scene.people")].tolist() == [0, -1, 0]
    assert values[:, keys.index("attr.has_text")].tolist() == [0, -1, -1]
    assert values[:, keys.index("object.electronics")].tolist() == [0, -1, 1]


def test_the_file_that_was_read_first_is_kept_when_a_repro_replaces_it(
    tmp_path: Path, taxonomy: Taxonomy
) -> None:
    path = write(
        tmp_path / "auto.jsonl", GroundTruth(image_id="b"), GroundTruth(image_id="a", scene=["scene.food"])
    )
    teacher = TeacherTruth(path, ROWS, taxonomy)
    write(path, GroundTruth(image_id="a", scene=["scene.people"]))
    record = teacher.get("a")
    assert record is not None
    assert record.scene == ["scene.food"]


def test_nobody_has_said_anything_yet(tmp_path: Path, taxonomy: Taxonomy) -> None:
    teacher = TeacherTruth(tmp_path / "auto.jsonl", ROWS, taxonomy)
    assert teacher.get("a") is None
    assert (teacher.values == -1).all()


def test_a_line_that_is_no_record_is_shown(tmp_path: Path, taxonomy: Taxonomy) -> None:
    path = tmp_path / "auto.jsonl"
    path.write_bytes(msgspec.json.encode({"image_id": "a"}) + b"\n[1]\n")
    with pytest.raises(InputError, match=r"auto\.jsonl.*\[1\]"):
        TeacherTruth(path, ROWS, taxonomy)
