"""Thumbnails in the page, encoded from pixels alone: no metadata of the photo gets into it."""

import base64
import io
import os
from collections.abc import Iterable
from pathlib import Path

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.records.photos import Photo, photo_path, verified
from vibe_photos.settings import Settings

THUMBNAIL_PX = 240
JPEG_QUALITY = 68


def make_thumbnails(photos: Iterable[Photo], settings: Settings) -> dict[str, str]:
    """Return `data:` URIs of JPEGs by `image_id`, for the photos that can be read."""
    root = Path(settings.library.root)
    if not os.access(root, os.R_OK):
        return {}
    thumbnails = {photo.image_id: _make_thumbnail(root, photo, settings.embed.max_pixels) for photo in photos}
    return {image_id: thumbnail for image_id, thumbnail in thumbnails.items() if thumbnail}


def _make_thumbnail(root: Path, photo: Photo, max_pixels: int) -> str | None:
    path = photo_path(root, photo)
    try:
        with verified(path, photo):
            image = decode_photo(path, max_pixels=max_pixels, needed_size=_thumbnail_size)
    except DecodeError:
        return None
    small = resize(image, _thumbnail_size(*image.size))
    # Pillow would otherwise write comments and profiles into the file.
    small.info = {}
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=JPEG_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _thumbnail_size(width: int, height: int) -> tuple[int, int]:
    """Return the size at which the longer edge is at most `THUMBNAIL_PX`, each edge at least 1."""
    scale = min(1.0, THUMBNAIL_PX / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
