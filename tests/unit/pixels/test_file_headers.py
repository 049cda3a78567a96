import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.unit.pictures import FORMATS, draw_picture

from vibe_photos.pixels.formats import recognise_format


@pytest.mark.parametrize("image_format", FORMATS)
def test_each_format_is_known_by_its_bytes(pictures, image_format):
    assert recognise_format(pictures[image_format]) == image_format


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"\xff\xd8",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"BM is how this letter begins",
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    ],
)
def test_other_files_are_not_images(head):
    assert recognise_format(head) is None


def test_other_formats_of_pillow_are_not_allowed():
    for image_format in ("EPS", "PPM", "TGA", "ICNS", "JPEG2000"):
        buffer = io.BytesIO()
        draw_picture(0, 64, 64).save(buffer, image_format)
        assert recognise_format(buffer.getvalue()) is None, image_format


def test_a_brand_among_the_compatible_ones_counts():
    assert recognise_format(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf") == "AVIF"
    assert recognise_format(b"\0\0\0\x1cftypmif1\0\0\0\0mif1heicmiaf") == "HEIF"


def test_big_and_motorola_tiff():
    assert recognise_format(b"MM\0*\0\0\0\x08") == "TIFF"
    assert recognise_format(b"II+\0\x08\0\0\0") == "TIFF"


@given(st.binary(max_size=64))
def test_any_bytes_get_an_answer(head):
    assert recognise_format(head) in {None, "JXL", *FORMATS}


def test_names_are_those_of_pillow(pictures):
    for image_format, data in pictures.items():
        with Image.open(io.BytesIO(data)) as image:
            assert image.format == image_format
