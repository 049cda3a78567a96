"""Whether the teacher is there and serves the model, before anything is paid."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from tests.unit.annotate.small_library import MakeSettings

from vibe_photos.annotate.stage import check_teacher
from vibe_photos.errors import ConfigurationError, TeacherRefused, TeacherUnreachable

MODEL = "Qwen/Qwen3-VL-32B-Instruct"


@contextmanager
def serving(status: int, content: Any) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer to everything; yield the address and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", asked
    finally:
        server.shutdown()
        server.server_close()


def listing(*models: str, **fields: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": model, **fields} for model in models]}


@pytest.mark.parametrize(
    ("status", "content", "said"),
    [
        (200, listing("other", MODEL), f"serves {MODEL}"),
        (404, {"detail": "Not Found"}, "does not list its models: `--ask` shows whether it serves"),
        (200, "no list", "does not list its models"),
    ],
)
def test_a_server_that_can_be_used(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, status: int, content: Any, said: str
) -> None:
    with serving(status, content) as (address, asked):
        monkeypatch.setenv("QWEN_BASE_URL", address)
        assert said in check_teacher(make_settings())
    assert asked == ["GET /v1/models"]


@pytest.mark.parametrize(
    ("status", "content", "error"),
    [
        (
            200,
            listing("Qwen/Qwen2.5-VL-7B"),
            f"does not list the model '{MODEL}'. It serves: Qwen/Qwen2.5-VL-7B",
        ),
        (401, {"error": {"message": "who are you"}}, r"check QWEN_API_KEY\..* says: status 401: who are you"),
    ],
)
def test_a_server_that_cannot(
    make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch, status: int, content: Any, error: str
) -> None:
    with serving(status, content) as (address, _):
        monkeypatch.setenv("QWEN_BASE_URL", address)
        with pytest.raises(TeacherRefused, match=error):
            check_teacher(make_settings())


def test_no_server_and_no_address(make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="QWEN_BASE_URL is not set"):
        check_teacher(make_settings())
    with serving(200, listing(MODEL)) as (address, _):
        monkeypatch.setenv("QWEN_BASE_URL", address)
    with pytest.raises(TeacherUnreachable, match=r"no server answers at QWEN_BASE_URL, http://127"):
        check_teacher(make_settings())
