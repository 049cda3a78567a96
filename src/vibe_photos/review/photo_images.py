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
        self._root = root
        self._max_pixels = max_pixels
        self._room_bytes = cache_bytes
        self._cache: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._pending: dict[tuple[str, int], Future[bytes]] = {}
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(min(_MAX_THREADS, os.cpu_count() or 1), "photo")

    def request_jpeg(self, photo: Photo, edge_px: int) -> "Future[bytes]":
        """Return a future of the JPEG of a photo, its longer edge at most `edge_px`.

        Its result raises `DecodeError` if the photo cannot be shown.
        """
        key = (photo.image_id, edge_px)
        with self._lock:
            if key in self._cache:
                self._cache.move_to_end(key)
                ready: Future[bytes] = Future()
                ready.set_result(self._cache[key])
                return ready
            if key not in self._pending:
                self._pending[key] = self._threads.submit(self._make, photo, edge_px)
            return self._pending[key]

    @property
    def cached_bytes(self) -> int:
        """The size of the cached JPEGs."""
        with self._lock:
            return sum(map(len, self._cache.values()))

    def close(self) -> None:
        """Stop decoding and cancel pending requests."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _make(self, photo: Photo, edge_px: int) -> bytes:
        key, path = (photo.image_id, edge_px), photo_path(self._root, photo)
        try:
            with verified(path, photo):
                data = encode_photo(path, edge_px, self._max_pixels)
            self._store(key, data)
            return data
        finally:
            with self._lock:
                del self._pending[key]

    def _store(self, key: tuple[str, int], data: bytes) -> None:
        with self._lock:
            self._cache[key] = data
            self._room_bytes -= len(data)
            while self._room_bytes < 0:
                _, oldest = self._cache.popitem(last=False)
                self._room_bytes += len(oldest)


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
