import numpy as np
import pytest
from PIL import Image, ImageCms
from tests.unit.pictures import draw_picture

from vibe_photos.pixels.conversion import to_srgb


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
