"""Photos made ready to send, in threads, ahead of the requests that send them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Self

from vibe_photos.annotate.failures import AskFailed
from vibe_photos.annotate.payload import data_url, prepare_jpeg
from vibe_photos.errors import DecodeError
from vibe_photos.records.photos import Photo, photo_path
from vibe_photos.settings import SentImage


class PreparedPhotos:
    """Photos in order, the next `depth` of them in preparation or ready; memory holds no more than those."""

    def __init__(
        self, photos: Iterable[Photo], prepare: Callable[[Photo], str], threads: int, depth: int
    ) -> None:
        self._photos = iter(photos)
        self._prepare = prepare
        self._pool = ThreadPoolExecutor(threads, "prepare")
        self._depth = depth
        self._ahead: deque[tuple[Photo, asyncio.Future[str]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for _photo, image_url in self._ahead:
            if not image_url.cancel() and not image_url.cancelled():
                image_url.exception()  # seen, so that asyncio does not report it
        self._pool.shutdown(cancel_futures=True)

    def take(self) -> tuple[Photo, asyncio.Future[str]] | None:
        """Return the next photo and what is sent of it, to come (or `AskFailed`); None after the last."""
        for photo in islice(self._photos, self._depth - len(self._ahead)):
            image_url = asyncio.get_running_loop().run_in_executor(self._pool, self._prepare, photo)
            self._ahead.append((photo, image_url))
        return self._ahead.popleft() if self._ahead else None


def prepare_photo(root: Path, photo: Photo, image: SentImage, max_pixels: int) -> str:
    """Return the data URL of the JPEG that is sent of a photo of the library.

    Raises:
        AskFailed: its file is gone, has changed since the scan or cannot be decoded.
    """
    path = photo_path(root, photo)
    try:
        if path.stat().st_size != photo.bytes:
            raise AskFailed("unreadable", "the file has changed since the scan")
        return data_url(prepare_jpeg(path, image, max_pixels))
    except DecodeError as error:
        raise AskFailed("unreadable", f"{error.reason}: {error}") from None
    except OSError as error:
        raise AskFailed("unreadable", f"the file cannot be read: {error.strerror}") from None
