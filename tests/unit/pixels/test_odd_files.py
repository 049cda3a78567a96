"""Odd files that every viewer shows, files that only look whole, and what an odd file may cost.

Each is made here. Where people met one is said beside it.
"""

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests.unit.pictures import draw_picture, encode_picture

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import _build_profile
from vibe_photos.pixels.decode import decode_photo

COLOURS = np.array([[(220, 30, 30), (30, 200, 30)], [(30, 30, 220), (230, 220, 30)]], dtype=np.uint8)


def draw_quarters(width: int = 96, height: int = 64) -> Image.Image:
    """Red, green, blue and yellow quarters, so that a turned, cut or grey picture is easy to see."""
    return Image.fromarray(COLOURS.repeat(height // 2, axis=0).repeat(width // 2, axis=1))


def encode(image_format: str, image: Image.Image | None = None, **options: object) -> bytes:
    return encode_picture(image or draw_quarters(), image_format, **options)


def make_film(size_bytes: int = 60_000) -> bytes:
    noise = np.random.default_rng(1).bytes(size_bytes)
    return struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"mp42", 0, b"mp42", b"isom") + noise


def add_png_chunk(data: bytes, name: bytes, content: bytes, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    chunk = struct.pack(">I", len(content)) + name + content
    return data[:at] + chunk + struct.pack(">I", zlib.crc32(name + content)) + data[at:]


def large_profile() -> bytes:
    """An sRGB profile of 3 MB."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes() + bytes(3 << 20)
    return struct.pack(">I", len(profile)) + profile[4:]


def without_strip_counts(data: bytes) -> bytes:
    """Take the lengths of the strips (tag 279) out of a little-endian TIFF."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * i : at + 14 + 12 * i] for i in range(count)]
    kept = [entry for entry in entries if entry[:2] != struct.pack("<H", 279)]
    end = at + 2 + 12 * count
    return (
        data[:at]
        + struct.pack("<H", len(kept))
        + b"".join(kept)
        + data[end : end + 4]
        + bytes(12)
        + data[end + 4 :]
    )


jpeg, progressive = encode("JPEG"), encode("JPEG", progressive=True)
png = encode("PNG")
SHOWN = {
    # python-pillow/Pillow#2445, #8363; images of ComfyUI have their workflow in them.
    "PNG, 2 MB of text": add_png_chunk(png, b"zTXt", b"workflow\0\0" + zlib.compress(bytes(2 << 20))),
    "PNG, 2 MB of text behind the pixels": add_png_chunk(
        png, b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b"x" * (2 << 20)), before=b"IEND"
    ),
    "PNG, a profile of 3 MB": add_png_chunk(png, b"iCCP", b"icc\0\0" + zlib.compress(large_profile())),
    # simulot/immich-go#634 and others: motion photos. 0xFF 0xDA in a film is no scan.
    "motion photo, progressive": progressive + make_film() + b"\xff\xda noise" * 120,
    "motion photo, baseline": jpeg + make_film() + b"MotionPhoto_Data",
    "JPEG with zeros between segments": jpeg[:20] + bytes(4) + jpeg[20:],
    # photoprism/photoprism#1407, #2721 and libjpeg-turbo/libjpeg-turbo#163: panoramas of Samsung phones.
    "JPEG without its end marker": jpeg[:-2],
    "JPEG without its end marker, then zeros": jpeg[:-2] + bytes(4096),
    "JPEG without its end marker, then a trailer": jpeg[:-2] + make_film() + b"SEFH\0\0\0\0SEFT",
    "JPEG of two pictures (MPO)": encode("MPO", save_all=True, append_images=[draw_picture(1)]),
    "GIF without its trailer": encode("GIF")[:-1],
    # Xiaomi and Samsung write text behind the last box.
    "HEIC with text behind": encode("HEIF", quality=95) + b'MotionPhoto_Data{"mode":1} and more text',
    "AVIF with text behind": encode("AVIF", quality=95) + b"abcdefghijklmnop" * 3,
    "TIFF without the lengths of its strips": without_strip_counts(encode("TIFF")),
    "WEBP with a longer file": encode("WEBP", lossless=True) + b"0123456789",
}


@pytest.fixture
def decode(tmp_path):
    def write_and_decode(data: bytes) -> Image.Image:
        (tmp_path / "photo").write_bytes(data)
        return decode_photo(tmp_path / "photo", max_pixels=250_000_000)

    return write_and_decode


def find_quarters(image: Image.Image) -> np.ndarray:
    width, height = image.size
    return np.array([[image.getpixel((width * x // 4, height * y // 4)) for x in (1, 3)] for y in (1, 3)])


@pytest.mark.parametrize("name", SHOWN)
def test_what_every_viewer_shows_is_shown(decode, name):
    image = decode(SHOWN[name])
    assert image.size == (96, 64)
    assert np.abs(find_quarters(image) - COLOURS.astype(int)).max() < 15


def with_wrong_checksum(data: bytes, name: bytes) -> bytes:
    at = data.index(name)
    end = at + 4 + int.from_bytes(data[at - 4 : at], "big")
    return data[:end] + bytes([data[end] ^ 1]) + data[end + 1 :]


@pytest.mark.parametrize("name", [b"tEXt", b"zTXt", b"iTXt", b"tIME", b"prVt", b"eXIf", b"iCCP"])
def test_a_wrong_checksum_of_a_chunk_that_no_pixel_needs_changes_nothing(decode, name):
    """As behind the pixels, where Pillow looks at no checksum;"""
    exif = b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6" + bytes(6)
    content = {b"eXIf": exif, b"iCCP": b"icc\0\0" + zlib.compress(_build_profile(12, 13))}
    data = add_png_chunk(add_png_chunk(png, name, content.get(name, b"key\0\0text")), b"tEXt", b"key\0text")
    right = decode(data)
    assert decode(with_wrong_checksum(data, name)) == right
    assert (right == decode(png)) == (name not in content)


@pytest.mark.parametrize("name", [b"IHDR", b"PLTE"])
def test_a_wrong_checksum_of_a_chunk_that_pixels_need_is_a_problem(decode, name):
    paletted = encode("PNG", draw_quarters().quantize(4))
    assert decode(paletted).size == (96, 64)
    with pytest.raises(DecodeError, match=name.decode()):
        decode(with_wrong_checksum(add_png_chunk(paletted, b"tEXt", b"key\0text"), name))


@pytest.mark.parametrize("fill", [b"", bytes(400_000), b"\xff" * 400_000])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_half_a_jpeg_is_no_photo_however_it_is_filled_up(decode, fill, options):
    """A copy that broke off, on a disk that had room reserved for all of it."""
    data = encode("JPEG", draw_picture(3, 800, 600), **options)
    with pytest.raises(DecodeError) as error:
        decode(data[: len(data) // 2] + fill)
    assert error.value.reason in ("truncated", "damaged")


def make_scans(width: int, height: int, scans: int, between: bytes = b"") -> bytes:
    """A baseline JPEG with a scan of 11 bytes for each pass over its pixels."""
    data = encode("JPEG", Image.new("RGB", (16, 16), (200, 30, 30)), subsampling=0)
    size_at, scan_at = data.index(b"\xff\xc0") + 5, data.index(b"\xff\xda")
    head = data[:size_at] + struct.pack(">HH", height, width) + data[size_at + 4 : scan_at]

    def scan(component: int, tables: int) -> bytes:
        return b"\xff\xda\0\x08\x01" + bytes([component, tables]) + b"\0\x3f\0" + b"\0" + between

    return head + scan(1, 0) * (scans - 2) + scan(2, 0x11) + scan(3, 0x11) + b"\xff\xd9"


def test_a_jpeg_has_at_most_100_scans_of_any_kind(decode):
    assert decode(make_scans(1000, 800, 100)).size == (1000, 800)
    comment_with_an_end = b"\xff\xfe\0\x06\xff\xd9\xff\xd9"
    for data in (make_scans(1000, 800, 101), make_scans(1000, 800, 400, between=comment_with_an_end)):
        with pytest.raises(DecodeError) as error:
            decode(data)
        assert error.value.reason == "too_complex"
    with pytest.raises(DecodeError) as error:
        decode(make_scans(1000, 800, 50, between=b"\xff\xfe\0\2" * 30))
    assert error.value.reason == "too_complex"


IS_PROOF = bool(os.environ.get("VIBE_PHOTOS_PROVE"))


@pytest.mark.parametrize("kind", ["progressive", "png", *(["no end marker"] if IS_PROOF else [])])
def test_a_small_picture_in_a_file_of_3_gib_takes_no_memory(tmp_path, kind):
    """The rest of the file is a hole, which takes no disk. No process may reserve more than 1.5 GiB."""
    path = tmp_path / "photo"
    path.write_bytes({"progressive": progressive, "no end marker": jpeg[:-2], "png": png}[kind])
    os.truncate(path, 3 << 30)
    code = (
        "import resource, sys, pathlib\n"
        "from vibe_photos.pixels.decode import decode_photo\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))\n"
        "print(*decode_photo(pathlib.Path(sys.argv[1]), max_pixels=10**6).size)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    assert run.stdout == "96 64\n"


@pytest.mark.skipif(not IS_PROOF, reason="it writes 2 GiB into memory")
def test_a_png_that_promises_2_gib_of_text_is_a_problem(decode, tmp_path):
    with (tmp_path / "photo").open("wb") as file:
        file.write(png[: png.index(b"IDAT") - 4] + struct.pack(">I", 0x7FFFFFFF) + b"tEXt")
        file.truncate(3 << 30)
    with pytest.raises(DecodeError) as error:
        decode_photo(tmp_path / "photo", max_pixels=10**6)
    assert error.value.reason in ("too_much_memory", "damaged", "truncated")


def make_raw_tiff() -> bytes:
    """A DNG: the first picture is a thumbnail, the photo itself is in a sub-directory."""
    thumbnail, photo = bytes(16 * 8 * 3), draw_quarters().tobytes()

    def directory(width, height, at, size, is_reduced, *more):
        numbers = {254: is_reduced, 273: at, 279: size}
        numbers |= {256: width, 257: height, 258: 8, 259: 1, 262: 2, 277: 3, 278: height}
        entries = sorted([*((tag, 4, 1, number) for tag, number in numbers.items()), *more])
        packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        return struct.pack("<H", len(entries)) + packed + bytes(4)

    second = 8 + 2 + 12 * 12 + 4
    pixels = second + 2 + 12 * 10 + 4
    more = ((330, 4, 1, second), (50706, 1, 4, 0x401))
    return (
        b"II*\0\x08\0\0\0"
        + directory(16, 8, pixels, len(thumbnail), 1, *more)
        + directory(96, 64, pixels + len(thumbnail), len(photo), 0)
        + thumbnail
        + photo
    )


def test_the_thumbnail_of_a_raw_file_is_no_photo(decode):
    with pytest.raises(DecodeError, match="RAW") as error:
        decode(make_raw_tiff())
    assert error.value.reason == "not_supported"


@pytest.mark.filterwarnings("ignore:Using JPEG reconstruction")
def test_jpeg_xl_is_decoded_and_turned_once(decode, tmp_path):
    """libjxl/libjxl#4677, hydrusnetwork/hydrus#1684: turned twice, or not at all."""
    pytest.importorskip("pillow_jxl")
    exif = Image.Exif()
    exif[0x0112] = 6
    side = draw_quarters().transpose(Image.Transpose.ROTATE_90)
    (tmp_path / "side.jpg").write_bytes(encode("JPEG", side, exif=exif, quality=95))
    packed, upright = io.BytesIO(), io.BytesIO()
    with Image.open(tmp_path / "side.jpg") as image:
        image.save(packed, "JXL", lossless=True)
    draw_quarters().save(upright, "JXL", lossless=True, exif=exif.tobytes())
    for buffer in (packed, upright):
        image = decode(buffer.getvalue())
        assert image.size == (96, 64)
        assert np.abs(find_quarters(image) - COLOURS.astype(int)).max() < 15
    with pytest.raises(DecodeError):
        decode(upright.getvalue()[:-10])


def test_without_the_plugin_jpeg_xl_says_which_extra_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    monkeypatch.setitem(sys.modules, "pillow_jxl.JpegXLImagePlugin", None)
    from vibe_photos.pixels.formats import open_image

    with pytest.raises(DecodeError, match=r"vibe-photos\[jxl\]") as error:
        open_image(io.BytesIO(b"\xff\x0a"), "JXL")
    assert error.value.reason == "not_supported"
