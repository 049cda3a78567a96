"""The right pixels of one open file: checked, turned upright, 8-bit sRGB."""

from collections.abc import Callable
from typing import IO

from PIL import Image

from vibe_photos.errors import DecodeError
from vibe_photos.library.image_formats import check_pixels, open_image
from vibe_photos.library.orientation import find_orientation, swaps_edges, turn_upright
from vibe_photos.library.srgb import to_srgb

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
