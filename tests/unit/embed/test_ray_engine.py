import logging
import os
import re
import secrets
import signal
import socket
import sys
import time
import warnings
from collections import Counter
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.unit.drawn_library import embed_into
from tests.unit.embed.test_embed import read_outs
from tests.unit.tiny_models import draw_photo, list_photos

from vibe_photos.embed.ray import check_port, count_gpus, count_workers
from vibe_photos.errors import ClusterError, EncoderError
from vibe_photos.records.photos import PhotoProblem, read_manifest
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

# Ray's own code: settings of its that it deprecates, and files and sockets that it leaves to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

IS_PROOF = os.environ.get("VIBE_PHOTOS_PROVE") == "1"
STORE_BYTES = 100 << 20
BEGUN = re.compile(r"embed: \d+ photos from (\S+)")


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers of the cluster, as their logs tell of them."""

    logs: Path

    def list_begun(self) -> dict[int, list[str]]:
        """Return the first photo of each slice that was begun, by the process that began it."""
        begun = {}
        for path in self.logs.glob("worker-*.err"):
            begun[int(path.stem.rpartition("-")[2])] = BEGUN.findall(path.read_text())
        return {process: slices for process, slices in begun.items() if slices}


@pytest.fixture(scope="session")
def workers() -> Generator[Workers, None, None]:
    """A cluster of this machine alone, on loopback, whose two processors hold two workers."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(action="ignore"):
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Ray would listen to other machines, and leave a token of its own making in the home folder.
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        ray = pytest.importorskip("ray", reason="the engine `ray` needs vibe-photos[ray]")
        limits = {"num_cpus": 2, "num_gpus": 0, "object_store_memory": STORE_BYTES}
        quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
        context = ray.init("local", **limits, **quiet)
        try:
            yield Workers(Path(context.address_info["session_dir"]) / "logs")
        finally:
            ray.shutdown()


