"""Read the pixels of an open image file: upright, 8-bit sRGB, transparent parts on white."""

from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import IO

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageFile

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.formats import open_image

NeededSize = Callable[[int, int], tuple[int, int]]
"""A function from a picture's upright width and height in pixels to the size it will be resized to."""

_WHITE = (255, 255, 255)
_PROFILED_MODES = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK"}
"""Pillow's modes to which a profile can apply, and the colour space that the profile must have."""

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
    file: IO[bytes], image_format: str, max_pixels: int, needed_size: NeededSize | None = None
) -> Image.Image:
    """Decode an open file of a known format in this process; parameters as in `decode.decode_photo`.

    Raises:
        DecodeError: `too_many_pixels`, `too_complex`, `truncated`, `damaged` or `too_much_memory`.
    """
    try:
        image = open_image(file, image_format)
        if image.width * image.height > max_pixels:
            size = f"{image.width} x {image.height} pixels"
            raise DecodeError("too_many_pixels", f"{size} are more than the {max_pixels} allowed")
        if needed_size is not None and image_format == "JPEG":
            _shrink_while_decoding(image, needed_size)
        image.load()
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
        raise DecodeError(reason, f"{type(error).__name__}: {error}") from error


def _shrink_while_decoding(image: ImageFile.ImageFile, needed_size: NeededSize) -> None:
    if find_orientation(image) >= 5:  # stored with width and height swapped
        height, width = needed_size(image.height, image.width)
    else:
        width, height = needed_size(image.width, image.height)
    image.draft(None, (width, height))


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
    """Return the conversion from a profile to sRGB; None if it is sRGB already or does not fit."""
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
