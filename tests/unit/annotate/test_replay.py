"""The replay server as a strict server: over real HTTP, with the requests that the client makes."""

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import msgspec
import pytest
from PIL import Image

from vibe_photos.annotate.question import build_question, data_url, request_body
from vibe_photos.annotate.replay import Fault, draw_fault, start_replay_server
from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.settings import Replay, Taxonomy, Teacher
from vibe_photos.storage.jsonl import write_jsonl

RECORD = RawAnnotation(
    image_id="a",
    annotation={"scene": "food", "objects": []},
    model="recorded",
    finish_reason="stop",
    usage={"prompt_tokens": 3},
    created_at=9,
    simulated=True,
)


COMMAND = [Path(sys.executable).with_name("vibe-photos"), "replay-server"]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replay") / "recorded.jsonl"
    write_jsonl(path, [msgspec.structs.replace(RECORD, annotation={"scene": "other"}), RECORD])
    return path


@pytest.fixture(scope="module")
def base_url(recordings: Path) -> Iterator[str]:
    with start_replay_server(Replay(recordings=str(recordings))) as address:
        yield address


def jpeg() -> bytes:
    written = BytesIO()
    Image.new("RGB", (40, 30)).save(written, "JPEG")
    return written.getvalue()


@pytest.fixture
def body(teacher: Teacher, taxonomy: Taxonomy) -> bytes:
    question = build_question(teacher, taxonomy)
    return request_body(question, "m", data_url(jpeg()), response_format="json_schema", max_tokens=9)


def call(url: str, body: bytes | None = None, image_id: str = "a") -> tuple[int, Any]:
    request = urllib.request.Request(url, body, {"X-Request-Id": image_id})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, msgspec.json.decode(response.read())
    except urllib.error.HTTPError as error:
        with error:
            return error.code, msgspec.json.decode(error.read())


def test_a_recorded_photo_gets_its_last_answer(base_url: str, body: bytes) -> None:
    status, completion = call(f"{base_url}/chat/completions", body)
    assert status == 200
    assert completion["choices"][0]["message"]["content"] == '{"scene":"food","objects":[]}'
    assert (completion["created"], completion["usage"]) == (9, {"prompt_tokens": 3})
    assert (completion["model"], completion["simulated"]) == ("recorded", True)


def test_a_photo_that_is_not_recorded_fails_alone(base_url: str, body: bytes) -> None:
    status, said = call(f"{base_url}/chat/completions", body, image_id="b")
    assert status == 422
    assert "no answer is recorded for the photo 'b'" in said["error"]["message"]


def test_models_are_listed(base_url: str) -> None:
    status, models = call(f"{base_url}/models")
    assert (status, models["simulated"]) == (200, True)
    assert [model["id"] for model in models["data"]] == ["recorded"]


def test_other_places_do_not_exist(base_url: str) -> None:
    assert call(f"{base_url}/completions", b"{}")[0] == 404


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("model", None, "model"),
        ("messages", "x", "messages"),
        ("messages", [], "one image and a text"),
        ("max_tokens", "many", "max_tokens"),
    ],
)
def test_a_malformed_request_is_refused(
    base_url: str, body: bytes, field: str, value: object, says: str
) -> None:
    asked = {**msgspec.json.decode(body), field: value}
    status, said = call(f"{base_url}/chat/completions", msgspec.json.encode(asked))
    assert status == 400
    assert says in said["error"]["message"]


@pytest.mark.parametrize("image", [b"", b"no JPEG", jpeg()[:-2]])
def test_an_image_that_is_not_whole_is_refused(
    base_url: str, teacher: Teacher, taxonomy: Taxonomy, image: bytes
) -> None:
    question = build_question(teacher, taxonomy)
    asked = request_body(question, "m", data_url(image), response_format="json_object", max_tokens=9)
    assert call(f"{base_url}/chat/completions", asked)[0] == 400


def test_faults_have_their_shares_and_repeat() -> None:
    """Of 4000 draws a share of 0.1 comes within 4 standard deviations, 0.019."""
    replay = Replay(
        recordings="", error_share=0.1, rate_limit_share=0.1, malformed_share=0.1, stall_share=0.1, seed=3
    )
    drawn = [draw_fault(replay, f"photo {number}", 1) for number in range(4000)]
    counts = Counter(drawn)
    assert all(abs(counts[fault] / 4000 - 0.1) < 0.019 for fault in get_args(Fault))
    assert drawn == [draw_fault(replay, f"photo {number}", 1) for number in range(4000)]
    assert drawn != [draw_fault(replay, f"photo {number}", 2) for number in range(4000)]
    assert draw_fault(Replay(recordings=""), "a", 1) is None


def test_it_starts_by_one_command_and_says_where_it_is(recordings: Path) -> None:
    command = [*COMMAND, "--recordings", str(recordings)]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Tests that a shell runs in the background ignore Ctrl-C, and what they start would as well.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as server:
        assert server.stdout is not None
        line = server.stdout.readline().decode()
        base_url = line.strip().removeprefix("export QWEN_BASE_URL=")
        assert call(f"{base_url}/models")[0] == 200
        with socket.create_connection(("127.0.0.1", urlsplit(base_url).port or 0)):  # open while it ends
            server.send_signal(signal.SIGINT)
            assert server.communicate()[1] == b""
        assert server.returncode == 0


def test_bad_options_and_recordings_are_told_without_a_traceback(tmp_path: Path) -> None:
    command = [*COMMAND, "--recordings"]
    missing = subprocess.run([*command, str(tmp_path / "x.jsonl")], capture_output=True, text=True)
    assert (missing.returncode, missing.stderr) == (1, f"error: {tmp_path / 'x.jsonl'} does not exist\n")
    share = subprocess.run([*command, "x", "--error-share", "2"], capture_output=True, text=True)
    assert share.returncode == 1
    assert "error_share" in share.stderr
    assert "Traceback" not in share.stderr
    with pytest.raises(InputError, match=r"teacher\.replay\.recordings"):
        start_replay_server(Replay(recordings=str(tmp_path / "x.jsonl"))).__enter__()
