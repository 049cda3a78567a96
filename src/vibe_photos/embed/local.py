"""What engines take and give, and the engine `local`, which prepares photos while it encodes others."""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from vibe_photos.encoders.encoder import Encoder, load_encoder
from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.perceptual_hash import SHORT_EDGE_PX, Hashes, cover_short_edge, perceptual_hashes
from vibe_photos.records.photos import Photo, PhotoProblem, photo_path, verified
from vibe_photos.settings import Embed, Embedder

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Job:
    """What all engines need to know; `model` is the encoder's name, under which vectors are stored."""

    root: Path
    embedder: Embedder
    embed: Embed
    model: str


@dataclass(frozen=True, slots=True)
class Batch:
    """The results for some photos, ready to be saved.

    `vectors` and `perceptual_hashes` are pairs of an `image_id` and bytes: float32 little-endian of unit
    norm, uint64 big-endian. A photo in `problems` lacks one of them, or both.
    """

    vectors: list[tuple[str, bytes]]
    perceptual_hashes: list[tuple[str, bytes]]
    problems: list[PhotoProblem]


@dataclass(frozen=True, slots=True)
class _PreparedPhoto:
    """A photo's perceptual hashes, and its item of the encoder's batch (None if it has a vector)."""

    photo: Photo
    perceptual_hashes: Hashes
    item: npt.NDArray[Any] | None


class LocalEngine:
    """Embeds photos in this process; the encoder is loaded at the first readable photo."""

    def __init__(self, job: Job, load: Callable[[], Encoder] | None = None) -> None:
        """Take the job; `load` replaces loading the configured encoder. Nothing is loaded yet."""
        self._job = job
        self._load = load or partial(load_encoder, job.embedder, job.embed)
        self._lock = threading.Lock()
        self._encoder: Encoder | None = None

    def embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Generator[Batch, None, None]:
        """Yield a batch for every `embed.batch_size` photos, in their order.

        Photos in `has_vector` (ids) only get perceptual hashes.

        Raises:
            EncoderError: the encoder cannot be loaded.
        """
        embed = self._job.embed
        ahead = 2 * embed.batch_size + embed.workers
        outcomes = map_ahead(partial(self._prepare, has_vector), photos, embed.workers, ahead)
        batches = map_ahead(self._encode, _take_batches(outcomes, embed.batch_size), 1, 2)
        with closing(outcomes), closing(batches):
            yield from batches

    def _prepare(self, has_vector: frozenset[str], photo: Photo) -> _PreparedPhoto | PhotoProblem:
        """Decode, hash and preprocess one photo; an error becomes a problem record."""
        path = photo_path(self._job.root, photo)
        read = partial(decode_photo, path, max_pixels=self._job.embed.max_pixels)
        item = None
        try:
            with verified(path, photo):
                image = read(needed_size=cover_short_edge)
                hashes = perceptual_hashes(image)
                if photo.image_id not in has_vector:
                    encoder = self._get_encoder()
                    size = size_to_decode(encoder)
                    item = encoder.preprocess(image if size is cover_short_edge else read(needed_size=size))
        except DecodeError as error:
            return describe_problem(photo, error.reason, str(error))
        return _PreparedPhoto(photo, hashes, item)

    def _encode(self, outcomes: list[_PreparedPhoto | PhotoProblem]) -> Batch:
        prepared = [outcome for outcome in outcomes if isinstance(outcome, _PreparedPhoto)]
        problems = [outcome for outcome in outcomes if isinstance(outcome, PhotoProblem)]
        hashes = [(p.photo.image_id, p.perceptual_hashes.astype(">u8").tobytes()) for p in prepared]
        photos = [p.photo for p in prepared if p.item is not None]
        if not photos:
            return Batch([], hashes, problems)
        vectors = self._get_encoder().encode(np.stack([p.item for p in prepared if p.item is not None]))
        has_direction = np.isfinite(vectors).all(axis=1)
        problems += [
            describe_problem(photos[i], "no_vector", "the encoder's output has no direction")
            for i in np.flatnonzero(~has_direction)
        ]
        blobs = vectors.astype("<f4", copy=False)
        found = [(photos[i].image_id, blobs[i].tobytes()) for i in np.flatnonzero(has_direction)]
        return Batch(found, hashes, problems)

    def _get_encoder(self) -> Encoder:
        with self._lock:
            if self._encoder is None:
                self._encoder = self._load()
            return self._encoder


def describe_problem(photo: Photo, reason: str, detail: str) -> PhotoProblem:
    """Return the record of a photo that gets no vector."""
    return PhotoProblem(rel_path=photo.rel_path, reason=reason, detail=detail, image_id=photo.image_id)


def size_to_decode(encoder: Encoder) -> Callable[[int, int], tuple[int, int]]:
    """Return the `needed_size` with which photos are decoded for this encoder.

    It is the size for hashes, so that one decode is enough, unless the encoder needs more pixels.
    """
    is_enough = max(encoder.needed_size(SHORT_EDGE_PX, SHORT_EDGE_PX)) <= SHORT_EDGE_PX
    return cover_short_edge if is_enough else encoder.needed_size


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], workers: int, ahead: int
) -> Generator[R, None, None]:
    """Yield `function(item)` in the order of `items`, while threads work on the following items.

    At most `ahead` results are pending at a time, which limits memory. An error of `function` is raised in
    place of its result; items that have not started by then are dropped.
    """
    pool = ThreadPoolExecutor(workers)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) >= ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _take_batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    remaining = iter(items)
    while batch := list(islice(remaining, size)):
        yield batch
