"""Every photo of the library to a unit-norm vector and a perceptual hash, each computed once.

Vectors and hashes go first into the machine-local store, batch by batch; the outs are then written from it
in the manifest's order. So a killed run, another encoder tried and left again, or outs brought by
`dvc pull` cost nothing twice, and the outs' bytes do not tell in how many runs they came about.
"""

import logging
import time
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from vibe_photos.embed.engines.database import DatabaseEngine
from vibe_photos.embed.engines.engine import Batch, Engine, Job
from vibe_photos.embed.engines.local import LocalEngine
from vibe_photos.embed.outs import absorb_outs, hashes_file, vectors_file, write_outs, write_problems
from vibe_photos.embed.saved_work import SavedWork, open_saved_work
from vibe_photos.encoders.encoder import name_encoder
from vibe_photos.errors import LibraryError, TooManyFailures
from vibe_photos.records.photos import PhotoProblem, read_manifest
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
        ClusterError: the Ray cluster cannot be reached or gave up.
        DatabaseError: the app's database, whose vectors are taken, cannot be read.
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
        engine = load_engine(Job(root, embedder, embed, model))
        with closing(engine.embed(missing, frozenset(has_vector))) as batches:
            problems = save_batches(batches, len(missing), vectors, hashes)
        write_problems(out_folder, problems)
        _check_failures(len(problems), len(library), embed.max_failed_share, out_folder)
        digest = write_outs(out_folder, model, [photo.image_id for photo in library], vectors, hashes)
    reused = sum(photo.image_id in has_vector for photo in library)
    logger.info(
        "embed: %d photos, %d vectors reused, %d computed, %d photos failed; model %s, dimension %d",
        *(len(library), reused, digest.n - reused, len(problems), model, digest.dim),
    )


def save_batches(
    batches: Iterable[Batch], total: int, vectors: SavedWork, hashes: SavedWork
) -> list[PhotoProblem]:
    """Save what an engine yields for `total` photos, batch by batch; return what failed, by path."""
    problems: list[PhotoProblem] = []
    show_progress = _Progress(total)
    for batch in batches:
        vectors.add(batch.vectors)
        hashes.add(batch.perceptual_hashes)
        problems += batch.problems
        show_progress(len(batch.perceptual_hashes), len(problems))
    return sorted(problems, key=lambda problem: problem.rel_path)


def load_engine(job: Job) -> Engine:
    """Return the engine that `embed.engine` names; with vectors of a database, it only hashes photos."""
    if job.embedder.kind == "database":
        return DatabaseEngine(job, LocalEngine(job))
    if job.embed.engine == "local":
        return LocalEngine(job)
    from vibe_photos.embed.engines.ray import RayEngine

    return RayEngine(job)


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
