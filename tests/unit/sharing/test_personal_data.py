"""What one file tells of people."""

import json
import sqlite3
from contextlib import closing

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.records.ground_truth import Decision
from vibe_photos.sharing import personal_data
from vibe_photos.sharing.personal_data import inspect_upload
from vibe_photos.sharing.uploads import Upload


@pytest.fixture
def inspect(tmp_path):
    """A function that inspects a content under the path it has in the project."""

    def inspect_content(path, content):
        file = tmp_path / "content"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return inspect_upload(Upload((path,), file.stat().st_size, file))

    return inspect_content


def _lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


def test_names_in_the_manifest_count_once_a_photo(inspect):
    first = {
        "image_id": "a",
        "rel_path": "2019/Anna at the beach.jpg",
        "also_at": ["copy.jpg"],
        "format": "JPEG",
    }
    found = inspect("data/library/photos.jsonl", _lines(first, {"image_id": "b", "rel_path": "x.jpg"}))
    assert found[personal_data.NAMES].count == 2
    assert found[personal_data.NAMES].examples == ["2019/Anna at the beach.jpg", "copy.jpg", "x.jpg"]
    assert found[personal_data.IDS].count == 2
    assert found[personal_data.IDS].examples == []


def test_the_teacher_s_free_text_is_found_in_any_field(inspect):
    answer = {
        "scene": "document",
        "has_person": True,
        "caption": "a letter to Mr. Smith",
        "objects": [{"name_free": "prescription", "coarse_type": "paper_document"}],
    }
    record = {"image_id": "a", "image_path": "/home/anna/x.jpg", "model": "m", "annotation": answer}
    found = inspect("data/annotations/qwen_vl_raw_annotations.jsonl", _lines(record))
    assert found[personal_data.TEACHER_TEXT].examples == ["a letter to Mr. Smith", "prescription"]
    assert found[personal_data.FULL_PATHS].examples == ["/home/anna/x.jpg"]


@pytest.mark.parametrize("path", ["data/demo/photos/x.jpg", "../photos/x.jpg"])
def test_a_relative_path_tells_nothing_of_the_machine(inspect, path):
    record = {"image_id": "a", "image_path": path, "annotation": {}}
    assert personal_data.FULL_PATHS not in inspect("data/annotations/raw.jsonl", _lines(record))


def test_what_people_wrote(inspect):
    decision = {
        "image_id": "a",
        "note": "my bank card",
        "after": {"scene": ["scene.document"], "who": "Anna"},
    }
    found = inspect("data/human/decisions/anna.jsonl", _lines(decision))
    assert found[personal_data.PEOPLE_TEXT].examples == ["my bank card", "Anna"]
    assert found[personal_data.REVIEWERS].examples == ["anna"]


def test_only_notes_and_proposals_of_a_decision_are_text_that_people_wrote(inspect):
    """With every field that a line of the log may have."""
    labels = {"scene": ["scene.food"], "attributes": {"attr.has_text": True}, "objects": ["object.food"]}
    decision = Decision(
        image_id="a",
        decided_at="2026-11-29T08:00:00Z",
        purpose="teach",
        draw=1,
        after=labels,
        shown=labels,
        seen=["teacher"],
        action="0a1331a9",
        reason="private",
        undoes="2026-11-29T07:00:00Z",
    )
    found = inspect("data/human/decisions/anna.jsonl", msgspec.json.encode(decision))
    assert found.keys() == {personal_data.IDS, personal_data.REVIEWERS}


def test_the_record_of_a_draw_is_no_text_that_people_wrote(inspect):
    strata = {"scene.food": {"photos": 2, "members": "BapZG/QW1v4oQiD8"}}
    draw = {"number": 1, "how": "stratified", "teacher": "m", "mapping": "07a4b0f1989b", "strata": strata}
    assert inspect("data/human/draws/1.json", json.dumps(draw)).keys() == {personal_data.IDS}


def test_splits_by_id_count_each_photo(inspect):
    found = inspect("data/ground_truth/splits.json", '{"a": {"group": "a"}, "b": {"group": "a"}}')
    assert found[personal_data.IDS].count == 2


def test_the_folder_of_the_photos_stands_in_the_configuration(inspect):
    found = inspect("params.yaml", "library:\n  root: /Users/anna/Pictures\nsample:\n  size: 3\n")
    assert found == {personal_data.FULL_PATHS: personal_data.Finding(1, ["/Users/anna/Pictures"])}


def test_vectors_are_counted(inspect, tmp_path):
    database = tmp_path / "embeddings.sqlite"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE image_embedding (image_id TEXT, vector BLOB)")
        connection.executemany("INSERT INTO image_embedding VALUES (?, x'00')", [("a",), ("b",)])
    found = inspect("data/embeddings/embeddings.sqlite", database.read_bytes())
    assert (found[personal_data.VECTORS].count, found[personal_data.IDS].count) == (2, 2)


def test_pictures_and_names_in_the_report(inspect):
    page = '<img src="data:image/jpeg;base64,AA"><img src="data:image/jpeg;base64,BB"><b class="file">x'
    found = inspect("data/report/index.html", page)
    assert (found[personal_data.PICTURES].count, found[personal_data.NAMES].count) == (2, 1)


def test_ids_beside_the_heads(inspect, tmp_path):
    np.savez(tmp_path / "beside.npz", image_ids=np.array(["a", "b", "c"]))
    found = inspect("models/scene_out_of_fold.npz", (tmp_path / "beside.npz").read_bytes())
    assert found[personal_data.IDS].count == 3


@pytest.mark.parametrize(
    "option", ["secret_access_key", "access_key_id", "password", "sas_token", "passphrase"]
)
def test_credentials_are_named_but_not_shown(inspect, option):
    found = inspect(".dvc/config", f"[core]\n    remote = a\n['remote \"a\"']\n    {option} = hunter2\n")
    (example,) = found[personal_data.CREDENTIALS].examples
    assert option in example
    assert "hunter2" not in example


@pytest.mark.parametrize(
    ("option", "address"),
    [
        ("url", "webdavs://anna:hunter2@host/dav"),
        ("url", "https://hunter2@host/store"),
        ("url", "azure://container?sig=hunter2"),
        ("endpointurl", "https://anna:hunter2@s3.example.org"),
    ],
)
def test_a_password_inside_an_address_is_named_but_not_shown(inspect, option, address):
    found = inspect(".dvc/config", f"['remote \"a\"']\n    {option} = {address}\n")
    (example,) = found[personal_data.CREDENTIALS].examples
    assert example.startswith(f"{option} of ")
    assert "hunter2" not in example


def test_a_config_without_credentials(inspect):
    assert (
        inspect(".dvc/config", "[core]\n    remote = a\n['remote \"a\"']\n    url = ssh://anna@host/mnt\n")
        == {}
    )


@pytest.mark.parametrize(
    "path",
    ["data/human/truth.json", "data/labels/labels.sqlite", "models/x.npz", ".dvc/config", "conf/a.yaml"],
)
def test_what_cannot_be_read_is_said(inspect, path):
    assert list(inspect(path, b"\x00[not: this {")) == [personal_data.UNREADABLE]


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(answer=_json, note=st.text(min_size=1).filter(str.strip))
def test_no_shape_of_an_answer_hides_its_text(tmp_path_factory, answer, note):
    file = tmp_path_factory.mktemp("answers") / "content"
    file.write_text(json.dumps({"annotation": {"extra": [answer, {"deep": [note]}]}}) + "\n")
    found = inspect_upload(Upload(("data/annotations/raw.jsonl",), file.stat().st_size, file))
    assert found[personal_data.TEACHER_TEXT].count == 1
