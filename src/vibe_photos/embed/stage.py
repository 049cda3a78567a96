"""Stage `embed`: a unit-norm vector and perceptual hashes for every photo of the library, each computed once.

Vectors and hashes first go into the machine-local store, batch by batch; the outs are then written from it in
the manifest's order. So nothing is computed twice after a killed run, a change of encoder and back, or a
`dvc pull`, and the outs' bytes do not depend on how many runs it took.
"""

import logging
import time
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from vibe_photos.embed.database import embed_from_database
from vibe_photos.embed.local import Batch, Job, LocalEngine
from vibe_photos.embed.outs import import_outs, vectors_file, write_outs
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import LibraryError, TooManyFailures
from vibe_photos.pixels.perceptual_hash import hashes_file
from vibe_photos.records.photos import Photo, PhotoProblem, read_manifest, say_count
from vibe_photos.records.pictures import read_pictures
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.storage.saved_work import SavedWork, open_saved_work

logger = logging.getLogger(__name__)

_PROGRESS_SECONDS = 30.0


def embed_library(settings: Settings, store: Path) -> None:
    """Compute a unit-norm vector and perceptual hashes for every photo.

    The photo folder may be missing if nothing is left to compute. The next run tries failed photos again.

    Raises:
        InputError: the manifest cannot be read.
        ConfigurationError: a key that the encoder needs is not set.
        EncoderError: the encoder cannot be loaded; the message says how to get what is missing.
        ClusterError: the Ray cluster cannot be reached or failed.
        DatabaseError: the app's database with the vectors cannot be read.
        LibraryError: the photo folder is missing and there is something to compute.
        TooManyFailures: more than `embed.max_failed_share` of the photos failed; what was computed is saved.
        StoreError: the store is damaged or locked.
    """
    root, out_folder = Path(settings.library.root), settings.paths.embeddings
    library = read_manifest(settings.paths.photos)
    model = name_encoder(settings.embedder, settings.embed)
    import_outs(out_folder, store)
    with (
        open_saved_work(vectors_file(store, model)) as vectors,
        open_saved_work(hashes_file(store)) as hashes,
    ):
        ids, pictures = [photo.image_id for photo in library], read_pictures(settings.paths.photos)
        if count := vectors.copy_to_rewritten_files(ids, pictures.find_copies):
            logger.info("embed: %s with a vector from another file", say_count(count, "picture"))
        hashes.copy_to_rewritten_files(ids, pictures.find_copies)
        has_vector = vectors.image_ids()
        has_both = has_vector & hashes.image_ids()
        missing = [photo for photo in library if photo.image_id not in has_both]
        if missing and not root.is_dir():
            raise LibraryError(
                f"{root} is not a folder on this machine, and {len(missing)} photos have no embedding yet; "
                "mount it, or set library.root"
            )
        job = Job(root, settings.embedder, settings.embed, model)
        with closing(_run_engine(job, missing, frozenset(has_vector))) as batches:
            problems = save_batches(batches, len(missing), vectors, hashes)
        write_jsonl(out_folder / "problems.jsonl", problems)
        if len(problems) > settings.embed.max_failed_share * len(library):
            raise TooManyFailures(
                f"{len(problems)} of {len(library)} photos could not be embedded, more than "
                f"embed.max_failed_share ({settings.embed.max_failed_share:g}) allows; "
                f"{out_folder / 'problems.jsonl'} names each. What was computed is saved."
            )
        digest = write_outs(out_folder, model, ids, vectors, hashes)
    reused = sum(photo.image_id in has_vector for photo in library)
    logger.info(
        "embed: %d photos, %d vectors reused, %d computed, %d photos failed; model %s, dimension %d",
        *(len(library), reused, digest.n - reused, len(problems), model, digest.dim),
    )


def _run_engine(
    job: Job, photos: Sequence[Photo], has_vector: frozenset[str]
) -> Generator[Batch, None, None]:
    """Return the results of the engine that `embed.engine` names; a database has its own.

    They come in batches, in any order. Photos in `has_vector` (ids) only need perceptual hashes.
    """
    if job.embedder.kind == "database":
        return embed_from_database(job, photos, has_vector)
    if job.embed.engine == "local":
        return LocalEngine(job).embed(photos, has_vector)
    from vibe_photos.embed.ray import embed_on_cluster

    return embed_on_cluster(job, photos, has_vector)


def save_batches(
    batches: Iterable[Batch], total: int, vectors: SavedWork, hashes: SavedWork
) -> list[PhotoProblem]:
    """Save an engine's batches for `total` photos; return the failed photos, sorted by path.

    The progress is logged every half minute.
    """
    problems: list[PhotoProblem] = []
    n_done = 0
    started = shown = time.monotonic()
    for batch in batches:
        vectors.add(batch.vectors)
        hashes.add(batch.perceptual_hashes)
        problems += batch.problems
        n_done += len(batch.perceptual_hashes)
        now = time.monotonic()
        if now - shown >= _PROGRESS_SECONDS:
            shown = now
            rate = (n_done + len(problems)) / (now - started)
            left_seconds = (total - n_done - len(problems)) / rate
            logger.info(
                "embed done=%d failed=%d of=%d rate=%.1f/s left=%.0fs",
                *(n_done, len(problems), total, rate, left_seconds),
            )
    return sorted(problems, key=lambda problem: problem.rel_path)
