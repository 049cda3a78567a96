"""Which way up a photo is: the EXIF tag, and turning the pixels accordingly.

Any picture that Pillow can hold as what everything else here works with: 8-bit sRGB on white.

The right pixels of one open file: checked, turned upright, 8-bit sRGB.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import IO

import numpy as np
from PIL import Image, ImageCms

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.formats import check_pixels, open_image

_ORIENTATION_TAG = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def find_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation (1-8) that an opened image is still to be turned by.

    It is 1 where there is none or a damaged one. Only that one tag is read, so that nothing else which is
    wrong with the EXIF data matters. TIFF and HEIF pictures are turned by their readers.
    """
    orientation = 1
    with suppress(struct.error, ValueError, TypeError, AttributeError):
        orientation = _read_tag(_find_exif(image))
    return orientation if orientation in _TURNS else 1


def swaps_edges(orientation: int) -> bool:
    """Tell whether turning the pixels upright makes the width the height."""
    return orientation >= 5


def turn_upright(image: Image.Image, orientation: int) -> Image.Image:
    """Return the pixels as they are to be seen."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def _find_exif(image: Image.Image) -> bytes:
    """Return the EXIF block; older PNG writers keep it as text with a length, in hex digits."""
    exif = image.info.get("exif")
    if exif is None and "Raw profile type exif" in image.info:
        exif = bytes.fromhex("".join(image.info["Raw profile type exif"].split("\n")[3:]))
    return exif or b""


def _read_tag(exif: bytes) -> int:
    """Look through the first directory of a TIFF structure (EXIF 2.32, 4.6.2)."""
    exif = exif.removeprefix(b"Exif\0\0")
    order = "<" if exif.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", exif, 4)
    (count,) = struct.unpack_from(order + "H", exif, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, at)
        if tag == _ORIENTATION_TAG:
            return int(value) if kind == 3 else 1
    return 1


_WHITE = (255, 255, 255)
_PROFILED_MODES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""Pillow's modes to which a profile can apply, and the colour space that it must be of."""


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded picture as RGB, 8 bits a channel, in sRGB, transparent parts on white.

    A colour profile is applied when it fits the pixels; a broken or unfitting one counts as sRGB. Of
    16-bit grey the high byte is kept, as Pillow does for 16-bit colour. Floating-point grey is 0..1, or
    0..255 where it goes beyond 1. The result carries nothing but pixels: no EXIF, no profile, no comment. It
    is the picture itself where that has the right pixels already: a copy would cost a twentieth of the time.
    """
    profile = image.info.get("icc_profile")
    image = _reduce_depth(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        alpha = image.getchannel("A")
        colors = _apply_profile(image.convert("RGB"), profile)
        image = Image.composite(colors, Image.new("RGB", image.size, _WHITE), alpha)
    else:
        image = _apply_profile(image if image.mode in _PROFILED_MODES else image.convert("RGB"), profile)
    image.info = {}
    return image


def _reduce_depth(image: Image.Image) -> Image.Image:
    """Bring 16-bit, 32-bit and floating-point grey to 8 bits."""
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
    """Return the way from a profile to sRGB, or None where there is nothing to do or it does not fit."""
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        if source.profile.xcolor_space.strip() != _PROFILED_MODES[mode]:
            return None
        if (source.profile.profile_description or "").lower().startswith("srgb"):
            return None
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB", intent)
    except (OSError, ImageCms.PyCMSError, ValueError, TypeError):
        return None


NeededSize = Callable[[int, int], tuple[int, int]]
"""From a picture's upright width and height in pixels to those it is going to be resized to."""


def read_pixels(
    file: IO[bytes], image_format: str, max_pixels: int, needed_size: NeededSize | None = None
) -> Image.Image:
    """Decode an open file of a known format in this process; see `decode.decode_photo`.

    Raises:
        DecodeError: `too_many_pixels`, `too_complex`, `truncated`, `damaged` or `too_much_memory`.
    """
    try:
        image = open_image(file, image_format)
        check_pixels(*image.size, max_pixels)
        orientation = find_orientation(image)
        if needed_size is not None and image_format == "JPEG":
            image.draft(None, _stored_size(image.size, needed_size, orientation))
        image.load()
        return turn_upright(to_srgb(image), orientation)
    except DecodeError:
        raise
    except MemoryError:
        raise DecodeError("too_much_memory", "decoding takes more memory than there is") from None
    # Pillow's readers meet damaged bytes with exceptions of any kind, from struct.error to ZeroDivisionError.
    except Exception as error:
        raise _judge_error(error) from error


def _stored_size(size: tuple[int, int], needed_size: NeededSize, orientation: int) -> tuple[int, int]:
    """Ask for the needed size as seen upright, and return it as the file stores the picture."""
    if not swaps_edges(orientation):
        return needed_size(*size)
    width, height = needed_size(size[1], size[0])
    return height, width


def _judge_error(error: Exception) -> DecodeError:
    is_cut_off = isinstance(error, EOFError) or "truncated" in str(error).lower()
    reason = "truncated" if is_cut_off else "damaged"
    return DecodeError(reason, f"{type(error).__name__}: {error}")
