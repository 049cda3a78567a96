"""A whole annotate run against a server that takes a second to answer, and against simpler ways to ask.

The ideal is all of the window in flight all of the time. Ours is the stage itself: decode, shrink, send,
parse, fsync, write the outs. The peer is the `openai` package's asynchronous client as its users write it.
Server, client and preparation share this machine's cores. The client's CPU is the event loop's thread alone:
preparation runs in others. Its floor is httpx sending one ready body over as many connections, doing nothing
else. Memory is what a run over photos that are all answered holds, a photo.
"""

import asyncio
import logging
import os
import shutil
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import httpx
import msgspec
import xxhash
from benchmarks.prepare import render_photo
from benchmarks.rounds import at_least, at_most, parse_arguments, print_table, write_results
from omegaconf import OmegaConf
from PIL import Image

from vibe_photos.annotate.answers import Answer, AnswerKey, AnswerStore
from vibe_photos.annotate.question import build_question, data_url, prepare_jpeg, request_body
from vibe_photos.annotate.stage import annotate_library
from vibe_photos.configuration import from_mapping
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

CONF = Path(__file__).resolve().parent.parent / "conf"
LATENCY_SECONDS = 1.0
WAVES = 12
PEER_WAVES = 3
REMEMBERED = 100_000
ANNOTATION = {"scene": "food", "has_person": False, "objects": []}


def make_library(folder: Path, count: int) -> None:
    """Write `count` photos that differ in their last bytes only, their manifest and recorded answers."""
    root = folder / "photos"
    root.mkdir()
    render_photo(root / "first.jpg", 512, 384)
    jpeg = (root / "first.jpg").read_bytes()
    (root / "first.jpg").unlink()
    photos = []
    for number in range(count):
        content = jpeg + b"%08d" % number
        path = root / f"{number:06}.jpg"
        path.write_bytes(content)
        image_id = xxhash.xxh3_128_hexdigest(content)
        photos.append(Photo(image_id=image_id, rel_path=path.name, bytes=len(content), format="JPEG"))
    write_jsonl(folder / "photos.jsonl", photos)
    answers = [
        RawAnnotation(image_id=photo.image_id, annotation=ANNOTATION, model="recorded") for photo in photos
    ]
    write_jsonl(folder / "answers.jsonl", answers)


