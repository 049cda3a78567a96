"""The annotator against real servers: `make prove-vllm`. vLLM's own counters say what was computed."""

import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.vllm.night import Night
from tests.vllm.servers import KEY, Server, VllmServer

from vibe_photos.annotate.estimate import image_tokens
from vibe_photos.annotate.question import fit_size
from vibe_photos.settings import SentImage

PHOTOS = 60
CONCURRENCY = 16
BRAKE = 20
"""Requests that a run may waste on a server that answers none of them."""

OVERRIDES = (f"annotate.budget={PHOTOS}", f"annotate.concurrency={CONCURRENCY}")
SENT = SentImage(max_edge_px=1536, max_pixels=1310720, jpeg_quality=88)


def wait_until_computed(vllm: VllmServer, requests: int, run: "subprocess.Popen[bytes]") -> None:
    """Return when vLLM has answered so many requests since it started, in the middle of a run."""
    while vllm.counted("request_success_total") < requests:
        assert run.poll() is None
        time.sleep(0.1)


def assert_each_photo_has_one_answer(night: Night) -> None:
    ids = Counter(answer["image_id"] for answer in night.answers())
    assert len(ids) == PHOTOS
    assert set(ids.values()) == {1}
    assert night.failures() == ""


def test_every_photo_is_answered_at_the_estimated_price(night: Night, vllm: VllmServer) -> None:
    estimated = night.estimated_prompt_tokens(*OVERRIDES)
    requests, tokens = vllm.counted("request_success_total"), vllm.counted("prompt_tokens_total")
    night.run(*OVERRIDES)
    assert_each_photo_has_one_answer(night)
    assert vllm.counted("request_success_total") - requests == PHOTOS
    counted = vllm.counted("prompt_tokens_total") - tokens
    assert counted == sum(answer["usage"]["prompt_tokens"] for answer in night.answers())
    assert estimated == pytest.approx(counted, rel=0.05)
    assert KEY not in night.said


def test_photos_of_any_size_have_the_estimated_tokens(night: Night, tmp_path: Path) -> None:
    """What vLLM counts beyond the estimate's tokens of the image is the prompt: the same for all sizes."""
    sizes = [
        (4000, 3000),
        (3000, 4000),
        (5000, 500),
        (640, 480),
        (333, 777),
        (256, 256),
        (250, 250),
        (300, 40),
        (9, 9),
    ]
    photos = tmp_path / "photos"
    photos.mkdir()
    for width, height in sizes:
        noise = np.random.default_rng(width).integers(0, 256, (height, width, 3), np.uint8)
        Image.fromarray(noise).save(photos / f"{width}x{height}.jpg")
    estimated = night.estimated_prompt_tokens(f"library.root={photos}")
    night.run(f"library.root={photos}")
    counted = {answer["rel_path"]: answer["usage"]["prompt_tokens"] for answer in night.answers()}
    prompts = {
        counted[f"{width}x{height}.jpg"] - image_tokens(*fit_size(width, height, SENT))
        for width, height in sizes
    }
    assert len(prompts) == 1
    assert estimated == pytest.approx(sum(counted.values()), rel=0.05)


def test_a_stopped_run_goes_on_and_pays_nothing_twice(night: Night, vllm: VllmServer) -> None:
    requests = vllm.counted("request_success_total")
    stopped = night.start(*OVERRIDES)
    wait_until_computed(vllm, requests + 10, stopped)
    stopped.send_signal(signal.SIGTERM)
    assert stopped.wait() == 1
    assert "interrupted" in night.said
    assert vllm.counted("request_success_total") - requests < PHOTOS
    night.run(*OVERRIDES)
    assert_each_photo_has_one_answer(night)
    assert vllm.counted("request_success_total") - requests == PHOTOS


@pytest.mark.parametrize(
    ("override", "key"),
    [("annotate.workers=2", "sk-not-the-key"), ("teacher.model=Qwen/Qwen3-VL-8B-Instruct", KEY)],
    ids=["key", "model"],
)
def test_a_wrong_key_or_model_ends_the_run(night: Night, server: Server, override: str, key: str) -> None:
    """vLLM says so with 401 and 404, LiteLLM with 400, as if the photo were at fault."""
    requests = server.requests
    assert night.start(*OVERRIDES, override, key=key).wait() == 1
    assert server.requests - requests <= BRAKE
    assert key not in night.said


def test_the_run_outlives_the_engine(night: Night, vllm: VllmServer) -> None:
    """The engine dies in the middle, vLLM with it; a supervisor starts it again while the run waits."""
    run = night.start(*OVERRIDES)
    wait_until_computed(vllm, vllm.counted("request_success_total") + 10, run)
    vllm.kill_engine()
    vllm.start()
    assert run.wait() == 0, night.said
    assert 0 < vllm.counted("request_success_total") < PHOTOS
    assert_each_photo_has_one_answer(night)
