"""The pixels that belong to `PIXELS_VERSION`: no photo's may change without a new version.

The pictures are flat blocks of colours in the middle of a bin of eight levels, and only the bin is compared.
So the last bit of a decoder does not matter, but other turning, colours or resizing do.
"""

import os
import subprocess
import sys

import numpy as np
import pytest
import xxhash
from PIL import Image
from tests.unit.pictures import draw_picture, encode_picture
from tests.unit.pixels.test_srgb import encode_with_codes, linear_profile, swapped_profile

from vibe_photos.pixels import PIXELS_VERSION
from vibe_photos.pixels.decode import decode_photo, resize

VERSION = 2
GOLDEN = {
    "JPEG, orientation 1": "f1f840fec2802038",
    "JPEG, orientation 2": "e3310ae3cda7692e",
    "JPEG, orientation 3": "c0e18ca6e2e81496",
    "JPEG, orientation 4": "07a78955666822b0",
    "JPEG, orientation 5": "f0fed845266cde31",
    "JPEG, orientation 6": "42dce06f91e79ff0",
    "JPEG, orientation 7": "de2c64ddacb72497",
    "JPEG, orientation 8": "b3f00d9b3ccff354",
    "JPEG, grey": "875f1392fc5928cc",
    "JPEG, CMYK": "b47cfdda318fa188",
    "JPEG, profile": "a2917b907c4f8c29",
    "JPEG, shrunk and turned": "a8a1e449868c3880",
    "PNG, 16 bits": "b6a687f0a9a3e1a6",
    "PNG, palette": "9718f28b9acb5234",
    "PNG, alpha": "d073959f83a0012d",
    "PNG, alpha and profile": "fc4dd36b11ebf51b",
    "WEBP, alpha": "d073959f83a0012d",
    "TIFF, orientation 6": "42dce06f91e79ff0",
    "HEIF, orientation 6": "42dce06f91e79ff0",
    "AVIF, orientation 6": "42dce06f91e79ff0",
    "PNG, linear profile named sRGB": "cc00dd4255c67f5e",
    "HEIF, Display P3 by codes": "b1375d10e34474ca",
    "PNG, PQ by codes": "2b6fb865a1c16c96",
    "resized to 40 x 30": "c259d85c2819b841",
    "resized to 12 x 9": "3b4f4f985d8ac71e",
    "resized to 100 x 75": "19c9be474b851bb9",
}

MESSAGE = "the pixels changed: raise PIXELS_VERSION and write the new values"
BLOCK_PX = 16
COLOURS = [[8 * (step * i % 26 + 3) + 4 for step in (2, 7, 11)] for i in range(12)]
"""Of 4 x 3 blocks: all different, each channel in the middle of its bin."""


def draw_blocks(block_px: int = BLOCK_PX) -> Image.Image:
    return _enlarge(np.array(COLOURS, dtype=np.uint8).reshape(3, 4, 3), block_px)


def _enlarge(pixels: np.ndarray, block_px: int = BLOCK_PX) -> Image.Image:
    return Image.fromarray(pixels.repeat(block_px, axis=0).repeat(block_px, axis=1))


def encode_jpeg(image: Image.Image, orientation: int = 1, **options: object) -> bytes:
    return encode_picture(image, "JPEG", quality=100, subsampling=0, exif=oriented(orientation), **options)


