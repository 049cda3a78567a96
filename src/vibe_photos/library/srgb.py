"""Any picture that Pillow can hold as what everything else here works with: 8-bit sRGB on white."""

from functools import lru_cache
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

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
