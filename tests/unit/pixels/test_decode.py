import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from tests.unit.pictures import FORMATS, draw_picture, encode_picture

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decode import decode_photo, resize

MAX_PIXELS = 10_000_000
REASONS = {"not_an_image", "too_many_pixels", "too_complex", "truncated", "damaged", "too_much_memory"}


@pytest.fixture
def decode(tmp_path):
    def write_and_decode(
        data: bytes, name: str = "photo.jpg", max_pixels: int = MAX_PIXELS, needed_size=None
    ):
        (tmp_path / name).write_bytes(data)
        return decode_photo(tmp_path / name, max_pixels=max_pixels, needed_size=needed_size)

    return write_and_decode


def reference(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


@pytest.mark.parametrize("image_format", FORMATS)
def test_each_format_gives_the_pixels_that_pillow_gives(decode, pictures, image_format):
    image = decode(pictures[image_format])
    assert (image.mode, image.info) == ("RGB", {})
    assert np.array_equal(np.asarray(image), reference(pictures[image_format]))


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_no_metadata_goes_into_what_is_saved_of_it(decode, image_format):
    exif = oriented(1)
    exif[0x010E] = "canary"
    data = encode_picture(draw_picture(4), image_format, exif=exif)
    assert b"canary" in data
    for saved_as in ("JPEG", "PNG", "WEBP", "TIFF"):
        saved = io.BytesIO()
        decode(data).save(saved, saved_as)
        assert b"canary" not in saved.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_each_orientation_is_upright(decode, image_format, orientation):
    # As bytes: of an `Image.Exif` pillow-heif writes no rotation.
    data = encode_picture(draw_picture(4), image_format, exif=oriented(orientation).tobytes())
    image = decode(data)
    assert image.size == ((64, 96) if orientation >= 5 else (96, 64))
    assert np.array_equal(np.asarray(image), reference(data))


@pytest.mark.parametrize(
    ("image_format", "mode", "options"),
    [
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "1", {}),
        ("PNG", "L", {}),
        ("PNG", "P", {}),
        ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
        ("TIFF", "RGB", {"compression": "jpeg"}),
        ("BMP", "L", {}),
        ("WEBP", "RGB", {"lossless": True}),
    ],
)
def test_modes_and_compressions_agree_with_pillow(decode, image_format, mode, options):
    data = encode_picture(draw_picture(5).convert(mode), image_format, **options)
    assert np.array_equal(np.asarray(decode(data)), reference(data))


def test_a_16_bit_png_keeps_its_shades(decode):
    levels = np.linspace(0, 65535, 96 * 64).reshape(64, 96).astype(np.uint16)
    image = decode(encode_picture(Image.fromarray(levels), "PNG"))
    assert np.array_equal(np.asarray(image)[..., 1], levels >> 8)


def test_transparency_is_on_white_in_every_format_that_has_it(decode):
    picture = draw_picture(6).convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 48, 64))
    palette = picture.convert("P")
    palette.info["transparency"] = palette.getpixel((0, 0))
    for data in (
        encode_picture(picture, "PNG"),
        encode_picture(picture, "WEBP", lossless=True),
        encode_picture(picture, "TIFF"),
        encode_picture(picture, "AVIF", quality=100),
        encode_picture(picture, "GIF"),
        encode_picture(palette, "PNG"),
    ):
        pixels = np.asarray(decode(data))
        assert pixels[:, :44].min() >= 250
        assert pixels[:, 52:].min() < 200


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF", "HEIF"])
def test_of_several_frames_the_first_counts(decode, image_format):
    frames = [Image.new("RGB", (64, 64), color) for color in ("red", "lime", "blue")]
    data = encode_picture(frames[0], image_format, save_all=True, append_images=frames[1:], duration=100)
    red, green, blue = np.asarray(decode(data)).reshape(-1, 3).mean(axis=0)
    assert (red > 240, green < 15, blue < 15) == (True, True, True)


def test_a_jpeg_with_a_second_picture_is_its_first_and_shrinks(decode):
    frames = [draw_picture(seed, 800, 600) for seed in (1, 2)]
    data = encode_picture(frames[0], "MPO", save_all=True, append_images=frames[1:])
    assert np.array_equal(np.asarray(decode(data)), reference(data))
    assert decode(data, needed_size=lambda width, height: (100, 75)).size == (100, 75)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("eps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not_an_image"),
        ("text.png", b"hello", "not_an_image"),
        ("empty.jpg", b"", "empty"),
    ],
)
def test_what_is_no_image_is_not_opened(decode, name, data, reason):
    with pytest.raises(DecodeError) as error:
        decode(data, name)
    assert error.value.reason == reason


def test_missing_and_unreadable_files(tmp_path):
    for path, reason in ((tmp_path / "gone.jpg", "missing"), (tmp_path, "unreadable")):
        with pytest.raises(DecodeError) as error:
            decode_photo(path, max_pixels=1)
        assert error.value.reason == reason


@pytest.mark.parametrize("image_format", FORMATS)
def test_the_limit_of_pixels_holds_for_every_format(decode, pictures, image_format):
    assert decode(pictures[image_format], max_pixels=96 * 64).size == (96, 64)
    with pytest.raises(DecodeError, match="96 x 64 pixels") as error:
        decode(pictures[image_format], max_pixels=96 * 64 - 1)
    assert error.value.reason == "too_many_pixels"


