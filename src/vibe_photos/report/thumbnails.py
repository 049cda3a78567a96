"""Small pictures inside the page: re-encoded from pixels, so that no metadata of the photo comes along."""

import base64
import io
import os
from pathlib import Path

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.records.photos import Photo, photo_path

THUMBNAIL_PX = 240
JPEG_QUALITY = 68


def make_thumbnail(root: Path, photo: Photo, max_pixels: int) -> str | None:
    """Return a photo as a `data:` URI of a JPEG of at most `THUMBNAIL_PX`, or None where it cannot be read.

    Nothing is left of Exif, GPS, profiles or comments.
    """
    try:
        image = decode_photo(photo_path(root, photo), max_pixels=max_pixels, needed_size=thumbnail_size)
    except DecodeError:
        return None
    small = resize(image, thumbnail_size(*image.size))
    small.info = {}
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which the longer edge is at most `THUMBNAIL_PX`, each edge at least 1."""
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def has_photos(root: Path) -> bool:
    """Return whether the folder of photos is at hand."""
    return root.is_dir() and os.access(root, os.R_OK)
