"""A library embedded by a Ray cluster: slices of it go to workers, and come back as they are ready.

A worker is the local engine in a process of its own. Ray starts a dead worker again and gives it the slices
that it had not handed over; the driver keeps no photo's result longer than it takes to save it.
"""

import logging
import os
import pickle
import platform
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.embedding.encoders.encoder import name_encoder
from vibe_photos.embedding.engines.engine import Batch, Job
from vibe_photos.embedding.engines.local import LocalEngine
from vibe_photos.embedding.engines.ray_cluster import choose_share, connect_cluster, count_workers
from vibe_photos.embedding.prepare import HASH_RECIPE
from vibe_photos.errors import ClusterError, EncoderError, LibraryError, VibePhotosError
from vibe_photos.library.photos import Photo

logger = logging.getLogger(__name__)

_BATCHES_PER_SLICE = 8
"""A worker prepares one batch of its slice while it encodes another; its death costs at most one slice."""

_TRIES = 3
"""How often a slice is begun: what kills a worker each time would else kill workers for ever."""

_WAY_ON = (
    "What was computed is saved, and the same command goes on from there. "
    f"Where workers died {_TRIES} times over the same photos, embed.engine: local shows what is wrong."
)


@dataclass(frozen=True, slots=True)
class _Slice:
    photos: Sequence[Photo]
    has_vector: frozenset[str]


class RayEngine:
    """The engine `ray`: as many workers as the cluster holds, each with an encoder of its own."""

    def __init__(self, job: Job) -> None:
        """Take what to do; the cluster is reached when there is something to embed."""
        self._job = job

    def embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Generator[Batch, None, None]:
        """Yield a batch for every slice, as workers finish them; see `Engine`.

        Raises:
            ClusterError: the cluster cannot be reached, holds no worker, or a slice killed three workers.
            LibraryError: a worker's machine lacks the photo folder.
            EncoderError: a worker cannot load the encoder, or has another one.
        """
        if not photos:
            return
        with connect_cluster(self._job.embed.ray_address) as ray:
            rows = self._send(ray, photos, has_vector)
            try:
                for row in rows:
                    yield _unpack(row["result"])
            except ray.exceptions.RayError as error:
                reason = str(error).partition("\n")[0]
                raise ClusterError(f"the Ray cluster gave up ({reason}). {_WAY_ON}") from error

    def _send(
        self, ray: Any, photos: Sequence[Photo], has_vector: frozenset[str]
    ) -> Iterator[dict[str, bytes]]:
        """Hand the slices to Ray Data; return what comes back, one row a slice."""
        nodes = ray.nodes()
        share = choose_share(nodes, self._job.embed, self._job.embedder.kind == "siglip")
        n_workers = count_workers(nodes, share)
        size = _BATCHES_PER_SLICE * self._job.embed.batch_size
        rows = [{"slice": pickle.dumps(part)} for part in _cut_slices(photos, has_vector, size)]
        logger.info("embed: %d slices of up to %d photos for %d workers", len(rows), size, n_workers)
        with warnings.catch_warnings(action="ignore"):
            context = ray.data.DataContext.get_current()
            context.enable_progress_bars = False
            results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
                _Worker,
                fn_constructor_args=(_at_workers(self._job, bool(share.gpus)), Path.cwd(), HASH_RECIPE),
                compute=ray.data.ActorPoolStrategy(
                    min_size=1, initial_size=min(n_workers, len(rows)), max_tasks_in_flight_per_actor=2
                ),
                num_cpus=share.cpus,
                num_gpus=share.gpus,
                ray_remote_args_fn=_retry,
            )
        found: Iterator[dict[str, bytes]] = iter(results.iter_rows())
        return found


class _Worker:
    """One process of the cluster: the local engine, a slice at a time."""

    def __init__(self, job: Job, folder: Path, hash_recipe: str) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        if folder.is_dir():
            os.chdir(folder)
        self._job = job
        self._hash_recipe = hash_recipe
        self._engine: LocalEngine | None = None

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """Embed a slice. What stops the whole run travels as a result: Ray would bury it in its own."""
        part: _Slice = pickle.loads(row["slice"])
        logger.info("embed: %d photos from %s", len(part.photos), part.photos[0].rel_path)
        try:
            result: Batch | VibePhotosError = self._embed(part)
        except VibePhotosError as error:
            result = error
        return {"result": pickle.dumps(result)}

    def _embed(self, part: _Slice) -> Batch:
        if self._engine is None:
            _check_machine(self._job, self._hash_recipe)
            self._engine = LocalEngine(self._job)
        batches = list(self._engine.embed(part.photos, part.has_vector))
        return Batch(
            [pair for batch in batches for pair in batch.vectors],
            [pair for batch in batches for pair in batch.perceptual_hashes],
            [problem for batch in batches for problem in batch.problems],
        )


def _cut_slices(photos: Sequence[Photo], has_vector: frozenset[str], size: int) -> Iterator[_Slice]:
    for start in range(0, len(photos), size):
        part = photos[start : start + size]
        yield _Slice(part, has_vector.intersection(photo.image_id for photo in part))


def _at_workers(job: Job, has_gpu: bool) -> Job:
    """Return the job as a worker does it: with the one GPU that it sees, or on its processors."""
    embed = msgspec.structs.replace(job.embed, device="cuda" if has_gpu else "cpu")
    return Job(job.root.absolute(), job.embedder, embed, job.model)


def _check_machine(job: Job, hash_recipe: str) -> None:
    """Refuse to work where other vectors or hashes than the driver means would come about."""
    machine = platform.node()
    if not job.root.is_dir():
        raise LibraryError(f"{job.root} is no folder on {machine}, a machine of the cluster; mount it there")
    if name_encoder(job.embedder, job.embed) != job.model or hash_recipe != HASH_RECIPE:
        raise EncoderError(
            f"{machine}, a machine of the cluster, has another encoder than {job.model}: "
            "install the same version of vibe-photos there, and the same checkpoint"
        )


def _retry() -> dict[str, int]:
    return {"max_restarts": -1, "max_task_retries": _TRIES - 1}


def _unpack(result: bytes) -> Batch:
    found: Batch | VibePhotosError = pickle.loads(result)
    if isinstance(found, VibePhotosError):
        raise found
    return found
