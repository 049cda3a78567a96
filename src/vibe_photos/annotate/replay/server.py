"""Recorded answers over real HTTP: a teacher on loopback that needs no GPU, for the demo and rehearsals.

Speaks `POST /v1/chat/completions` and `GET /v1/models`, and finds a photo by the `X-Request-Id` that the
client sends. Like a strict server it checks the whole request. What it answers:

| request | answer |
|---|---|
| about a recorded photo | 200, the recorded annotation as a chat completion |
| about a photo that is not recorded | 422: this photo fails, the run goes on |
| malformed, or with an image that is not whole | 400 |
| anything else | 404 |

Faults are drawn by a hash of seed, photo and how often it was asked about, so that a rehearsal repeats.
"""

import argparse
import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from vibe_photos.annotate.replay.faults import Fault, draw_fault
from vibe_photos.annotate.replay.http import read_request, write_response
from vibe_photos.annotate.replay.request import BadRequest, check_request
from vibe_photos.errors import ConfigurationError, VibePhotosError
from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.settings import Replay
from vibe_photos.storage.jsonl import read_jsonl

_STREAM_BYTES = 1 << 20
_CONNECTION_ENDS = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


class ReplayServer:
    """Answers from recorded annotations; of several records of a photo the last counts."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        recorded = read_jsonl(Path(replay.recordings), RawAnnotation)
        self._recorded = {record.image_id: record for record in recorded}
        self._asked: Counter[str] = Counter()
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> asyncio.Server:
        """Listen on loopback; port 0 lets the system choose one."""
        return await asyncio.start_server(self._accept, "127.0.0.1", port, limit=_STREAM_BYTES, backlog=1024)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection until it ends."""
        with contextlib.suppress(*_CONNECTION_ENDS):
            while request := await read_request(reader):
                status, body, headers = await self._answer(*request)
                writer.write(write_response(status, body, headers))
                await writer.drain()
        writer.close()

    async def _answer(
        self, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, bytes, dict[str, str]]:
        if target == "GET /v1/models":
            return 200, self._list_models(), {}
        if target != "POST /v1/chat/completions":
            return _error(404, f"there is no {target} here")
        image_id = headers.get("x-request-id", "")
        self._asked[image_id] += 1
        fault = draw_fault(self._replay, image_id, self._asked[image_id])
        if fault is Fault.STALL:
            await asyncio.Event().wait()
        await asyncio.sleep(self._replay.latency_seconds)
        try:
            model = check_request(body)
        except BadRequest as error:
            return _error(400, str(error))
        return self._replay_answer(image_id, model, fault)

    def _replay_answer(
        self, image_id: str, model: str, fault: Fault | None
    ) -> tuple[int, bytes, dict[str, str]]:
        if fault is Fault.ERROR:
            return _error(500, "a rehearsed failure")
        if fault is Fault.RATE_LIMIT:
            status, body, _ = _error(429, "a rehearsed rate limit")
            return status, body, {"Retry-After": str(self._replay.retry_after_seconds)}
        record = self._recorded.get(image_id)
        if record is None:
            return _error(422, f"no answer is recorded for the photo {image_id!r} (X-Request-Id)")
        return 200, _completion(record, model, is_malformed=fault is Fault.MALFORMED), {}

    def _list_models(self) -> bytes:
        models = sorted({record.model or "recorded" for record in self._recorded.values()})
        listed = [{"id": model, "object": "model", "owned_by": "replay"} for model in models]
        is_simulated = any(record.simulated for record in self._recorded.values())
        return msgspec.json.encode({"object": "list", "data": listed, "simulated": is_simulated})


def _completion(record: RawAnnotation, model: str, *, is_malformed: bool) -> bytes:
    text = msgspec.json.encode(record.annotation).decode()
    completion = {
        "id": f"replay-{record.image_id}",
        "object": "chat.completion",
        "created": record.created_at or 0,
        "model": record.model or model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text[: len(text) // 2] if is_malformed else text},
                "finish_reason": record.finish_reason or "stop",
            }
        ],
        "usage": record.usage,
        "simulated": record.simulated,
    }
    return msgspec.json.encode(completion)


def _error(status: int, message: str) -> tuple[int, bytes, dict[str, str]]:
    error = {"message": message, "type": "replay_error", "code": status}
    return status, msgspec.json.encode({"error": error}), {}


async def _run(replay: Replay, port: int, *, until_stdin_closes: bool) -> None:
    listener = await ReplayServer(replay).listen(port)
    address = listener.sockets[0].getsockname()
    print(f"export QWEN_BASE_URL=http://127.0.0.1:{address[1]}/v1", flush=True)
    if until_stdin_closes:
        await _wait_for_end_of_stdin()
    else:
        await listener.serve_forever()


async def _wait_for_end_of_stdin() -> None:
    """Return when whoever started this process is gone, however it went."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the replay server's command line."""
    parser.add_argument("--recordings", required=True, help="JSONL of raw annotations to answer from")
    parser.add_argument("--port", type=int, default=0, help="port on loopback (default: a free one)")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="how long each answer takes")
    for fault in ("error", "rate-limit", "malformed", "stall"):
        parser.add_argument(f"--{fault}-share", type=float, default=0.0, help="share of requests, 0 to 1")
    parser.add_argument("--retry-after-seconds", type=int, default=1, help="what a rate limit asks for")
    parser.add_argument("--seed", type=int, default=0, help="of the faults")
    parser.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted; print the line that points the annotate stage here.

    Raises:
        InputError: the recordings cannot be read.
        ConfigurationError: an option is out of range.
    """
    options = {name: value for name, value in vars(arguments).items() if name in Replay.__struct_fields__}
    try:
        replay = msgspec.convert(options, Replay)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"replay server: {error}") from None
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(replay, arguments.port, until_stdin_closes=arguments.until_stdin_closes))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the replay server's command line; return its exit status."""
    parser = argparse.ArgumentParser(
        "replay_server", description="Answer from recorded annotations, over HTTP."
    )
    add_arguments(parser)
    try:
        run(parser.parse_args(argv))
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
