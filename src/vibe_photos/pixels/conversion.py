"""Read the pixels of an open image file: upright, 8-bit sRGB, transparent parts on white."""

import math
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.formats import open_image, open_whole_jpeg

NeededSize = Callable[[int, int], tuple[int, int]]
"""A function from a picture's upright width and height in pixels to the size it will be resized to."""

_WHITE = (255, 255, 255)
_PROFILED_MODES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""Pillow's modes to which a profile can apply, and the colour space that the profile must have."""

_IDENTITY_LEVELS = 3
"""A profile that changes no colour by more than this many of 255 levels is taken for sRGB."""

_LEVELS = np.linspace(0, 255, 16).round().astype(np.uint8)
_PROBES = {
    "RGB": Image.fromarray(np.stack(np.meshgrid(_LEVELS, _LEVELS, _LEVELS), axis=-1).reshape(64, 64, 3)),
    "L": Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16)),
}

_PRIMARIES = {
    1: ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141)),
    9: ((0.67348, 0.27904, -0.00194), (0.16566, 0.67535, 0.02998), (0.12505, 0.04561, 0.79686)),
    12: ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)),
}
"""XYZ (D50) of red, green and blue by code (ITU-T H.273): of sRGB, BT.2020 and Display P3."""

_LINEAR, _PQ, _HLG = 8, 16, 18
_WHITE_NITS = 203.0
"""The brightness of white paper in an HDR picture (ITU-R BT.2408)."""

_KNEE = 0.6
"""The share of white from which highlights are compressed."""

_CODES_HEAD_BYTES = 1 << 16
_CODED_COLOURS = {
    "AVIF": re.compile(rb"colrnclx(..)(..)", re.DOTALL),
    "PNG": re.compile(rb"\x00\x00\x00\x04cICP(.)(.)", re.DOTALL),
}

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation; from 5 on, width and height are swapped."""


def read_pixels(
    file: IO[bytes],
    image_format: str,
    max_pixels: int,
    needed_size: NeededSize | None = None,
    prepare_for: Callable[[int], None] = lambda pixels: None,
) -> Image.Image:
    """Decode an open file of a known format in this process; parameters as in `decode.decode_photo`.

    `prepare_for` is called with the number of pixels before they are decoded.

    Raises:
        DecodeError: `not_supported`, `too_many_pixels`, `too_complex`, `truncated`, `damaged` or
            `too_much_memory`.
    """
    try:
        image = open_image(file, image_format)
        if image.width * image.height > max_pixels:
            size = f"{image.width} x {image.height} pixels"
            raise DecodeError("too_many_pixels", f"{size} are more than the {max_pixels} allowed")
        prepare_for(image.width * image.height)
        if image_format == "JPEG":
            image = open_whole_jpeg(file, image)
            if needed_size is not None:
                _shrink_while_decoding(image, needed_size)
        coded_colours = _find_coded_colours(file, image, image_format)
        image.load()
        if coded_colours:
            image.info["icc_profile"] = _build_profile(*coded_colours)
        # After loading: it turns a TIFF, and reads metadata that a PNG has after its pixels.
        orientation = find_orientation(image)
        pixels = to_srgb(image)
        return pixels.transpose(_TURNS[orientation]) if orientation in _TURNS else pixels
    except DecodeError:
        raise
    except MemoryError:
        raise DecodeError("too_much_memory", "decoding needs more memory than there is") from None
    # On damaged bytes Pillow's readers raise any exception, from struct.error to ZeroDivisionError.
    except Exception as error:
        is_cut_off = isinstance(error, EOFError) or "truncated" in str(error).lower()
        reason = "truncated" if is_cut_off else "damaged"
        raise DecodeError(reason, " ".join(f"{type(error).__name__}: {error}".split())) from error


def _shrink_while_decoding(image: ImageFile.ImageFile, needed_size: NeededSize) -> None:
    if find_orientation(image) >= 5:  # stored with width and height swapped
        height, width = needed_size(image.height, image.width)
    else:
        width, height = needed_size(image.width, image.height)
    image.draft(None, (width, height))


def _find_coded_colours(file: IO[bytes], image: Image.Image, image_format: str) -> tuple[int, int] | None:
    """Return the codes of the primaries and the transfer function that a picture says without a profile.

    None if they are those of ordinary pictures. The codes are those of ITU-T H.273.
    """
    if image_format == "HEIF":
        nclx = image.info.get("nclx_profile") or {}
        codes = nclx.get("color_primaries", 1), nclx.get("transfer_characteristics", 13)
    elif image_format in _CODED_COLOURS and "icc_profile" not in image.info:
        at = file.tell()
        file.seek(0)
        found = _CODED_COLOURS[image_format].search(file.read(_CODES_HEAD_BYTES))
        file.seek(at)
        codes = (int.from_bytes(found[1], "big"), int.from_bytes(found[2], "big")) if found else (1, 13)
    else:
        return None
    is_wide, is_hdr = codes[0] in _PRIMARIES and codes[0] != 1, codes[1] in (_LINEAR, _PQ, _HLG)
    return codes if is_wide or is_hdr else None


def find_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation (1-8) that must still be applied; 1 if it is missing or damaged."""
    orientation = 1
    with suppress(Exception):
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    return orientation if orientation in _TURNS else 1


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as 8-bit sRGB, transparent parts on white, without any metadata.

    A colour profile is applied if it fits the pixels; a broken or unfitting profile is ignored. 16-bit grey
    keeps the high byte, as Pillow does for 16-bit colour. Floating-point grey is 0..1, or 0..255 if a value
    exceeds 1. If the pixels are already right, the picture itself is returned, because a copy takes time.
    """
    profile = image.info.get("icc_profile")
    image = _reduce_depth(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        colors = _apply_profile(image.convert("RGB"), profile)
        image = Image.composite(colors, Image.new("RGB", image.size, _WHITE), image.getchannel("A"))
    else:
        image = _apply_profile(image if image.mode in _PROFILED_MODES else image.convert("RGB"), profile)
    image.info = {}
    return image


def _reduce_depth(image: Image.Image) -> Image.Image:
    """Convert 16-bit, 32-bit and floating-point grey to 8 bits."""
    if image.mode == "F":
        levels = np.nan_to_num(np.asarray(image), posinf=255.0)
        levels = levels * (255.0 if levels.max(initial=0.0) <= 1.0 else 1.0)
        return Image.fromarray(np.rint(levels.clip(0.0, 255.0)).astype(np.uint8))
    if image.mode.startswith("I"):
        levels = np.asarray(image)
        grey = Image.fromarray((levels.clip(0, 0xFFFF) >> 8).astype(np.uint8))
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            grey.putalpha(Image.fromarray(np.where(levels == transparent, 0, 255).astype(np.uint8)))
        return grey
    return image


def _apply_profile(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return the picture as RGB in sRGB."""
    transform = _build_transform(profile, image.mode) if profile else None
    converted = ImageCms.applyTransform(image, transform) if transform else None
    return converted or (image if image.mode == "RGB" else image.convert("RGB"))


