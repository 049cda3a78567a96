"""From a photo's path to its pixels: what every encoder, page and payload is made from."""

import os
from pathlib import Path

from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import NeededSize, read_pixels
from vibe_photos.pixels.decoder_process import decode_apart
from vibe_photos.pixels.formats import BOUNDED_FORMATS, HEAD_BYTES, recognise_format

PIXELS_VERSION: int = 1
"""Raise it when `decode_photo` or `resize` gives other pixels for any photo.

Stored vectors are kept under this number, so that old ones are computed again. Paid answers are never asked
for again because of it: the annotate stage says how many were given to which version.
"""


def decode_photo(path: Path, *, max_pixels: int, needed_size: NeededSize | None = None) -> Image.Image:
    """Return a photo's pixels upright, as 8-bit sRGB on white; of an animation the first frame.

    Args:
        path: the photo; its format is told by its first bytes, not by its name.
        max_pixels: a photo with more is refused before anything is decoded.
        needed_size: from the upright width and height to the size that the caller is going to resize to.
            A JPEG is then decoded at 1/2, 1/4 or 1/8 of its size, as long as neither edge gets smaller
            than needed; other formats come whole.

    Safe to call from several threads, which decode at the same time.

    Raises:
        DecodeError: its `reason` is `missing`, `unreadable`, `empty`, `not_an_image`, `too_many_pixels`,
            `too_complex`, `truncated`, `damaged`, `too_much_memory`, `too_slow` or `decoder_died`.
    """
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not head:
                raise DecodeError("empty", "the file has no bytes")
            image_format = recognise_format(head)
            if image_format is None:
                raise DecodeError("not_an_image", "its first bytes are of no image format that is read")
            if image_format not in BOUNDED_FORMATS:
                return decode_apart(os.fsencode(path), image_format, max_pixels)
            file.seek(0)
            return read_pixels(file, image_format, max_pixels, needed_size)
    except FileNotFoundError:
        raise DecodeError("missing", "there is no such file any more") from None
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or str(error)) from None


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image in another size (width, height), by bicubic interpolation over all pixels.

    Where it shrinks to a third or less, whole blocks of pixels are averaged first; the difference cannot
    be seen (`reducing_gap` of 3 in Pillow), and a JPEG that was decoded small never gets there.
    """
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
