"""A rating or a tag in a file leaves its picture; a turn only changes how it is shown."""

import os
import struct
import zlib

import pytest
from PIL import Image, TiffImagePlugin
from tests.unit.pictures import FORMATS, draw_picture, encode_picture

from vibe_photos.pixels.decode import decode_photo
from vibe_photos.scan.files import FileFinding, inspect_file

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmp:Rating="5"/></x:xmpmeta>'
WRITABLE = ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"]
TURNED_BY_EXIF = ["JPEG", "PNG", "WEBP", "TIFF"]


def write(path, image_format, **options) -> FileFinding:
    """Encode one picture, always the same, with these options; return what scan finds."""
    save = {"WEBP": {"lossless": True}, "HEIF": {"quality": 80}, "AVIF": {"quality": 80}}
    data = encode_picture(draw_picture(1), image_format, **save.get(image_format, {}), **options)
    return inspect(path, data)


def inspect(path, data: bytes) -> FileFinding:
    path.write_bytes(data)
    finding = inspect_file(os.fsencode(path), "xxh3_128")
    assert not finding.reason
    return finding


def tags(orientation: int | None = None) -> Image.Exif:
    exif = Image.Exif()
    exif[0x013B] = "an artist"
    if orientation:
        exif[0x0112] = orientation
    return exif


def with_metadata(image_format, orientation=None):
    if image_format == "TIFF":
        info = TiffImagePlugin.ImageFileDirectory_v2()
        info[315] = "an artist"
        if orientation:
            info[274] = orientation
        return {"tiffinfo": info}
    xmp = {} if image_format == "PNG" else {"xmp": XMP}
    return {"exif": tags(orientation), **xmp}


@pytest.mark.parametrize("image_format", WRITABLE)
def test_metadata_leaves_the_picture(tmp_path, image_format):
    bare = write(tmp_path / "bare", image_format)
    tagged = write(tmp_path / "tagged", image_format, **with_metadata(image_format))
    assert tagged.image_id != bare.image_id
    assert (tagged.picture, tagged.rendering) == (bare.picture, bare.rendering)


@pytest.mark.parametrize("image_format", TURNED_BY_EXIF)
def test_a_turn_leaves_the_picture_but_not_how_it_is_shown(tmp_path, image_format):
    bare = write(tmp_path / "bare", image_format)
    turned = write(tmp_path / "turned", image_format, **with_metadata(image_format, 6))
    back = write(tmp_path / "back", image_format, **with_metadata(image_format, 1))
    assert turned.picture == bare.picture == back.picture
    assert turned.rendering not in ("", back.rendering)
    assert bare.rendering == back.rendering == ""


@pytest.mark.parametrize("image_format", list(FORMATS))
def test_another_picture_is_another_picture(tmp_path, image_format):
    found = set()
    for number in (1, 2):
        data = encode_picture(draw_picture(number), image_format)
        found.add(inspect(tmp_path / f"{number}", data).picture)
    assert len(found) == 2


def test_a_colour_profile_changes_how_a_picture_is_shown(tmp_path):
    bare, profiled = (
        write(tmp_path / "photo", "JPEG", **options) for options in ({}, {"icc_profile": b"a profile"})
    )
    assert bare.picture == profiled.picture
    assert bare.rendering != profiled.rendering


def test_segments_of_a_jpeg(tmp_path):
    """Comments are metadata; the tables, Adobe's colour transform and all coded bytes are not."""
    jpeg = encode_picture(draw_picture(1), "JPEG")

    def segment(marker: int, content: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content

    bare = inspect(tmp_path / "bare", jpeg)
    for number, marker in enumerate((0xFE, 0xE0, 0xE1, 0xED, 0xEF)):
        longer = jpeg[:2] + segment(marker, b"Photoshop 3.0\0" * 900) + jpeg[2:]
        assert inspect(tmp_path / f"more{number}", longer).picture == bare.picture
    adobe = jpeg[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\0") + jpeg[2:]
    assert inspect(tmp_path / "adobe", adobe).picture != bare.picture
    other = bytearray(jpeg)
    other[-40] ^= 1
    assert inspect(tmp_path / "other", bytes(other)).picture != bare.picture


def test_a_turn_that_exiv2_writes_into_a_png_is_seen(tmp_path):
    png = encode_picture(draw_picture(1), "PNG")
    exif = tags(8).tobytes()
    text = f"\nexif\n{len(exif):8}\n{exif.hex()}\n".encode()
    content = b"zTXtRaw profile type exif\0\0" + zlib.compress(text)
    chunk = struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))
    turned = inspect(tmp_path / "turned.png", png[:33] + chunk + png[33:])
    assert turned.picture == inspect(tmp_path / "bare.png", png).picture
    assert turned.rendering == write(tmp_path / "eight.png", "PNG", exif=tags(8)).rendering != ""
    wrong_checksum = inspect(
        tmp_path / "wrong.png", png[:33] + chunk[:-1] + bytes([chunk[-1] ^ 1]) + png[33:]
    )
    assert (wrong_checksum.picture, wrong_checksum.rendering) == (turned.picture, turned.rendering)
    assert decode_photo(tmp_path / "wrong.png", max_pixels=10**6) == decode_photo(
        tmp_path / "turned.png", max_pixels=10**6
    )


def test_the_hash_does_not_depend_on_how_the_file_is_read(tmp_path):
    path = tmp_path / "photo.jpg"
    whole = write(path, "JPEG", **with_metadata("JPEG"))
    assert inspect_file(os.fsencode(path), "xxh3_128", bytearray(7)).picture == whole.picture


def test_a_picture_sequence_without_a_meta_box_counts_as_a_whole(tmp_path):
    """An AVIF or HEIF sequence may have `moov` only."""
    data = struct.pack(">I4s4sI", 16, b"ftyp", b"avis", 0) + struct.pack(">I4s", 8, b"moov")
    found = inspect(tmp_path / "sequence", data)
    assert (found.picture, found.rendering) == (found.image_id, "")
