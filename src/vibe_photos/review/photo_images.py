"""Photos for the page, re-encoded at screen size, with a cache in memory."""

import io
import os
import threading
from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from vibe_photos.pixels.decode import decode_photo
from vibe_photos.records.photos import Photo, photo_path, verified

SIZES_PX = {"320": 320, "1600": 1600, "full": 4096}
"""The longer edge, by the `size` in a request."""

CACHE_BYTES = 64 * 1024 * 1024
"""About 200 photos of 1600 px, or 4000 of 320 px."""

_JPEG_QUALITY = 85
_MAX_THREADS = 4


class PhotoImages:
    """JPEGs of the library's photos, made in threads; the last ones, up to `cache_bytes`, are cached.

    Simultaneous requests for a photo decode it once. Failures are not cached.
    """

    def __init__(self, root: Path, max_pixels: int, cache_bytes: int = CACHE_BYTES) -> None:
        self._root, self._max_pixels, self._most_bytes = root, max_pixels, cache_bytes
        self.cached_bytes = 0
        self._jpegs: OrderedDict[tuple[str, int], Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), "photo")

    def request_jpeg(self, photo: Photo, edge_px: int) -> "Future[bytes]":
        """Return a future of the JPEG of a photo, its longer edge at most `edge_px`.

        Its result raises `DecodeError` if the photo cannot be shown.
        """
        key = (photo.image_id, edge_px)
        with self._lock:
            if key not in self._jpegs:
                self._jpegs[key] = self._threads.submit(self._make, photo, edge_px)
            self._jpegs.move_to_end(key)
            return self._jpegs[key]

    def close(self) -> None:
        """Stop decoding and cancel pending requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, photo: Photo, edge_px: int) -> bytes:
        path, data = photo_path(self._root, photo), b""
        try:
            with verified(path, photo):
                data = encode_photo(path, edge_px, self._max_pixels)
            return data
        finally:
            with self._lock:
                self._keep((photo.image_id, edge_px), len(data))

    def _keep(self, made: tuple[str, int], size_bytes: int) -> None:
        """Keep a JPEG that was made, if there is one and it fits; let go of the oldest ones for it."""
        if not 0 < size_bytes <= self._most_bytes:
            del self._jpegs[made]
            return
        self.cached_bytes += size_bytes
        for key in [key for key, jpeg in self._jpegs.items() if jpeg.done()]:
            if self.cached_bytes > self._most_bytes:
                self.cached_bytes -= len(self._jpegs.pop(key).result())


def encode_photo(path: Path, edge_px: int, max_pixels: int) -> bytes:
    """Return a photo as JPEG, upright, in sRGB, its longer edge at most `edge_px`, never enlarged.

    The JPEG has no Exif, GPS, profile or comment.

    Raises:
        DecodeError: the file is not a picture that can be read.
    """

    def fit(width: int, height: int) -> tuple[int, int]:
        scale = min(1.0, edge_px / max(width, height))
        return max(1, round(width * scale)), max(1, round(height * scale))

    image = decode_photo(path, max_pixels=max_pixels, needed_size=fit)
    # When shrinking, as sharp as the bicubic filter in half the time.
    shown = image.resize(fit(*image.size), Image.Resampling.HAMMING, reducing_gap=3.0)
    shown.info = {}
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return buffer.getvalue()
