"""Every photo of the library to a unit-norm vector and a perceptual hash, each computed once.

Vectors and hashes go first into the machine-local store, batch by batch; the outs are then written from it
in the manifest's order. So a killed run, another encoder tried and left again, or outs brought by
`dvc pull` cost nothing twice, and the outs' bytes do not tell in how many runs they came about.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from vibe_photos.embedding.ahead import map_ahead
from vibe_photos.embedding.encoder import load_encoder, name_encoder
from vibe_photos.embedding.outs import absorb_outs, hashes_file, vectors_file, write_outs, write_problems
from vibe_photos.embedding.prepare import EncoderOnDemand, Preparation, PreparedPhoto, describe_problem
from vibe_photos.embedding.saved_work import SavedWork, open_saved_work
from vibe_photos.embedding.vectors import Vectors
from vibe_photos.errors import LibraryError, TooManyFailures
from vibe_photos.library.photos import Photo, PhotoProblem, read_manifest
from vibe_photos.settings import Embed, Embedder

logger = logging.getLogger(__name__)

_PROGRESS_SECONDS = 30.0


def embed_library(
    photos: Path, root: Path, embedder: Embedder, embed: Embed, out_folder: Path, store: Path
) -> None:
    """Give every photo of the manifest a vector and perceptual hashes, and write the stage's outs.

    Args:
        photos: the manifest, whose order the outs keep.
        root: the folder under which the photos lie; it may be absent where nothing is left to compute.
        embedder: which encoder; its model's name covers everything that decides a vector.
        embed: how, and which share of the photos may fail.
        out_folder: gets `embeddings.sqlite`, `digest.json`, `perceptual_hashes.jsonl`, `problems.jsonl`.
        store: the machine-local store.

    A photo that failed is tried again by the next run.

    Raises:
        InputError: the manifest cannot be read.
        ConfigurationError: a key that the encoder needs is not set.
        EncoderError: the encoder cannot be loaded; it says how to get what is missing.
        LibraryError: the photo folder is missing and there is something to compute.
        TooManyFailures: more than `embed.max_failed_share` of the photos failed; what was computed is saved.
        StoreError: the store is damaged or locked.
    """
    library = read_manifest(photos)
    model = name_encoder(embedder, embed)
    absorb_outs(out_folder, store)
    with (
        open_saved_work(vectors_file(store, model)) as vectors,
        open_saved_work(hashes_file(store)) as hashes,
    ):
        has_vector = vectors.image_ids()
        has_both = has_vector & hashes.image_ids()
        missing = [photo for photo in library if photo.image_id not in has_both]
        _check_root(root, len(missing))
        encoder = EncoderOnDemand(partial(load_encoder, embedder, embed))
        preparation = Preparation(root, embed.max_pixels, encoder, frozenset(has_vector))
        problems = embed_photos(missing, preparation, embed, vectors, hashes)
        write_problems(out_folder, problems)
        _check_failures(len(problems), len(library), embed.max_failed_share, out_folder)
        digest = write_outs(out_folder, model, [photo.image_id for photo in library], vectors, hashes)
    reused = sum(photo.image_id in has_vector for photo in library)
    logger.info(
        "embed: %d photos, %d vectors reused, %d computed, %d photos failed; model %s, dimension %d",
        *(len(library), reused, digest.n - reused, len(problems), model, digest.dim),
    )


@dataclass(frozen=True, slots=True)
class _Batch:
    """Photos whose vectors are there, photos that were only hashed, and photos that failed."""

    prepared: list[PreparedPhoto]
    image_ids: list[str]
    vectors: Vectors
    problems: list[PhotoProblem]


def embed_photos(
    photos: Sequence[Photo],
    preparation: Preparation,
    embed: Embed,
    vectors: SavedWork,
    hashes: SavedWork,
) -> list[PhotoProblem]:
    """Prepare, encode and save `photos`, each step ahead of the next; return what failed, in order."""
    problems: list[PhotoProblem] = []
    show_progress = _Progress(len(photos))
    ahead = 2 * embed.batch_size + embed.workers
    outcomes = map_ahead(preparation.prepare_photo, photos, embed.workers, ahead)
    batches = map_ahead(
        partial(_encode_batch, preparation.encoder), _take_batches(outcomes, embed.batch_size), 1, 2
    )
    with closing(outcomes), closing(batches):
        for batch in batches:
            vectors.add(zip(batch.image_ids, map(_to_blob, batch.vectors), strict=True))
            hashes.add(
                (p.photo.image_id, p.perceptual_hashes.astype(">u8").tobytes()) for p in batch.prepared
            )
            problems += batch.problems
            show_progress(len(batch.prepared), len(problems))
    return sorted(problems, key=lambda problem: problem.rel_path)


def _encode_batch(encoder: EncoderOnDemand, outcomes: list[PreparedPhoto | PhotoProblem]) -> _Batch:
    prepared = [outcome for outcome in outcomes if isinstance(outcome, PreparedPhoto)]
    problems = [outcome for outcome in outcomes if isinstance(outcome, PhotoProblem)]
    photos = [p.photo for p in prepared if p.item is not None]
    if not photos:
        return _Batch(prepared, [], np.empty((0, 0), dtype=np.float32), problems)
    vectors = encoder.get().encode(np.stack([p.item for p in prepared if p.item is not None]))
    has_direction = np.asarray(np.isfinite(vectors).all(axis=1))
    problems += [
        describe_problem(photos[i], "no_vector", "the encoder's output has no direction")
        for i in np.flatnonzero(~has_direction)
    ]
    image_ids = [photos[i].image_id for i in np.flatnonzero(has_direction)]
    return _Batch(prepared, image_ids, vectors[has_direction], problems)


def _to_blob(vector: Vectors) -> bytes:
    return vector.astype("<f4", copy=False).tobytes()


def _take_batches(
    outcomes: Iterable[PreparedPhoto | PhotoProblem], size: int
) -> Iterator[list[PreparedPhoto | PhotoProblem]]:
    remaining = iter(outcomes)
    while batch := list(islice(remaining, size)):
        yield batch


def _check_root(root: Path, n_missing: int) -> None:
    if n_missing and not root.is_dir():
        raise LibraryError(
            f"{root} is no folder on this machine, and {n_missing} photos have no embedding yet; "
            "mount it, or set library.root"
        )


def _check_failures(n_failed: int, n: int, max_failed_share: float, out_folder: Path) -> None:
    if n_failed > max_failed_share * n:
        raise TooManyFailures(
            f"{n_failed} of {n} photos could not be embedded, more than embed.max_failed_share "
            f"({max_failed_share:g}) allows; {out_folder / 'problems.jsonl'} names each. "
            "What was computed is saved."
        )


class _Progress:
    """A line in the log every half minute: done, failed, rate and time left."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._started = self._shown = time.monotonic()

    def __call__(self, newly_done: int, failed: int) -> None:
        self._done += newly_done
        now = time.monotonic()
        if now - self._shown < _PROGRESS_SECONDS:
            return
        self._shown = now
        rate = (self._done + failed) / (now - self._started)
        left_seconds = (self._total - self._done - failed) / rate
        logger.info(
            "embed done=%d failed=%d of=%d rate=%.1f/s left=%.0fs",
            *(self._done, failed, self._total, rate, left_seconds),
        )
