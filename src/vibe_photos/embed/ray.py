"""The engine `ray`: slices of the library are embedded by the workers of a cluster.

A worker is the local engine in its own process. Ray restarts a dead worker and repeats its unfinished slices.
The driver saves each result as it arrives and does not keep it.
"""

import logging
import os
import pickle
import platform
import socket
import warnings
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.embed.local import Batch, Job, LocalEngine
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import ClusterError, EncoderError, LibraryError, VibePhotosError
from vibe_photos.pixels.perceptual_hash import hash_recipe
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Embed, Embedder

logger = logging.getLogger(__name__)

_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's C++ core logs an error when actors of Ray Data may be restarted, which is intended.
    "RAY_BACKEND_LOG_LEVEL": "fatal",
}
"""Disables usage statistics, and log messages that a user cannot act on."""

_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Makes a local cluster listen only on 127.0.0.1, also on Linux."""

_REACH_SECONDS = 10.0

_BATCHES_PER_SLICE = 8
"""A worker prepares one batch of its slice while it encodes another; if it dies, one slice is lost."""

_TRIES = 3
"""How often a slice is tried, in case a photo kills every worker."""

_ADVICE = (
    "What was computed is saved, and the same command continues from there. "
    f"If workers died {_TRIES} times on the same photos, embed.engine: local shows the error."
)


def embed_on_cluster(
    job: Job, photos: Sequence[Photo], has_vector: frozenset[str]
) -> Generator[Batch, None, None]:
    """Yield a batch for every slice, as workers finish them: as many as fit in the cluster.

    Raises:
        ClusterError: the cluster cannot be reached, has no room for a worker, or a slice killed three.
        LibraryError: a worker's machine lacks the photo folder.
        EncoderError: a worker cannot load the encoder, or has a different one.
    """
    if not photos:
        return
    with connect_cluster(job.embed.ray_address) as ray:
        rows = _send_slices(ray, job, photos, has_vector)
        try:
            for row in rows:
                result: Batch | VibePhotosError = pickle.loads(row["result"])
                if isinstance(result, VibePhotosError):
                    raise result
                yield result
        except ray.exceptions.RayError as error:
            reason = str(error).partition("\n")[0]
            raise ClusterError(f"the Ray cluster gave up ({reason}). {_ADVICE}") from error


def _send_slices(
    ray: Any, job: Job, photos: Sequence[Photo], has_vector: frozenset[str]
) -> Iterator[dict[str, bytes]]:
    """Pass the slices to Ray Data; return the results, one row per slice."""
    nodes = ray.nodes()
    gpus = count_gpus(nodes, job.embedder, job.embed)
    n_workers = count_workers(nodes, job.embed.workers, gpus)
    size = _BATCHES_PER_SLICE * job.embed.batch_size
    parts = (photos[start : start + size] for start in range(0, len(photos), size))
    slices = [(part, has_vector.intersection(photo.image_id for photo in part)) for part in parts]
    rows = [{"slice": pickle.dumps(part)} for part in slices]
    logger.info("embed: %d slices of up to %d photos for %d workers", len(rows), size, n_workers)
    # A worker sees one GPU or none.
    embed = msgspec.structs.replace(job.embed, device="cuda" if gpus else "cpu")
    workers_job = replace(job, root=job.root.absolute(), embed=embed)
    with warnings.catch_warnings(action="ignore"):
        ray.data.DataContext.get_current().enable_progress_bars = False
        results = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
            _Worker,
            fn_constructor_args=(workers_job, Path.cwd(), hash_recipe()),
            compute=ray.data.ActorPoolStrategy(
                min_size=1, initial_size=min(n_workers, len(rows)), max_tasks_in_flight_per_actor=2
            ),
            num_cpus=job.embed.workers,
            num_gpus=gpus,
            ray_remote_args_fn=lambda: {"max_restarts": -1, "max_task_retries": _TRIES - 1},
        )
    found: Iterator[dict[str, bytes]] = iter(results.iter_rows())
    return found


class _Worker:
    """One process of the cluster: the local engine, one slice at a time."""

    def __init__(self, job: Job, folder: Path, drivers_hash_recipe: str) -> None:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        if folder.is_dir():
            os.chdir(folder)
        self._job = job
        self._hash_recipe = drivers_hash_recipe
        self._engine: LocalEngine | None = None

    def __call__(self, row: dict[str, bytes]) -> dict[str, bytes]:
        """Embed a slice. Errors that stop the run are returned, because Ray would wrap raised ones."""
        photos, has_vector = pickle.loads(row["slice"])
        logger.info("embed: %d photos from %s", len(photos), photos[0].rel_path)
        try:
            result: Batch | VibePhotosError = self._embed(photos, has_vector)
        except VibePhotosError as error:
            result = error
        return {"result": pickle.dumps(result)}

    def _embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Batch:
        if self._engine is None:
            self._check_machine()
            self._engine = LocalEngine(self._job)
        batches = list(self._engine.embed(photos, has_vector))
        return Batch(
            [pair for batch in batches for pair in batch.vectors],
            [pair for batch in batches for pair in batch.perceptual_hashes],
            [problem for batch in batches for problem in batch.problems],
        )

    def _check_machine(self) -> None:
        """Raise an error if vectors or hashes would differ from the driver's."""
        job, machine = self._job, platform.node()
        if not job.root.is_dir():
            raise LibraryError(
                f"{job.root} is not a folder on {machine}, a machine of the cluster; mount it there"
            )
        if name_encoder(job.embedder, job.embed) != job.model or hash_recipe() != self._hash_recipe:
            raise EncoderError(
                f"{machine}, a machine of the cluster, has another encoder than {job.model}: "
                "install the same version of vibe-photos there, and the same checkpoint"
            )


