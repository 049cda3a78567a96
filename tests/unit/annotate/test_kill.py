"""A run that is killed at random moments, and goes on: nothing is lost, nothing is doubled."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import msgspec
from tests.unit.annotate.fault_server import Act, FaultServer, completion
from tests.unit.annotate.small_library import MakeSettings, make_library

from vibe_photos.annotate.answers import open_line
from vibe_photos.settings import Settings
from vibe_photos.storage.append_log import read_lines

IS_PROOF = os.environ.get("VIBE_PHOTOS_PROVE") == "1"
PHOTOS = 3000 if IS_PROOF else 200
KILLS = 50 if IS_PROOF else 4
CONCURRENCY = 16
LATENCY_SECONDS = 0.05


def play(image_id: str, attempt: int) -> Act:
    """Each photo has an answer of its own, so that an answer under a wrong photo would show."""
    return Act(body=completion(f'{{"scene": "food", "note": "{image_id}"}}'), delay_seconds=LATENCY_SECONDS)


def start(settings: Settings, store: Path, base_url: str) -> "subprocess.Popen[bytes]":
    written = store.parent / "settings.json"
    written.write_bytes(msgspec.json.encode(settings, enc_hook=str))
    script = Path(__file__).with_name("run_annotate.py")
    return subprocess.Popen(
        [sys.executable, script, written, store], env={**os.environ, "QWEN_BASE_URL": base_url}
    )


def outs(settings: Settings) -> list[bytes]:
    raw = settings.paths.raw_annotations
    metric = settings.paths.eval / "annotate.json"
    return [path.read_bytes() for path in (raw, raw.with_name("failures.jsonl"), metric)]


def kill_while_answers_come(run: "subprocess.Popen[bytes]", server: FaultServer, requests: int) -> None:
    seen = len(server.requests)
    while len(server.requests) < seen + requests and run.poll() is None:
        time.sleep(0.001)
    run.kill()
    run.wait()


def test_a_run_killed_at_random_moments_loses_and_doubles_nothing(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    library = make_library(tmp_path, PHOTOS)
    settings = make_settings(annotate={"concurrency": CONCURRENCY})
    moments = random.Random(11)
    with FaultServer(play) as server:
        for _ in range(KILLS):
            run = start(settings, tmp_path / "killed", server.base_url)
            kill_while_answers_come(run, server, moments.randrange(1, PHOTOS // KILLS))
        assert start(settings, tmp_path / "killed", server.base_url).wait() == 0
        after_kills = outs(settings)
        sent_again = server.asked.total() - PHOTOS
        settings.paths.raw_annotations.unlink()
        assert start(settings, tmp_path / "whole", server.base_url).wait() == 0
    assert 0 <= sent_again <= CONCURRENCY * KILLS
    assert outs(settings) == after_kills
    (log,) = (tmp_path / "killed").rglob("*.jsonl")
    kept = Counter(open_line(line).image_id for _, line in read_lines(log))
    assert kept == Counter(photo.image_id for photo in library)
