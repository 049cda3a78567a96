"""A simulated teacher: recorded answers over HTTP on this machine, for the demo and for rehearsals.

It finds a photo by the `X-Request-Id` of the request (the photo's id, up to the first dot), and validates
the whole request like a strict server:

| request | answer |
|---|---|
| about a recorded photo | 200, the recorded annotation as a chat completion |
| about a photo without a record | 422: this photo fails, the run continues |
| malformed, or with an incomplete image | 400 |
| anything else | 404 |

Faults are drawn by a hash of seed, photo and attempt number, so that a rehearsal is repeatable.
"""

import asyncio
import base64
import binascii
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import msgspec
import uvicorn
import xxhash
from PIL import Image
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from vibe_photos.errors import InputError, VibePhotosError
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.settings import Replay
from vibe_photos.storage.jsonl import read_jsonl

_BACKLOG = 1024
_ENDINGS = {"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}
"""The accepted image formats, and the bytes at the end of a complete file of each."""

Fault = Literal["error", "rate_limit", "malformed", "stall"]
"""What goes wrong with one request: each has its share in `Replay`."""


@contextmanager
def start_replay_server(replay: Replay) -> Iterator[str]:
    """Run a replay server in a thread; yield its base URL, on a free port of loopback.

    Raises:
        InputError: the configured file of recordings does not exist or cannot be read.
    """
    if not Path(replay.recordings).is_file():
        raise InputError(f"{replay.recordings} (teacher.replay.recordings) does not exist")
    server = _make_server(replay)
    with _listen(0) as listener:
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        try:
            yield _base_url(listener)
        finally:
            server.should_exit = server.force_exit = True
            thread.join()


def serve_until_interrupted(replay: Replay, port: int) -> None:
    """Serve on a port of loopback (0: a free one); print the line that sets `QWEN_BASE_URL` for annotate.

    Raises:
        InputError: the recordings cannot be read.
    """
    server = _make_server(replay)
    with _listen(port) as listener:
        print(f"export QWEN_BASE_URL={_base_url(listener)}", flush=True)
        server.run([listener])


def _make_server(replay: Replay) -> uvicorn.Server:
    config = uvicorn.Config(
        _ReplayApp(replay).make_app(),
        backlog=_BACKLOG,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def _listen(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), backlog=_BACKLOG)


def _base_url(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}/v1"


class _BadRequest(VibePhotosError):
    """A request is invalid; the message says why."""


class _ImageUrl(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    text: str = ""
    image_url: _ImageUrl | None = None


class _Message(msgspec.Struct):
    content: str | list[_Part]


class _ChatRequest(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int


class _ReplayApp:
    """Answers from recorded annotations; if a photo has several records, the last one counts."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        recorded = read_jsonl(Path(replay.recordings), RawAnnotation)
        self._recorded = {record.image_id: record for record in recorded}
        self._asked: Counter[str] = Counter()

    def make_app(self) -> Starlette:
        routes = [
            Route("/v1/models", self._list_models, methods=["GET"]),
            Route("/v1/chat/completions", self._complete_chat, methods=["POST"]),
        ]
        return Starlette(routes=routes, exception_handlers={HTTPException: _not_found})

    async def _list_models(self, _request: Request) -> Response:
        models = sorted({record.model or "recorded" for record in self._recorded.values()})
        listed = [{"id": model, "object": "model", "owned_by": "replay"} for model in models]
        is_simulated = any(record.simulated for record in self._recorded.values())
        return _respond(200, {"object": "list", "data": listed, "simulated": is_simulated})

    async def _complete_chat(self, request: Request) -> Response:
        image_id = request.headers.get("x-request-id", "").partition(".")[0]
        body = await request.body()
        self._asked[image_id] += 1
        fault = draw_fault(self._replay, image_id, self._asked[image_id])
        if fault == "stall":
            await asyncio.Event().wait()
        await asyncio.sleep(self._replay.latency_seconds)
        try:
            model = _check_request(body)
        except _BadRequest as error:
            return _respond_error(400, str(error))
        if fault == "error":
            return _respond_error(500, "a rehearsed failure")
        if fault == "rate_limit":
            response = _respond_error(429, "a rehearsed rate limit")
            response.headers["Retry-After"] = str(self._replay.retry_after_seconds)
            return response
        record = self._recorded.get(image_id)
        if record is None:
            return _respond_error(422, f"no answer is recorded for the photo {image_id!r} (X-Request-Id)")
        return _respond(200, _make_completion(record, model, is_malformed=fault == "malformed"))


def draw_fault(replay: Replay, image_id: str, attempt: int) -> Fault | None:
    """Return the fault of a photo's request number `attempt` (from 1), or None for a good answer.

    Shares are fractions of all requests; if their sum exceeds 1, the last ones get less.
    """
    drawn = xxhash.xxh3_64_intdigest(f"{replay.seed}/{image_id}/{attempt}".encode()) / 2**64
    shares: dict[Fault, float] = {
        "error": replay.error_share,
        "rate_limit": replay.rate_limit_share,
        "malformed": replay.malformed_share,
        "stall": replay.stall_share,
    }
    cumulative = 0.0
    for fault, share in shares.items():
        cumulative += share
        if drawn < cumulative:
            return fault
    return None


def _check_request(body: bytes) -> str:
    """Return the model that a well-formed chat completion request asks for.

    Raises:
        _BadRequest: it is not JSON, lacks a part, or its image is incomplete.
    """
    try:
        request = msgspec.json.decode(body, type=_ChatRequest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _BadRequest(f"not a chat completion request: {error}") from None
    parts = [
        part for message in request.messages if isinstance(message.content, list) for part in message.content
    ]
    images = [part.image_url.url for part in parts if part.image_url]
    if len(images) != 1 or not any(part.text for part in parts):
        raise _BadRequest("the request needs one image and a text")
    head, _, encoded = images[0].partition(";base64,")
    name = head.removeprefix("data:image/")
    if name not in _ENDINGS:
        raise _BadRequest(f"the image must be {' or '.join(_ENDINGS)}, in base64")
    try:
        content = base64.b64decode(encoded, validate=True)
        Image.open(BytesIO(content), formats=[name]).close()
    except (binascii.Error, OSError, ValueError) as error:
        raise _BadRequest(f"the image cannot be read: {error}") from None
    if not content.endswith(_ENDINGS[name]):
        raise _BadRequest("the image is incomplete")
    return request.model


def _make_completion(record: RawAnnotation, model: str, *, is_malformed: bool) -> dict[str, Any]:
    text = msgspec.json.encode(record.annotation).decode()
    message = {"role": "assistant", "content": text[: len(text) // 2] if is_malformed else text}
    return {
        "id": f"replay-{record.image_id}",
        "object": "chat.completion",
        "created": record.created_at or 0,
        "model": record.model or model,
        "choices": [{"index": 0, "message": message, "finish_reason": record.finish_reason or "stop"}],
        "usage": record.usage,
        "simulated": record.simulated,
    }


async def _not_found(request: Request, _error: Exception) -> Response:
    return _respond_error(404, f"{request.method} {request.url.path} does not exist")


def _respond(status: int, value: dict[str, Any]) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def _respond_error(status: int, message: str) -> Response:
    return _respond(status, {"error": {"message": message, "type": "replay_error", "code": status}})
