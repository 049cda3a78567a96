"""Decode a photo file to pixels, for encoders, the teacher and the review page."""

import os
from pathlib import Path

from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import NeededSize, read_pixels
from vibe_photos.pixels.decoder_process import decode_apart
from vibe_photos.pixels.formats import BOUNDED_BYTES, BOUNDED_FORMATS, HEAD_BYTES, recognise_format
from vibe_photos.terminal import name_file


def decode_photo(path: Path, *, max_pixels: int, needed_size: NeededSize | None = None) -> Image.Image:
    """Return a photo's pixels, upright, as 8-bit sRGB on white; for an animation the first frame.

    Safe to call from several threads at the same time. Time and memory depend on the picture itself, not on
    what a file has behind it: a JPEG or PNG takes up to 16 bytes a pixel and its coded bytes, in at most 100
    passes; everything else is decoded in a child process that may take 120 s and 2 GiB + 16 bytes a pixel.

    Args:
        path: the photo; the format is detected from its first bytes, not from its name.
        max_pixels: a photo with more pixels is refused before it is decoded.
        needed_size: maps the upright width and height to the size that the caller will resize to. A JPEG is
            then decoded at 1/2, 1/4 or 1/8 of its size if both edges stay large enough; other formats are
            decoded at full size.

    Raises:
        DecodeError: its `reason` is `missing`, `unreadable`, `empty`, `not_an_image`, `not_supported`,
            `too_many_pixels`, `too_complex`, `truncated`, `damaged`, `too_much_memory`, `too_slow` or
            `decoder_died`.
    """
    try:
        with name_file(path), path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if not head:
                raise DecodeError("empty", "the file has no bytes")
            image_format = recognise_format(head)
            if image_format is None:
                raise DecodeError("not_an_image", "its first bytes are not those of a supported image format")
            is_bounded = image_format in BOUNDED_FORMATS and os.fstat(file.fileno()).st_size <= BOUNDED_BYTES
            if not is_bounded:
                return decode_apart(os.fsencode(path), image_format, max_pixels)
            file.seek(0)
            return read_pixels(file, image_format, max_pixels, needed_size)
    except FileNotFoundError:
        raise DecodeError("missing", "the file does not exist any more") from None
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or str(error)) from None


def resize(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image in another size (width, height), by bicubic interpolation.

    If it shrinks to a third or less, blocks of pixels are averaged first, which is faster and not visible
    (Pillow's `reducing_gap`).
    """
    return image if image.size == size else image.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
