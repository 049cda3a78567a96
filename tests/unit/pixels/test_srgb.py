import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms
from tests.unit.pictures import draw_picture, encode_picture

from vibe_photos.pixels.conversion import read_pixels, to_srgb


def profile_bytes(name: str) -> bytes:
    if name == "sRGB":
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(name)).tobytes()


def swapped_profile() -> bytes:
    """An sRGB profile whose red and green primaries have changed places: applying it is easy to see."""
    data = bytearray(profile_bytes("sRGB").replace(b"s\0R\0G\0B", b"o\0t\0h\0r").replace(b"sRGB", b"othr"))
    tags = {
        bytes(data[at : at + 4]): at for at in range(132, 132 + 12 * int.from_bytes(data[128:132], "big"), 12)
    }
    red, green = tags[b"rXYZ"], tags[b"gXYZ"]
    data[red : red + 4], data[green : green + 4] = b"gXYZ", b"rXYZ"
    return bytes(data)


def pixel(image: Image.Image) -> tuple[int, int, int]:
    assert image.mode == "RGB"
    return image.getpixel((0, 0))


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I;16", "I", "F"]
)
def test_every_mode_becomes_rgb_pixels_and_nothing_else(mode):
    source = draw_picture(0)
    image = source.convert("L").convert(mode) if mode in ("I;16", "I", "F") else _convert(source, mode)
    image.info.update(comment=b"secret", exif=b"secret")
    result = to_srgb(image)
    assert (result.mode, result.size, result.info) == ("RGB", source.size, {})


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if mode == "LAB":
        return ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
    return image.convert(mode)


def test_transparent_parts_are_white():
    assert pixel(to_srgb(Image.new("RGBA", (1, 1), (10, 20, 30, 0)))) == (255, 255, 255)
    assert pixel(to_srgb(Image.new("RGBA", (1, 1), (10, 20, 30, 255)))) == (10, 20, 30)
    assert pixel(to_srgb(Image.new("LA", (1, 1), (0, 0)))) == (255, 255, 255)
    # Half of black over white: 255 * (1 - 128 / 255) = 127.
    assert pixel(to_srgb(Image.new("RGBA", (1, 1), (0, 0, 0, 128)))) == (127, 127, 127)


def test_a_transparent_palette_entry_is_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 255, 0])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 0
    result = to_srgb(image)
    assert [result.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (0, 255, 0)]


def test_a_transparent_colour_is_white():
    image = Image.new("RGB", (1, 1), (1, 2, 3))
    image.info["transparency"] = (1, 2, 3)
    assert pixel(to_srgb(image)) == (255, 255, 255)


def test_deep_grey_keeps_its_high_byte():
    levels = np.array([[0, 255, 256, 0x7FFF, 0x8000, 0xFFFF]], dtype=np.uint16)
    result = np.asarray(to_srgb(Image.fromarray(levels)))
    assert result[0, :, 0].tolist() == [0, 0, 1, 127, 128, 255]


def test_deep_grey_with_a_transparent_level():
    image = Image.fromarray(np.array([[0, 0x8000]], dtype=np.uint16))
    image.info["transparency"] = 0
    assert np.asarray(to_srgb(image))[0, :, 0].tolist() == [255, 128]


def test_floating_point_grey_is_one_or_255_wide():
    assert np.asarray(to_srgb(Image.fromarray(np.float32([[0, 0.5, 1]]))))[0, :, 0].tolist() == [0, 128, 255]
    result = np.asarray(to_srgb(Image.fromarray(np.float32([[-5, 100, 300, np.nan, np.inf]]))))
    assert result[0, :, 0].tolist() == [0, 100, 255, 0, 255]


def test_a_profile_is_applied():
    image = Image.new("RGB", (1, 1), (200, 40, 90))
    image.info["icc_profile"] = swapped_profile()
    red, green, blue = pixel(to_srgb(image))
    assert np.abs(np.array((red, green, blue)) - (40, 200, 90)).max() <= 2


def test_a_profile_is_applied_under_transparency():
    image = Image.new("RGBA", (1, 1), (200, 40, 90, 255))
    image.info["icc_profile"] = swapped_profile()
    assert np.abs(np.array(pixel(to_srgb(image))) - (40, 200, 90)).max() <= 2


@pytest.mark.parametrize("profile", [b"", b"junk" * 100, swapped_profile()[:200], profile_bytes("sRGB")])
def test_a_broken_or_srgb_profile_changes_nothing(profile):
    image = draw_picture(0)
    image.info["icc_profile"] = profile
    assert np.array_equal(np.asarray(to_srgb(image)), np.asarray(draw_picture(0)))


