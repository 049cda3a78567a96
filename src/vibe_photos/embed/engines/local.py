"""Work done ahead in threads, results in order, never more than so many waiting.

A library embedded by this process: photos prepared in threads, each step ahead of the next.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np

from vibe_photos.embed.engines.engine import Batch, Job
from vibe_photos.embed.prepare import EncoderOnDemand, Preparation, PreparedPhoto, describe_problem
from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.records.photos import Photo, PhotoProblem
from vibe_photos.settings import Embed
from vibe_photos.storage.vectors import Vectors

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], workers: int, ahead: int
) -> Generator[R, None, None]:
    """Yield `function(item)` in the order of `items`, while threads are at the following items.

    At most `ahead` results are computed or waiting at a time, which bounds memory. An error of `function`
    is raised where its result would have come; what has not begun by then is left.
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


class LocalEngine:
    """The engine `local`; it keeps its encoder, which the first readable photo loads."""

    def __init__(self, job: Job) -> None:
        """Take what to do; nothing is loaded yet."""
        self._job = job
        self._encoder = EncoderOnDemand(partial(load_encoder, job.embedder, job.embed))

    def embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Generator[Batch, None, None]:
        """Yield a batch for every `embed.batch_size` photos, in their order; see `Engine`."""
        preparation = Preparation(self._job.root, self._job.embed.max_pixels, self._encoder, has_vector)
        return embed_photos(photos, preparation, self._job.embed)


def embed_photos(
    photos: Sequence[Photo], preparation: Preparation, embed: Embed
) -> Generator[Batch, None, None]:
    """Prepare and encode `photos`, each step ahead of the next; yield batches in their order."""
    ahead = 2 * embed.batch_size + embed.workers
    outcomes = map_ahead(preparation.prepare_photo, photos, embed.workers, ahead)
    batches = map_ahead(
        partial(_encode_batch, preparation.encoder), _take_batches(outcomes, embed.batch_size), 1, 2
    )
    with closing(outcomes), closing(batches):
        yield from batches


def _encode_batch(encoder: EncoderOnDemand, outcomes: list[PreparedPhoto | PhotoProblem]) -> Batch:
    prepared = [outcome for outcome in outcomes if isinstance(outcome, PreparedPhoto)]
    problems = [outcome for outcome in outcomes if isinstance(outcome, PhotoProblem)]
    hashes = [(p.photo.image_id, p.perceptual_hashes.astype(">u8").tobytes()) for p in prepared]
    photos = [p.photo for p in prepared if p.item is not None]
    if not photos:
        return Batch([], hashes, problems)
    vectors = encoder.get().encode(np.stack([p.item for p in prepared if p.item is not None]))
    has_direction = np.isfinite(vectors).all(axis=1)
    problems += [
        describe_problem(photos[i], "no_vector", "the encoder's output has no direction")
        for i in np.flatnonzero(~has_direction)
    ]
    found = [(photos[i].image_id, _to_blob(vectors[i])) for i in np.flatnonzero(has_direction)]
    return Batch(found, hashes, problems)


def _to_blob(vector: Vectors) -> bytes:
    return vector.astype("<f4", copy=False).tobytes()


def _take_batches(
    outcomes: Iterable[PreparedPhoto | PhotoProblem], size: int
) -> Iterator[list[PreparedPhoto | PhotoProblem]]:
    remaining = iter(outcomes)
    while batch := list(islice(remaining, size)):
        yield batch
