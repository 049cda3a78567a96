"""The Ray cluster on which a library is embedded: how it is reached, and how many workers it holds.

A library embedded by a Ray cluster: slices of it go to workers, and come back as they are ready.

A worker is the local engine in a process of its own. Ray starts a dead worker again and gives it the slices
that it had not handed over; the driver keeps no photo's result longer than it takes to save it.
"""

import logging
import os
import pickle
import platform
import socket
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.embed.engines.engine import Batch, Job
from vibe_photos.embed.engines.local import LocalEngine
from vibe_photos.embed.prepare import HASH_RECIPE
from vibe_photos.encoders.encoder import name_encoder
from vibe_photos.errors import ClusterError, EncoderError, LibraryError, VibePhotosError
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Embed

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's C++ core calls it an error that actors of Ray Data may be restarted, which is what they are for.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Nothing is reported to Ray's makers, and nothing is said that a person can do nothing about."""


_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""On Linux too, a cluster of this machine alone then listens on 127.0.0.1 alone."""

_REACH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """What one worker takes of a machine: so many processors, and one GPU or none."""

    cpus: int
    gpus: int


@contextmanager
def connect_cluster(address: str | None) -> Generator[Any, None, None]:
    """Yield the package `ray`, connected: to `address`, else to `RAY_ADDRESS`, else to one started here.

    A connection that was there before is used and left as it is.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    ray = _import_ray(_QUIET if address else _QUIET | _LOOPBACK)
    if ray.is_initialized():
        yield ray
        return
    where = address or "this machine"
    options = {} if address else {"include_dashboard": False}
    try:
        check_port(where)
        with warnings.catch_warnings(action="ignore"):
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {where} (embed.ray_address, else RAY_ADDRESS): {error}. "
            "A cluster that asks for a token wants RAY_AUTH_MODE=token in the environment."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_port(address: str) -> None:
    """Reach for the port of `host:port`, which Ray itself would do in silence for minutes.

    Raises:
        OSError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()


def choose_share(nodes: Iterable[Mapping[str, Any]], embed: Embed, can_use_gpu: bool) -> WorkerShare:
    """Return what a worker takes: `embed.workers` processors, and a GPU each where the cluster has some.

    GPUs and processors are never mixed: their vectors differ in the last bits.
    """
    has_gpu = can_use_gpu and embed.device != "cpu" and any(node["Resources"].get("GPU", 0) for node in nodes)
    return WorkerShare(cpus=embed.workers, gpus=int(has_gpu))


def count_workers(nodes: Iterable[Mapping[str, Any]], share: WorkerShare) -> int:
    """Return how many workers the machines that are there now hold.

    Raises:
        ClusterError: no machine of the cluster holds one.
    """
    alive = [node["Resources"] for node in nodes if node["Alive"]]
    fits = [int(free.get("CPU", 0) // share.cpus) for free in alive]
    if share.gpus:
        fits = [min(count, int(free.get("GPU", 0))) for count, free in zip(fits, alive, strict=True)]
    if not sum(fits):
        gpu = " and a GPU" if share.gpus else ""
        raise ClusterError(
            f"embed.workers: a worker takes {share.cpus} processors{gpu}; no machine of the cluster has that"
        )
    return sum(fits)


def _import_ray(environment: dict[str, str]) -> Any:
    """Import Ray, which reads much of its configuration from the environment as it is imported."""
    os.environ.update(environment | os.environ)
    try:
        import ray.data
    except ImportError as error:
        raise ClusterError(
            f"embed.engine: ray needs the package ray ({error}): pip install 'vibe-photos[ray]'. "
            "The engine `local` needs none."
        ) from None
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


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