def test_a_profile_for_other_channels_is_left_out():
    image = Image.new("L", (1, 1), 77)
    image.info["icc_profile"] = swapped_profile()
    assert pixel(to_srgb(image)) == (77, 77, 77)


def linear_profile(name: bytes) -> bytes:
    """A profile of linear light with sRGB's colours, as raw converters embed it."""
    numbers = {
        b"wtpt": (0.9642, 1.0, 0.8249),
        b"rXYZ": (0.4361, 0.2225, 0.0139),
        b"gXYZ": (0.3851, 0.7169, 0.0971),
        b"bXYZ": (0.1431, 0.0606, 0.7141),
    }
    tags = {
        tag: struct.pack(">4s4x3i", b"XYZ ", *(round(65536 * x) for x in xyz)) for tag, xyz in numbers.items()
    }
    tags[b"desc"] = struct.pack(">4s4xI", b"desc", len(name) + 1) + name + bytes(79 - len(name) % 4)
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), struct.pack(">4s4xIHxx", b"curv", 1, 256))
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, at + len(body), len(data))
        body += data
    white = tags[b"wtpt"][8:]
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x", at + len(body), 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", white
    )
    return head + table + body


@pytest.mark.parametrize("name", [b"sRGB-elle-V2-g10.icc", b"Linear RGB"])
def test_a_profile_counts_by_what_it_does_and_not_by_its_name(name):
    image = Image.new("RGB", (1, 1), (55, 55, 55))
    image.info["icc_profile"] = linear_profile(name)
    # 55 / 255 of the light are 128 / 255 of sRGB's curve.
    assert np.abs(np.array(pixel(to_srgb(image))) - 128).max() <= 1


P3_RED, BT2020, PQ, HLG = (202, 54, 44), 9, 16, 18


def encode_with_codes(image: Image.Image, image_format: str, primaries: int, transfer: int) -> bytes:
    if image_format == "HEIF":
        codes = {"color_primaries": primaries, "transfer_characteristics": transfer}
        return encode_picture(image, "HEIF", quality=-1, chroma=444, **codes)
    data = encode_picture(
        image, image_format, **({"quality": 100, "subsampling": "4:4:4"} if image_format == "AVIF" else {})
    )
    if image_format == "AVIF":
        at = data.index(b"colrnclx") + 8
        return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]
    at, chunk = data.index(b"IDAT") - 4, b"cICP" + bytes([primaries, transfer, 0, 1])
    return data[:at] + b"\0\0\0\4" + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[at:]


@pytest.mark.parametrize("image_format", ["HEIF", "AVIF", "PNG"])
@pytest.mark.parametrize(
    ("colour", "primaries", "transfer", "expected"),
    [
        (P3_RED, 1, 13, P3_RED),
        (P3_RED, 2, 2, P3_RED),
        # Display P3, said without a profile: what sRGB calls (220, 30, 30).
        (P3_RED, 12, 13, (220, 30, 30)),
        # immich-app/immich#26581, #18636: HDR looks flat. White paper (203 nits) is coded as 148 of 255 in PQ
        # and 191 in HLG; a display of 1,000 nits shows the highest HLG level.
        ((148, 148, 148), BT2020, PQ, (238, 238, 238)),
        ((191, 191, 191), BT2020, HLG, (237, 237, 237)),
        ((255, 255, 255), BT2020, HLG, (255, 255, 255)),
        ((0, 0, 0), BT2020, PQ, (0, 0, 0)),
    ],
)
def test_colours_said_by_codes_are_converted(image_format, colour, primaries, transfer, expected):
    data = encode_with_codes(Image.new("RGB", (64, 64), colour), image_format, primaries, transfer)
    image = read_pixels(io.BytesIO(data), image_format, 10_000)
    assert np.abs(np.array(image.getpixel((32, 32))) - expected).max() <= 4


def test_a_profile_counts_more_than_codes():
    image = Image.new("RGB", (64, 64), (200, 40, 90))
    data = encode_with_codes(image, "PNG", 12, 13)
    profile = encode_picture(image, "PNG", icc_profile=swapped_profile())
    start, end = profile.index(b"iCCP") - 4, profile.index(b"IDAT") - 4
    data = data[:33] + profile[start:end] + data[33:]
    image = read_pixels(io.BytesIO(data), "PNG", 10_000)
    assert np.abs(np.array(image.getpixel((32, 32))) - (40, 200, 90)).max() <= 2
