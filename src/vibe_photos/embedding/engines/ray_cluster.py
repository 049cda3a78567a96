"""The Ray cluster on which a library is embedded: how it is reached, and how many workers it holds."""

import logging
import os
import socket
import warnings
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from vibe_photos.errors import ClusterError
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
