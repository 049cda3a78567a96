import itertools
import os

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pictures import FORMATS, put_file

from vibe_photos.scan.files import inspect_file


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_whole_photo_has_the_hash_of_its_bytes(tmp_path, pictures, image_format):
    data = pictures[image_format]
    put_file(tmp_path / "photo", data)
    finding = inspect_file(os.fsencode(tmp_path / "photo"), "xxh64")
    digest = xxhash.xxh64_hexdigest(data)
    assert (finding.image_id, finding.format, finding.reason) == (digest, image_format, "")
    assert finding.stamp.size_bytes == len(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
    ],
)
def test_a_file_that_is_no_whole_photo_says_why(tmp_path, data, reason):
    put_file(tmp_path / "photo.jpg", data)
    finding = inspect_file(os.fsencode(tmp_path / "photo.jpg"), "xxh64")
    assert (finding.reason, finding.image_id) == (reason, "")
    assert finding.detail


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "photo.jpg")
    assert inspect_file(os.fsencode(tmp_path / "photo.jpg"), "xxh64").reason == "not_a_file"


def test_what_is_gone_or_forbidden_says_so(tmp_path):
    assert inspect_file(os.fsencode(tmp_path / "gone.jpg"), "xxh64").reason == "missing"
    assert inspect_file(os.fsencode(tmp_path), "xxh64").reason == "not_a_file"
    assert inspect_file(os.fsencode(tmp_path / "file.jpg" / "x"), "xxh64").reason == "missing"


def test_a_file_that_is_written_to_all_the_time_is_not_judged(tmp_path, jpeg, monkeypatch):
    path = tmp_path / "photo.jpg"
    put_file(path, jpeg)
    read, seconds = os.readv, itertools.count(1)

    def read_and_touch(file, buffers):
        os.utime(path, (now := next(seconds), now))
        return read(file, buffers)

    monkeypatch.setattr(os, "readv", read_and_touch)
    finding = inspect_file(os.fsencode(path), "xxh64")
    assert (finding.reason, finding.image_id) == ("changing", "")


@given(data=st.data(), image_format=st.sampled_from(list(FORMATS)))
def test_a_mutated_file_is_a_photo_or_a_problem_with_a_reason(tmp_path, pictures, data, image_format):
    mutated = bytearray(pictures[image_format])
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    mutated = mutated[: data.draw(st.integers(1, len(mutated)))] + bytes(data.draw(st.integers(0, 999)))
    put_file(tmp_path / "photo", mutated)
    finding = inspect_file(os.fsencode(tmp_path / "photo"), "xxh64")
    if finding.reason:
        assert (finding.image_id, bool(finding.detail)) == ("", True)
    else:
        assert finding.image_id == xxhash.xxh64_hexdigest(bytes(mutated))
