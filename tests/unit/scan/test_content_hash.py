import os

import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.scan.files import hash_file


def hash_written(path, data, content_hash, buffer_bytes):
    path.write_bytes(data)
    file = os.open(path, os.O_RDONLY)
    try:
        return hash_file(file, content_hash, bytearray(buffer_bytes))
    finally:
        os.close(file)


@pytest.mark.parametrize(
    ("content_hash", "digest"),
    [("xxh64", "44bc2cf5ad770999"), ("xxh3_128", "06b05ab6733a618578af5f94892f3950")],
)
def test_known_hashes_of_abc(tmp_path, content_hash, digest):
    assert hash_written(tmp_path / "file", b"abc", content_hash, 100) == digest


@given(data=st.binary(max_size=300), buffer_bytes=st.integers(1, 64))
@pytest.mark.parametrize("content_hash", ["xxh64", "xxh3_128"])
def test_a_file_in_pieces_has_the_hash_of_its_bytes(tmp_path, content_hash, data, buffer_bytes):
    digest = getattr(xxhash, f"{content_hash}_hexdigest")(data)
    assert hash_written(tmp_path / "file", data, content_hash, buffer_bytes) == digest