@contextmanager
def connect_cluster(address: str | None) -> Generator[Any, None, None]:
    """Yield the package `ray`, connected to `address`, else to `RAY_ADDRESS`, else to a cluster started here.

    An existing connection is used and kept.

    Raises:
        ClusterError: Ray is not installed, or the cluster cannot be reached.
    """
    address = address or os.environ.get("RAY_ADDRESS")
    # Ray reads much of its configuration from the environment when it is imported.
    os.environ.update(_QUIET | ({} if address else _LOOPBACK) | os.environ)
    try:
        import ray.data
    except ImportError as error:
        raise ClusterError(
            f"embed.engine: ray needs the package ray ({error}): pip install 'vibe-photos[ray]'. "
            "The engine `local` needs none."
        ) from None
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    if ray.is_initialized():
        yield ray
        return
    where = address or "this machine"
    options: Any = {} if address else {"include_dashboard": False}
    try:
        check_port(where)
        with warnings.catch_warnings(action="ignore"):
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **options)
    except (OSError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no Ray cluster answers at {where} (embed.ray_address, else RAY_ADDRESS): {error}. "
            "If the cluster needs a token, set RAY_AUTH_MODE=token in the environment."
        ) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def check_port(address: str) -> None:
    """Connect to `host:port` once, because Ray itself would try for minutes without a message.

    Raises:
        OSError: nothing listens there.
    """
    host, _, port = address.rpartition(":")
    if port.isdigit() and "/" not in host:
        socket.create_connection((host, int(port)), _REACH_SECONDS).close()


def count_gpus(nodes: Iterable[Mapping[str, Any]], embedder: Embedder, embed: Embed) -> int:
    """Return how many GPUs a worker gets: one if the encoder can use it and the cluster has any, else none.

    GPUs and CPUs are never mixed, because their vectors differ in the last bits. In float64, an encoder
    always computes on the CPU.
    """
    can_use_gpu = embedder.kind == "siglip" and embedder.precision != "float64" and embed.device != "cpu"
    return int(can_use_gpu and any(node["Resources"].get("GPU", 0) for node in nodes))


def count_workers(nodes: Iterable[Mapping[str, Any]], cpus: int, gpus: int) -> int:
    """Return how many workers, each with so many CPU cores and GPUs, fit on the machines that are alive.

    Raises:
        ClusterError: none fits.
    """
    count = 0
    for node in nodes:
        if node["Alive"]:
            free = node["Resources"]
            fits = int(free.get("CPU", 0) // cpus)
            count += min(fits, int(free.get("GPU", 0))) if gpus else fits
    if not count:
        gpu = " and a GPU" if gpus else ""
        raise ClusterError(
            f"embed.workers: a worker needs {cpus} CPU cores{gpu}; no machine of the cluster has these"
        )
    return count