def make_settings(folder: Path, concurrency: int) -> Settings:
    """Return the configuration of a run in `folder`."""
    config: Any = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml"))
    mapping: dict[str, Any] = {key: config[key] for key in config if key not in ("defaults", "hydra")}
    for group, choices in {
        "teacher": ("../question", "qwen3_vl_32b"),
        "taxonomy": ("m2",),
        "embedder": ("hog",),
    }.items():
        loaded = OmegaConf.merge(*(OmegaConf.load(CONF / group / f"{choice}.yaml") for choice in choices))
        mapping[group] = {k: v for k, v in OmegaConf.to_container(loaded).items() if k != "defaults"}
    mapping["library"]["root"] = str(folder / "photos")
    mapping["paths"] |= {
        "photos": str(folder / "photos.jsonl"),
        "raw_annotations": str(folder / "out" / "raw.jsonl"),
        "eval": str(folder / "out"),
    }
    mapping["teacher"]["model"] = "recorded"
    mapping["annotate"]["concurrency"] = concurrency
    # Otherwise only 20 photos are asked about in the first second.
    mapping["annotate"]["max_failures_in_a_row"] = concurrency
    return from_mapping(mapping)


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """Yield the address of a replay server with the library's answers."""
    command = ["vibe-photos", "replay-server", "--recordings", str(folder / "answers.jsonl")]
    command += ["--latency-seconds", str(LATENCY_SECONDS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().decode().strip().removeprefix("export QWEN_BASE_URL=")
        finally:
            server.kill()


def measure_ours(settings: Settings, folder: Path, base_url: str) -> tuple[float, float]:
    """Run the stage with an empty store; return its seconds, and those of its main thread's CPU."""
    os.environ["QWEN_BASE_URL"] = base_url
    shutil.rmtree(folder / "store", ignore_errors=True)
    shutil.rmtree(folder / "out", ignore_errors=True)
    started, cpu = time.perf_counter(), time.thread_time()
    annotate_library(settings, folder / "store")
    return time.perf_counter() - started, time.thread_time() - cpu


def measure_bare(settings: Settings, folder: Path, base_url: str) -> float:
    """Post one photo's ready body as often over bare httpx transports; return the seconds of CPU."""
    photos = list(read_jsonl(folder / "photos.jsonl", Photo))
    question = build_question(settings.teacher, settings.taxonomy)
    image_url = data_url(prepare_jpeg(folder / "photos" / photos[0].rel_path, question.image, 10**9))
    body = request_body(question, "m", image_url, response_format="json_schema", max_tokens=9)
    context, limits = httpx.create_ssl_context(), httpx.Limits(max_connections=1)

    async def post(transport: httpx.AsyncHTTPTransport, waiting: Iterator[Photo]) -> None:
        for photo in waiting:
            headers = {"X-Request-Id": photo.image_id, "Content-Type": "application/json"}
            request = httpx.Request("POST", f"{base_url}/chat/completions", headers=headers, content=body)
            response = await transport.handle_async_request(request)
            await response.aread()
            await response.aclose()
            assert response.status_code == 200, response.content

    async def post_all() -> None:
        waiting = iter(photos)
        async with asyncio.TaskGroup() as group:
            for _ in range(settings.annotate.concurrency):
                group.create_task(post(httpx.AsyncHTTPTransport(verify=context, limits=limits), waiting))

    started = time.thread_time()
    asyncio.run(post_all())
    return time.thread_time() - started


def measure_peer(settings: Settings, folder: Path, base_url: str) -> float:
    """Ask about a quarter of the photos with the `openai` client; return the seconds for all of them.

    As its users write it: a semaphore, a thumbnail made in a thread, a line appended to a file.
    """
    from openai import AsyncOpenAI

    question = build_question(settings.teacher, settings.taxonomy)
    turns = asyncio.Semaphore(settings.annotate.concurrency)

    def make_thumbnail(photo: Photo) -> str:
        jpeg = BytesIO()
        with Image.open(folder / "photos" / photo.rel_path) as image:
            image.thumbnail((question.image.max_edge_px, question.image.max_edge_px))
            image.save(jpeg, "JPEG", quality=question.image.jpeg_quality)
        return data_url(jpeg.getvalue())

    async def ask(client: AsyncOpenAI, photo: Photo, answers: TextIO) -> None:
        async with turns:
            image_url = await asyncio.to_thread(make_thumbnail, photo)
            content = [
                {"type": "image_url", "image_url": {"url": image_url}},
                {"type": "text", "text": question.user},
            ]
            completion = await client.chat.completions.create(
                model="m",
                max_tokens=9,
                messages=[{"role": "user", "content": content}],
                extra_headers={"X-Request-Id": photo.image_id},
            )
            answers.write(f"{photo.image_id} {completion.choices[0].message.content}\n")
            answers.flush()

    async def ask_all(photos: list[Photo], answers: TextIO) -> float:
        async with AsyncOpenAI(base_url=base_url, api_key="none") as client:
            started = time.perf_counter()
            await asyncio.gather(*(ask(client, photo, answers) for photo in photos))
            return time.perf_counter() - started

    photos = list(
        islice(read_jsonl(folder / "photos.jsonl", Photo), PEER_WAVES * settings.annotate.concurrency)
    )
    with (folder / "peer.txt").open("w") as answers:
        seconds = asyncio.run(ask_all(photos, answers))
    assert len((folder / "peer.txt").read_text().splitlines()) == len(photos)
    return seconds * WAVES / PEER_WAVES


def measure_memory(folder: Path) -> float:
    """Return the bytes a photo that the index of a store with `REMEMBERED` answers holds."""
    key = AnswerKey("m", "p")
    with AnswerStore(folder / "memory") as answer_store:
        answers = answer_store.of(key)
        for number in range(REMEMBERED):
            answers.append(Answer(image_id=f"{number:032x}", model="m", prompt_id="p", annotation=ANNOTATION))
    tracemalloc.start()
    with AnswerStore(folder / "memory") as answer_store:
        answer_store.of(key)
        held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return held / REMEMBERED


def _import_lazily_imported(settings: Settings, folder: Path, url: str) -> None:
    annotate = msgspec.structs.replace(settings.annotate, budget=settings.annotate.concurrency)
    measure_ours(msgspec.structs.replace(settings, annotate=annotate), folder, url)


def compare(folder: Path, concurrency: int, url: str) -> dict[str, float]:
    """Run ours and the peer once each (a run is thousands of requests); print and return the seconds."""
    settings = make_settings(folder, concurrency)
    _import_lazily_imported(settings, folder, url)
    seconds, cpu_seconds = measure_ours(settings, folder, url)
    medians = {
        "ideal": WAVES * LATENCY_SECONDS,
        "annotate": seconds,
        "openai client": measure_peer(settings, folder, url),
    }
    count = WAVES * concurrency
    print_table(f"1 s x {concurrency}, {count} photos of 0.2 megapixels", medians, "ideal", count, "photos")
    bare_seconds = measure_bare(settings, folder, url)
    medians |= {"annotate, client CPU": cpu_seconds, "bare httpx, client CPU": bare_seconds}
    print(
        f"client CPU a request besides preparation: {cpu_seconds / count * 1e3:.2f} ms, "
        f"bare httpx {bare_seconds / count * 1e3:.2f} ms: {cpu_seconds / bare_seconds:.2f} of it"
    )
    return medians


def main() -> None:
    """Print a table for a window of 64 and one of 256."""
    arguments = parse_arguments(__doc__, rounds=1)
    logging.disable(logging.INFO)
    results = {}
    for concurrency in (64, 256):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_library(folder, WAVES * concurrency)
            with serve(folder) as url:
                results[f"1 s x {concurrency}"] = compare(folder, concurrency, url)
    with tempfile.TemporaryDirectory() as name:
        held_bytes = measure_memory(Path(name))
    print(f"\nmemory of the index: {held_bytes:.0f} bytes a photo")
    reaches = [
        at_least(
            f"annotate at {title}, share of the ideal",
            medians["ideal"] / medians["annotate"],
            wanted,
            medians["ideal"] / medians["openai client"],
        )
        for (title, medians), wanted in zip(results.items(), (0.9, 0.8), strict=True)
    ]
    widest = results["1 s x 256"]
    cpu_ms, bare_ms = (
        widest[name] / (WAVES * 256) * 1e3 for name in ("annotate, client CPU", "bare httpx, client CPU")
    )
    reaches += [
        at_most("client CPU a request (peer: bare httpx)", cpu_ms, 2.0, bare_ms, "ms"),
        at_most("memory of the answers' index", held_bytes, 500, unit="bytes a photo"),
    ]
    write_results(arguments.json, results, reaches)


if __name__ == "__main__":
    main()