def oriented(orientation: int) -> bytes:
    """As bytes: of an `Image.Exif` pillow-heif writes no rotation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def encode_cmyk() -> bytes:
    """Ink without black, and in the last block black without ink."""
    ink = 255 - np.asarray(draw_blocks())
    ink = np.concatenate([ink, np.zeros_like(ink[..., :1])], axis=2)
    ink[-BLOCK_PX:, -BLOCK_PX:] = (0, 0, 0, 255 - 100)
    return encode_jpeg(Image.fromarray(ink, "CMYK"))


def encode_16_bits() -> bytes:
    levels = np.arange(12, dtype=np.uint16).reshape(3, 4) * 16 + 20
    return encode_picture(_enlarge(levels * 256 + 128), "PNG")


def encode_palette() -> bytes:
    image = _enlarge(np.arange(12, dtype=np.uint8).reshape(3, 4)).convert("P")
    image.putpalette([level for colour in COLOURS for level in colour])
    return encode_picture(image, "PNG", transparency=5)


def draw_alpha() -> Image.Image:
    """Opaque, transparent and in between: 148 of 255 over white makes of 60 a level of 142."""
    pixels = np.full((3, 4, 4), 255, dtype=np.uint8)
    pixels[..., :3] = np.array(COLOURS).reshape(3, 4, 3)
    pixels[0, 1, 3] = 0
    pixels[1, 2] = (60, 60, 60, 148)
    return _enlarge(pixels)


CASES = {
    **{f"JPEG, orientation {n}": lambda n=n: encode_jpeg(draw_blocks(), n) for n in range(1, 9)},
    "JPEG, grey": lambda: encode_jpeg(draw_blocks().getchannel("G")),
    "JPEG, CMYK": encode_cmyk,
    "JPEG, profile": lambda: encode_jpeg(draw_blocks(), icc_profile=swapped_profile()),
    "JPEG, shrunk and turned": lambda: encode_jpeg(draw_blocks(400), 6),
    "PNG, 16 bits": encode_16_bits,
    "PNG, palette": encode_palette,
    "PNG, alpha": lambda: encode_picture(draw_alpha(), "PNG"),
    "PNG, alpha and profile": lambda: encode_picture(draw_alpha(), "PNG", icc_profile=swapped_profile()),
    "WEBP, alpha": lambda: encode_picture(draw_alpha(), "WEBP", lossless=True, exact=True),
    "TIFF, orientation 6": lambda: encode_picture(draw_blocks(), "TIFF", exif=oriented(6)),
    "HEIF, orientation 6": lambda: encode_picture(
        draw_blocks(), "HEIF", quality=-1, chroma=444, matrix_coefficients=0, exif=oriented(6)
    ),
    "AVIF, orientation 6": lambda: encode_picture(
        draw_blocks(), "AVIF", quality=100, subsampling="4:4:4", exif=oriented(6)
    ),
}


def draw_converted() -> Image.Image:
    """Colours that stay in the middle of their bins through the three conversions that follow."""
    colours = [[[215, 142, 168], [102, 115, 129], [153, 200, 113], [170, 117, 213]]]
    return _enlarge(np.array(colours, dtype=np.uint8))


CASES |= {
    "PNG, linear profile named sRGB": lambda: encode_picture(
        draw_converted(), "PNG", icc_profile=linear_profile(b"sRGB-elle-V2-g10.icc")
    ),
    "HEIF, Display P3 by codes": lambda: encode_with_codes(draw_converted(), "HEIF", 12, 13),
    "PNG, PQ by codes": lambda: encode_with_codes(draw_converted(), "PNG", 9, 16),
}


def digest(pixels: np.ndarray) -> str:
    return xxhash.xxh3_64_hexdigest(np.array(pixels.shape, "<u4").tobytes() + (pixels >> 3).tobytes())


@pytest.mark.parametrize("name", CASES)
def test_the_pixels_are_those_of_the_version(tmp_path, name):
    (tmp_path / "photo").write_bytes(CASES[name]())
    needed_size = (lambda width, height: (150, 200)) if "shrunk" in name else None
    pixels = np.asarray(decode_photo(tmp_path / "photo", max_pixels=10**7, needed_size=needed_size))
    assert (np.isin(pixels & 7, (2, 3, 4, 5, 6)) | (pixels == 255)).all(), (
        "a colour is too near to the edge of a bin"
    )
    assert (PIXELS_VERSION, digest(pixels)) == (VERSION, GOLDEN[name]), MESSAGE


@pytest.mark.parametrize("size", [(40, 30), (12, 9), (100, 75)])
def test_resized_pixels_are_those_of_the_version(size):
    pixels = np.asarray(resize(draw_picture(0), size))
    name = f"resized to {size[0]} x {size[1]}"
    assert (PIXELS_VERSION, digest(pixels)) == (VERSION, GOLDEN[name]), MESSAGE


def test_a_processor_without_vector_instructions_gives_the_same_pixels(tmp_path):
    """libjpeg-turbo obeys JSIMD_FORCENONE."""
    for number, options in enumerate(
        ({}, {"subsampling": 0}, {"subsampling": 1}, {"progressive": True}, {"quality": 30})
    ):
        image = draw_picture(number, 333, 217)
        noise = np.random.default_rng(0).integers(0, 30, (217, 333, 1), dtype=np.uint8)
        image = Image.fromarray(np.asarray(image) // 2 + noise)
        (tmp_path / f"{number}.jpg").write_bytes(encode_picture(image, "JPEG", **options))
        (tmp_path / f"{number}_grey.jpg").write_bytes(encode_picture(image.convert("L"), "JPEG", **options))
        (tmp_path / f"{number}_cmyk.jpg").write_bytes(
            encode_picture(image.convert("CMYK"), "JPEG", **options)
        )
    code = (
        "import sys, hashlib, pathlib\n"
        "from vibe_photos.pixels.decode import decode_photo\n"
        "for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "  for part in (1, 2, 4, 8):\n"
        "    needed = lambda width, height: (width // part, height // part)\n"
        "    image = decode_photo(path, max_pixels=10**6, needed_size=needed)\n"
        "    print(path.name, image.size, hashlib.md5(image.tobytes()).hexdigest())\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, tmp_path], env=env, capture_output=True, text=True, check=True
        ).stdout
        for env in (dict(os.environ), {**os.environ, "JSIMD_FORCENONE": "1"})
    ]
    assert outputs[0].count("\n") == 60
    assert outputs[0] == outputs[1]