@lru_cache(maxsize=32)
def _build_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the conversion from a profile to sRGB; None if it does not fit, or changes nothing visibly.

    Its name does not count: some profiles named "sRGB..." have other curves.
    """
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILED_MODES[mode]:
            return None
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
        return None if mode in _PROBES and _is_identity(transform, _PROBES[mode]) else transform
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


def _is_identity(transform: ImageCms.ImageCmsTransform, probe: Image.Image) -> bool:
    converted = np.asarray(ImageCms.applyTransform(probe, transform), dtype=np.int16)
    return bool(np.abs(converted - np.asarray(probe.convert("RGB"))).max() <= _IDENTITY_LEVELS)


@lru_cache(maxsize=32)
def _build_profile(primaries: int, transfer: int) -> bytes:
    """Return an ICC profile (version 2) for codes of ITU-T H.273; unknown codes count as sRGB's.

    HDR (PQ, HLG) becomes SDR: white paper is nearly white, and what is brighter is compressed to white.
    """
    curve = [_to_linear(step / 1023, transfer) for step in range(1024)]
    tags = {
        b"wtpt": _encode_xyz((0.9642, 1.0, 0.8249)),
        **{
            name: _encode_xyz(xyz)
            for name, xyz in zip(
                (b"rXYZ", b"gXYZ", b"bXYZ"), _PRIMARIES.get(primaries, _PRIMARIES[1]), strict=True
            )
        },
        **dict.fromkeys(
            (b"rTRC", b"gTRC", b"bTRC"),
            struct.pack(">4s4xI1024H", b"curv", 1024, *(round(65535 * level) for level in curve)),
        ),
    }
    at, table, body = 132 + 12 * len(tags), struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    illuminant = _encode_xyz((0.9642, 1.0, 0.8249))[8:]
    size = at + len(body)
    header = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x", size, 0x02400000, b"mntr", b"RGB ", b"XYZ ", b"acsp", illuminant
    )
    return header + table + body


def _encode_xyz(xyz: tuple[float, float, float]) -> bytes:
    return struct.pack(">4s4x3i", b"XYZ ", *(round(65536 * value) for value in xyz))


def _to_linear(level: float, transfer: int) -> float:
    """Return the linear light, 0 to 1, of a coded level, 0 to 1."""
    if transfer == _LINEAR:
        return level
    if transfer == _PQ:  # SMPTE ST 2084
        root = level ** (32 / 2523)
        nits = 10_000 * (max(root - 0.8359375, 0.0) / (18.8515625 - 18.6875 * root)) ** (8192 / 1305)
        return _compress(nits / _WHITE_NITS)
    if transfer == _HLG:  # ITU-R BT.2100, on a display of 1,000 nits
        scene = (
            level**2 / 3 if level <= 0.5 else (math.exp((level - 0.55991073) / 0.17883277) + 0.28466892) / 12
        )
        return _compress(1_000 * scene**1.2 / _WHITE_NITS)
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


def _compress(light: float) -> float:
    """Return light relative to white paper, 0 to about 50, as 0 to 1: highlights approach 1."""
    return light if light <= _KNEE else 1 - (1 - _KNEE) * math.exp((_KNEE - light) / (1 - _KNEE))