@pytest.fixture
def ray_embed(embed: Embed, workers: Workers) -> Embed:
    return msgspec.structs.replace(embed, engine="ray", workers=1)


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 96 photos, two of which cannot be read."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(96):
        draw_photo(number, (600, 480)).save(folder / f"{number:02}.jpg")
    whole = (folder / "17.jpg").read_bytes()
    (folder / "17.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "50.jpg").write_bytes(b"no photo")
    return folder


def test_a_killed_worker_costs_what_it_was_at_and_leaves_no_trace_in_the_outs(
    many: Path, hog: Embedder, embed: Embed, ray_embed: Embed, workers: Workers, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "photos.jsonl", list_photos(many))
    # One photo a batch makes slices of eight: twelve of them.
    small = msgspec.structs.replace(ray_embed, batch_size=1)
    with ThreadPoolExecutor(1) as pool:
        places = (tmp_path / "photos.jsonl", many, hog, small, tmp_path / "ray", tmp_path / "ray-store")
        running = pool.submit(embed_into, *places)
        killed = kill_busy_worker(workers, running)
        running.result()
    embed_into(tmp_path / "photos.jsonl", many, hog, embed, tmp_path / "local", tmp_path / "local-store")
    assert read_outs(tmp_path / "ray") == read_outs(tmp_path / "local")
    problems = read_jsonl(tmp_path / "ray" / "problems.jsonl", PhotoProblem)
    assert [(p.rel_path, p.reason) for p in problems] == [("17.jpg", "truncated"), ("50.jpg", "not_an_image")]

    begun = workers.list_begun()
    assert len(begun) >= 2
    times = Counter(first for slices in begun.values() for first in slices)
    assert sorted(times) == [f"{number:02}.jpg" for number in range(0, 96, 8)]
    # The slice at which the worker was killed, and the one before it where its result was still on its way.
    repeated = {first for first, count in times.items() if count > 1}
    assert repeated <= set(begun[killed][-2:])
    assert 1 <= sum(times.values()) - len(times) <= 2


def kill_busy_worker(workers: Workers, running: "Future[None]") -> int:
    """Kill, with SIGKILL, the first worker that has begun its second slice; return its process."""
    while not running.done():
        for process, slices in workers.list_begun().items():
            if len(slices) >= 2:
                os.kill(process, signal.SIGKILL)
                return process
        time.sleep(0.01)
    raise AssertionError("the run ended before a worker was killed") from running.exception()


@pytest.mark.skipif(not IS_PROOF, reason="takes three workers: VIBE_PHOTOS_PROVE=1")
def test_photos_that_kill_every_worker_stop_the_run(
    many: Path, hog: Embedder, ray_embed: Embed, workers: Workers, tmp_path: Path
) -> None:
    write_jsonl(tmp_path / "photos.jsonl", list_photos(many)[:32])
    with ThreadPoolExecutor(1) as pool:
        places = (tmp_path / "photos.jsonl", many, hog, ray_embed, tmp_path / "out", tmp_path / "store")
        before = set(workers.list_begun())
        running = pool.submit(embed_into, *places)
        killed: set[int] = set()
        while not running.done():
            for process in workers.list_begun().keys() - before - killed:
                os.kill(process, signal.SIGKILL)
                killed.add(process)
            time.sleep(0.01)
    with pytest.raises(ClusterError, match=r"gave up .* the same command continues from there"):
        running.result()
    assert len(killed) == 3


def test_a_model_gives_the_same_bytes_over_a_cluster_and_what_is_saved_is_not_computed_again(
    manifest: Path, root: Path, siglip: Embedder, embed: Embed, ray_embed: Embed, tmp_path: Path
) -> None:
    embed_into(manifest, root, siglip, embed, tmp_path / "local", tmp_path / "local-store")
    store, out = tmp_path / "ray-store", tmp_path / "ray"
    write_jsonl(tmp_path / "some.jsonl", read_manifest(manifest)[3:6])
    embed_into(tmp_path / "some.jsonl", root, siglip, embed, out, store)
    embed_into(manifest, root, siglip, ray_embed, out, store)
    assert read_outs(out) == read_outs(tmp_path / "local")
    # With the photos out of reach, anything computed would be an error.
    embed_into(manifest, tmp_path / "unmounted", siglip, ray_embed, out, store)
    assert read_outs(out) == read_outs(tmp_path / "local")


def test_what_stops_a_worker_stops_the_run_and_is_said_as_it_is(
    manifest: Path, root: Path, onnx: Embedder, ray_embed: Embed, tmp_path: Path
) -> None:
    (tmp_path / "cat.onnx").write_bytes(b"meow")
    broken = msgspec.structs.replace(onnx, checkpoint=str(tmp_path / "cat.onnx"))
    with pytest.raises(EncoderError, match=r"cat\.onnx is not an ONNX model"):
        embed_into(manifest, root, broken, ray_embed, tmp_path / "out", tmp_path / "store")


SIGLIP = Embedder(kind="siglip", name="s")
NODES = [
    {"Alive": True, "Resources": {"CPU": 16.0, "GPU": 2.0}},
    {"Alive": True, "Resources": {"CPU": 7.0}},
    {"Alive": False, "Resources": {"CPU": 64.0, "GPU": 8.0}},
]


@pytest.mark.parametrize(
    ("workers", "device", "embedder", "gpus", "count"),
    [
        # 16 // 4 + 7 // 4 workers on processors, but two GPUs hold two.
        (4, "cpu", SIGLIP, 0, 5),
        (4, "auto", Embedder(kind="hog", name="h"), 0, 5),
        (4, "auto", Embedder(kind="siglip", name="s", precision="float64"), 0, 5),
        (4, "auto", SIGLIP, 1, 2),
        # 16 processors hold one worker of 12, beside one of the two GPUs.
        (12, "cuda", SIGLIP, 1, 1),
    ],
)
def test_a_worker_takes_its_processors_and_a_gpu_where_the_encoder_can_use_one(
    embed: Embed, workers: int, device: str, embedder: Embedder, gpus: int, count: int
) -> None:
    assert count_gpus(NODES, embedder, msgspec.structs.replace(embed, device=device)) == gpus
    assert count_workers(NODES, workers, gpus) == count


def test_a_cluster_that_holds_no_worker_is_refused() -> None:
    with pytest.raises(ClusterError, match=r"embed\.workers: a worker needs 20 CPU cores and a GPU"):
        count_workers(NODES, cpus=20, gpus=1)


def test_a_missing_package_is_named(
    manifest: Path, root: Path, hog: Embedder, embed: Embed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    ray_embed = msgspec.structs.replace(embed, engine="ray")
    with pytest.raises(ClusterError, match=r"pip install 'vibe-photos\[ray\]'"):
        embed_into(manifest, root, hog, ray_embed, tmp_path / "out", tmp_path / "store")


def test_an_address_where_nothing_listens_is_found_out_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_port(f"127.0.0.1:{port}")
    with pytest.raises(ConnectionRefusedError):
        check_port(f"127.0.0.1:{port}")
    for other in ("auto", "local", "this machine", "ray://head:10001"):
        check_port(other)
