"""A library embedded by this process: photos prepared in threads, each step ahead of the next."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from itertools import islice

import numpy as np

from vibe_photos.embedding.encoders.encoder import load_encoder
from vibe_photos.embedding.engines.ahead import map_ahead
from vibe_photos.embedding.engines.engine import Batch, Job
from vibe_photos.embedding.prepare import EncoderOnDemand, Preparation, PreparedPhoto, describe_problem
from vibe_photos.embedding.vectors import Vectors
from vibe_photos.library.photos import Photo, PhotoProblem
from vibe_photos.settings import Embed


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
