import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps, PngImagePlugin
from tests.unit.pictures import draw_picture, encode_picture

from vibe_photos.pixels.conversion import find_orientation, read_pixels


def exif_with(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F] = "Camera"
    exif[0x0112] = orientation
    return exif


def read(data: bytes, image_format: str) -> np.ndarray:
    return np.asarray(read_pixels(io.BytesIO(data), image_format, 10_000))


def pillows_pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_each_orientation_is_turned_as_pillow_turns_it(image_format, orientation):
    data = encode_picture(draw_picture(0), image_format, exif=exif_with(orientation))
    with Image.open(io.BytesIO(data)) as image:
        assert find_orientation(image) == orientation
    pixels = read(data, image_format)
    assert pixels.shape == ((96, 64, 3) if orientation >= 5 else (64, 96, 3))
    assert np.array_equal(pixels, pillows_pixels(data))


# The directory ends without the offset of a next one, of which Pillow warns.
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("order", ["<", ">"])
def test_both_byte_orders(order):
    tags = struct.pack(order + "HHHIHH", 1, 0x0112, 3, 1, 6, 0)
    image = draw_picture(0)
    image.info["exif"] = (
        b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8) + tags
    )
    assert find_orientation(image) == 6


def test_the_text_form_that_older_png_writers_use():
    exif = b"Exif\0\0" + exif_with(8).tobytes().removeprefix(b"Exif\0\0")
    text = PngImagePlugin.PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n")
    data = encode_picture(draw_picture(0), "PNG", pnginfo=text)
    with Image.open(io.BytesIO(data)) as image:
        assert find_orientation(image) == 8


def test_a_png_whose_exif_stands_behind_its_pixels():
    data = encode_picture(draw_picture(0), "PNG", exif=exif_with(6))
    start = data.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(data[start : start + 4], "big")
    moved = data[:start] + data[end:-12] + data[start:end] + data[-12:]
    assert np.array_equal(read(moved, "PNG"), pillows_pixels(data))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_an_orientation_that_only_xmp_tells_counts_as_in_pillow(image_format):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options = {"xmp": xmp}
    if image_format == "PNG":
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options = {"pnginfo": text}
    if image_format == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    data = encode_picture(draw_picture(0), image_format, **options)
    expected = pillows_pixels(data)
    assert expected.shape == (96, 64, 3)
    assert np.array_equal(read(data, image_format), expected)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_impossible_values_count_as_upright(orientation):
    image = draw_picture(0)
    image.info["exif"] = exif_with(orientation).tobytes()
    assert find_orientation(image) == 1


@given(cut=st.integers(0, 60), noise=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 255)), max_size=6))
def test_damaged_exif_does_no_harm(cut, noise):
    exif = bytearray(exif_with(6).tobytes())
    for at, value in noise:
        exif[at % len(exif)] = value
    image = draw_picture(0)
    image.info["exif"] = bytes(exif[:cut])
    assert find_orientation(image) in range(1, 9)
