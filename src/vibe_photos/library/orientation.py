"""Which way up a photo is: the EXIF tag, and turning the pixels accordingly."""

import struct
from contextlib import suppress

from PIL import Image

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
