from pathlib import Path

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth, truth_object
from vibe_photos.review.opinions import join_keys, values_of
from vibe_photos.review.record_file import RecordFile
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.label_arrays import read_keys
from vibe_photos.storage.jsonl import write_jsonl


def write(path: Path, *records: GroundTruth) -> Path:
    write_jsonl(path, map(truth_object, records))
    return path


def read_offsets(file: RecordFile[GroundTruth]) -> dict[str, int]:
    return {
        record.image_id: int(offset)
        for offsets, records in file.read_blocks()
        for offset, record in zip(offsets, records, strict=True)
    }


def test_a_record_is_read_from_its_offset_however_long_it_is(tmp_path: Path) -> None:
    """Lines longer than what is read at once, and a letter whose bytes a block's end cuts in two."""
    records = [
        GroundTruth(image_id="a", scene=["scene.food"]),
        GroundTruth(image_id="b", objects=["object." + "ü" * 5000]),
        GroundTruth(image_id="c", objects=["x" * (2 << 20)]),
        GroundTruth(image_id="d", objects=["object.food"]),
    ]
    file = RecordFile(write(tmp_path / "auto.jsonl", *records), GroundTruth)
    offsets = read_offsets(file)
    assert [file.read(offsets[image_id]) for image_id in "abcd"] == records


def test_the_file_that_was_read_first_is_kept_when_a_repro_replaces_it(tmp_path: Path) -> None:
    record = GroundTruth(image_id="a", scene=["scene.food"])
    file = RecordFile(write(tmp_path / "auto.jsonl", GroundTruth(image_id="b"), record), GroundTruth)
    offsets = read_offsets(file)
    write(tmp_path / "auto.jsonl", GroundTruth(image_id="a", scene=["scene.people"]))
    assert file.read(offsets["a"]) == record
    assert read_offsets(file) == offsets


def test_no_file_has_no_records_and_half_a_line_is_none(tmp_path: Path) -> None:
    path = tmp_path / "auto.jsonl"
    assert read_offsets(RecordFile(path, GroundTruth)) == {}
    path.write_bytes(b'{"image_id": "a"}\n\n{"image_id": "b"}\n{"image_')
    assert read_offsets(RecordFile(path, GroundTruth)) == {"a": 0, "b": 19}


def test_a_line_that_is_no_record_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "auto.jsonl"
    path.write_bytes(msgspec.json.encode({"image_id": "a"}) + b"\n[1]\n")
    with pytest.raises(InputError, match=r"auto\.jsonl.*\[1\]"):
        read_offsets(RecordFile(path, GroundTruth))


def test_labels_as_rows(taxonomy: Taxonomy) -> None:
    """A mouse is also electronics; an attribute that was not judged is neither yes nor no."""
    records = [
        GroundTruth(image_id="a", scene=["scene.food"], attributes={"attr.has_text": False}, objects=[]),
        None,
        GroundTruth(image_id="c", scene=["scene.food"], objects=["object.electronics.peripheral.mouse"]),
    ]
    values = values_of(records, read_keys(taxonomy))
    keys, _ = join_keys(read_keys(taxonomy))
    assert values[:, keys.index("scene.food")].tolist() == [1, -1, 1]
    assert values[:, keys.index("scene.people")].tolist() == [0, -1, 0]
    assert values[:, keys.index("attr.has_text")].tolist() == [0, -1, -1]
    assert values[:, keys.index("object.electronics")].tolist() == [0, -1, 1]
