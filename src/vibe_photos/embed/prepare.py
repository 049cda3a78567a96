"""One photo made ready in a worker thread: decoded once, hashed, and preprocessed for the encoder."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy.typing as npt
from PIL import Image

from vibe_photos.encoders.encoder import Encoder
from vibe_photos.errors import DecodeError
from vibe_photos.pixels.conversion import NeededSize
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.perceptual_hash import Hashes, perceptual_hashes
from vibe_photos.records.photos import Photo, PhotoProblem, photo_path

SHORT_EDGE_PX = 384
"""Every photo is decoded to at least this, whichever encoder runs, so that a hash depends on no encoder."""

HASH_RECIPE = "dct64-384px-16windows-1"
"""Names the pixels and the code that make perceptual hashes; a change of either is to change it."""


@dataclass(frozen=True, slots=True)
class PreparedPhoto:
    """A photo's perceptual hashes, and its item of the encoder's batch (None where it has a vector)."""

    photo: Photo
    perceptual_hashes: Hashes
    item: npt.NDArray[Any] | None


class EncoderOnDemand:
    """An encoder that is loaded when the first readable photo needs it, and only then."""

    def __init__(self, load: Callable[[], Encoder]) -> None:
        """Keep `load` for later."""
        self._load = load
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None

    def get(self) -> Encoder:
        """Return the encoder; the first thread to ask loads it."""
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder


@dataclass(frozen=True, slots=True)
class Preparation:
    """How photos are prepared; those whose ids are in `has_vector` only lack their hash."""

    root: Path
    max_pixels: int
    encoder: EncoderOnDemand
    has_vector: frozenset[str]

    def prepare_photo(self, photo: Photo) -> PreparedPhoto | PhotoProblem:
        """Decode, hash and preprocess one photo; what prevents it becomes a problem record."""
        path = photo_path(self.root, photo)
        try:
            image = self._decode(path, cover_short_edge)
            hashes = perceptual_hashes(image)
            item = None if photo.image_id in self.has_vector else self._preprocess(path, image)
        except DecodeError as error:
            return describe_problem(photo, error.reason, str(error))
        if _has_changed(path, photo):
            return describe_problem(photo, "changed", "the file is not the one that was scanned; scan again")
        return PreparedPhoto(photo, hashes, item)

    def _preprocess(self, path: Path, image: Image.Image) -> npt.NDArray[Any]:
        encoder = self.encoder.get()
        size = size_to_decode(encoder)
        return encoder.preprocess(image if size is cover_short_edge else self._decode(path, size))

    def _decode(self, path: Path, needed_size: NeededSize) -> Image.Image:
        return decode_photo(path, max_pixels=self.max_pixels, needed_size=needed_size)


def describe_problem(photo: Photo, reason: str, detail: str) -> PhotoProblem:
    """Return the record of a photo that gets no vector."""
    return PhotoProblem(rel_path=photo.rel_path, reason=reason, detail=detail, image_id=photo.image_id)


def size_to_decode(encoder: Encoder) -> NeededSize:
    """Return the `needed_size` with which photos are decoded for this encoder, wherever it is used.

    It is the size that hashes need, so that one decode serves both, unless the encoder looks closer.
    """
    is_enough = max(encoder.needed_size(SHORT_EDGE_PX, SHORT_EDGE_PX)) <= SHORT_EDGE_PX
    return cover_short_edge if is_enough else encoder.needed_size


def cover_short_edge(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a photo's shorter edge is `SHORT_EDGE_PX`; a smaller photo's own."""
    shrink = min(1.0, SHORT_EDGE_PX / min(width, height))
    return ceil(width * shrink), ceil(height * shrink)


def _has_changed(path: Path, photo: Photo) -> bool:
    """Tell whether the file's size is no longer the manifest's: an embedding under a wrong id would stay."""
    try:
        return path.stat().st_size != photo.bytes
    except OSError:
        return True
