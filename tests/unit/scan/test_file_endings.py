import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.pictures import FORMATS as ALL_FORMATS
from tests.unit.pictures import draw_picture, encode_picture

from vibe_photos.scan.files import has_ending

FORMATS = {name: ending for name, ending in ALL_FORMATS.items() if name not in ("BMP", "GIF", "TIFF")}
"""The formats of which a few bytes tell that a file is whole."""


@pytest.fixture
def is_whole(tmp_path):
    def write_and_ask(data: bytes, image_format: str) -> bool:
        path = tmp_path / "file"
        path.write_bytes(data)
        file = os.open(path, os.O_RDONLY)
        try:
            return has_ending(file, image_format, len(data))
        finally:
            os.close(file)

    return write_and_ask


@pytest.mark.parametrize("image_format", FORMATS)
def test_whole_files_have_their_end(is_whole, pictures, image_format):
    assert is_whole(pictures[image_format], image_format)


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("tail", [b"\0" * 700, b"\0\0\0\x18ftypmp42" + bytes(100_000)])
def test_bytes_after_the_end_do_no_harm(is_whole, pictures, image_format, tail):
    assert is_whole(pictures[image_format] + tail, image_format)


@pytest.mark.parametrize("image_format", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.99])
def test_cut_files_do_not(is_whole, pictures, image_format, share):
    data = pictures[image_format]
    assert not is_whole(data[: int(len(data) * share)], image_format)


@pytest.mark.parametrize("options", [{"progressive": True}, {"quality": 95, "restart_marker_rows": 1}])
def test_jpeg_variants(is_whole, options):
    data = encode_picture(draw_picture(2, 500, 400), "JPEG", **options)
    assert is_whole(data, "JPEG")
    assert not is_whole(data[:-2], "JPEG")


def test_the_end_of_an_embedded_thumbnail_is_not_the_end(is_whole, jpeg):
    thumbnail = encode_picture(draw_picture(3, 32, 32), "JPEG")
    segment = b"Exif\0\0" + thumbnail
    data = jpeg[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + jpeg[2:]
    assert is_whole(data, "JPEG")
    assert not is_whole(data[:-100], "JPEG")


def test_a_second_picture_may_be_cut_off(is_whole, jpeg):
    assert is_whole(jpeg + jpeg[: len(jpeg) // 2], "JPEG")


def test_a_marker_across_the_blocks_that_are_searched_is_found(is_whole, jpeg):
    for block_edge in (4096, 5 * 4096, 21 * 4096):
        for tail_bytes in range(block_edge - 4, block_edge + 3):
            assert is_whole(jpeg + bytes(tail_bytes), "JPEG")


@pytest.mark.parametrize(
    ("image_format", "data"),
    [
        ("JPEG", b"\xff\xd8" + b"\xff" * 3_000_000),
        ("HEIF", b"\0\0\0\x08free" * 400_000),
    ],
)
def test_files_made_to_be_slow_or_large_are_given_up(is_whole, image_format, data):
    assert not is_whole(data, image_format)


@given(data=st.data(), image_format=st.sampled_from(list(FORMATS)))
def test_damaged_files_get_an_answer(is_whole, pictures, data, image_format):
    damaged = bytearray(pictures[image_format])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, min(200, len(damaged) - 1)))] = data.draw(st.integers(0, 255))
    assert is_whole(bytes(damaged), image_format) in (True, False)
