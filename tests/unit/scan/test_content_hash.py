import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vibe_photos.scan.files import hash_bytes, hash_file


@pytest.mark.parametrize(
    ("content_hash", "digest"),
    [("xxh64", "44bc2cf5ad770999"), ("xxh3_128", "06b05ab6733a618578af5f94892f3950")],
)
def test_known_hashes_of_abc(content_hash, digest):
    assert hash_bytes(b"abc", content_hash) == digest


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), buffer_bytes=st.integers(1, 64))
@pytest.mark.parametrize("content_hash", ["xxh64", "xxh3_128"])
def test_a_file_in_pieces_has_the_hash_of_its_bytes(tmp_path, content_hash, data, buffer_bytes):
    path = tmp_path / "file"
    path.write_bytes(data)
    file = os.open(path, os.O_RDONLY)
    try:
        assert hash_file(file, content_hash, bytearray(buffer_bytes)) == hash_bytes(data, content_hash)
    finally:
        os.close(file)