def test_a_panorama_of_200_megapixels_works_when_the_limit_allows(decode):
    data = encode_picture(Image.new("L", (40_000, 5_000), 90), "JPEG")
    limit_before = Image.MAX_IMAGE_PIXELS
    image = decode(data, max_pixels=200_000_000, needed_size=lambda width, height: (width // 8, height // 8))
    assert image.size == (5_000, 625)
    assert limit_before == Image.MAX_IMAGE_PIXELS
    with pytest.raises(DecodeError):
        decode(data, max_pixels=199_999_999)


def test_pillows_own_limit_does_not_interfere(decode, pictures, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    for data in pictures.values():
        assert decode(data).size == (96, 64)
    monkeypatch.undo()
    data = encode_picture(Image.new("1", (13_400, 13_400)), "TIFF", compression="group4")
    assert decode(data, max_pixels=180_000_000).size == (13_400, 13_400)


def test_a_header_that_promises_too_much_costs_nothing(decode):
    data = bytearray(encode_picture(draw_picture(0), "PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    with pytest.raises(DecodeError) as error:
        decode(bytes(data))
    assert error.value.reason in ("too_many_pixels", "damaged")


def test_a_progressive_jpeg_of_many_scans_is_refused(decode):
    data = encode_picture(draw_picture(0), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    with pytest.raises(DecodeError) as error:
        decode(data[:-2] + data[at:-2] * 500 + b"\xff\xd9")
    assert error.value.reason == "too_complex"


@pytest.mark.parametrize("image_format", FORMATS)
def test_a_cut_file_says_so(decode, pictures, image_format):
    data = pictures[image_format]
    with pytest.raises(DecodeError) as error:
        decode(data[: len(data) // 2])
    assert error.value.reason in ("truncated", "damaged")
    assert str(error.value)


@given(data=st.data(), image_format=st.sampled_from(list(FORMATS)))
def test_mutated_files_give_pixels_or_a_reason(decode, pictures, data, image_format):
    mutated = bytearray(pictures[image_format])
    for _ in range(data.draw(st.integers(1, 6))):
        mutated[data.draw(st.integers(0, len(mutated) - 1))] = data.draw(st.integers(0, 255))
    mutated = mutated[: data.draw(st.integers(1, len(mutated)))] if data.draw(st.booleans()) else mutated
    reason, image = None, Image.new("RGB", (1, 1))
    try:
        image = decode(bytes(mutated), max_pixels=100_000)
    except DecodeError as error:
        reason = error.reason
    assert reason in {None, *REASONS}
    assert (image.mode, image.info) == ("RGB", {})
    assert image.width * image.height <= 100_000


@given(
    width=st.integers(1, 700),
    height=st.integers(1, 700),
    share=st.floats(0.01, 1.0),
    orientation=st.integers(1, 8),
)
def test_shrinking_while_decoding_never_goes_below_what_is_needed(decode, width, height, share, orientation):
    data = encode_picture(draw_picture(7, width, height), "JPEG", exif=oriented(orientation))
    asked = []

    def needed_size(full_width, full_height):
        asked.append((full_width, full_height))
        return max(1, round(full_width * share)), max(1, round(full_height * share))

    image = decode(data, needed_size=needed_size)
    upright = (width, height) if orientation < 5 else (height, width)
    assert asked == [upright]
    assert upright[0] >= image.width >= max(1, round(upright[0] * share))
    assert upright[1] >= image.height >= max(1, round(upright[1] * share))


def test_shrinking_while_decoding_shows_the_same_picture(decode):
    data = encode_picture(draw_picture(8, 1600, 1200), "JPEG", quality=95)
    small = decode(data, needed_size=lambda width, height: (400, 300))
    assert small.size == (400, 300)
    whole = resize(decode(data), (400, 300))
    difference = np.asarray(small, dtype=float) - np.asarray(whole, dtype=float)
    assert np.sqrt((difference**2).mean()) < 2.0


def test_resizing_is_bicubic(decode):
    image = draw_picture(9, 500, 300)
    expected = image.resize((220, 130), Image.Resampling.BICUBIC)
    assert np.array_equal(np.asarray(resize(image, (220, 130))), np.asarray(expected))
    assert resize(image, image.size) is image
    small = np.asarray(resize(image, (50, 30)), dtype=float)
    exact = np.asarray(image.resize((50, 30), Image.Resampling.BICUBIC), dtype=float)
    assert np.abs(small - exact).max() < 6.0


def test_the_same_file_gives_the_same_pixels_in_every_thread(tmp_path, pictures):
    for image_format, data in pictures.items():
        (tmp_path / image_format).write_bytes(data)

    def decode_bytes(image_format):
        return decode_photo(tmp_path / image_format, max_pixels=MAX_PIXELS).tobytes()

    with ThreadPoolExecutor(4) as pool:
        rounds = [list(pool.map(decode_bytes, FORMATS)) for _ in range(5)]
    assert all(one == rounds[0] for one in rounds)


def test_a_name_that_is_no_utf8(tmp_path, pictures):
    for image_format in ("JPEG", "WEBP"):
        path = tmp_path / os.fsdecode(b"\xff\n.x")
        path.write_bytes(pictures[image_format])
        assert decode_photo(path, max_pixels=MAX_PIXELS).size == (96, 64)
