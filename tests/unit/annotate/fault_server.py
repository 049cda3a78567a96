"""A chat completions server on loopback that misbehaves as told, and counts what it was asked."""

import asyncio
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import msgspec

ANNOTATION = {"scene": "food", "has_person": False, "objects": []}


def completion(text: str | None = None, finish_reason: str = "stop", created: int = 1755000000) -> bytes:
    """A chat completion as a server sends it."""
    return msgspec.json.encode(
        {
            "choices": [
                {
                    "message": {
                        "content": msgspec.json.encode(ANNOTATION).decode() if text is None else text
                    },
                    "finish_reason": finish_reason,
                }
            ],
            "created": created,
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        }
    )


def error(message: str) -> bytes:
    return msgspec.json.encode({"error": {"message": message}})


@dataclass(frozen=True)
class Act:
    """How one request is answered. `then` is what happens to the connection: keep, reset, stall or drip."""

    status: int = 200
    body: bytes = field(default_factory=completion)
    headers: dict[str, str] = field(default_factory=dict)
    then: str = "keep"
    delay_seconds: float = 0.0


@dataclass(frozen=True)
class Request:
    """One request as it came in."""

    image_id: str
    at: float
    headers: dict[str, str]
    body: bytes


Play = Callable[[str, int], Act]
"""From a photo's id and the number of the request about it (from 1) to what happens."""


class FaultServer:
    """Runs in a thread; use as a context manager."""

    def __init__(
        self,
        play: Play,
        context: ssl.SSLContext | None = None,
        *,
        models: Act | None = None,
        connect_status: int = 404,
    ) -> None:
        self.requests: list[Request] = []
        self.asked: Counter[str] = Counter()
        self.request_ids: set[str] = set()
        self.open_connections = 0
        self.most_open_connections = 0
        self.hung_up_by_client = 0
        self._play = play
        self._models = models or Act(404, error("no such page"))
        self._connect_status = connect_status
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._main(),))
        self._ready = threading.Event()
        self._end: asyncio.Event | None = None
        self.port = 0

    @property
    def base_url(self) -> str:
        return f"{'https' if self._context else 'http'}://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    async def _main(self) -> None:
        self._end = asyncio.Event()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open_connections += 1
        self.most_open_connections = max(self.most_open_connections, self.open_connections)
        try:
            while await self._answer_one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()

    async def _answer_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        if first.startswith("GET"):
            writer.write(_response(self._models))
            return True
        if first.startswith("CONNECT"):
            writer.write(_response(Act(self._connect_status)))
            return True
        image_id, _, attempt = headers["x-request-id"].rpartition(".")
        assert attempt not in self.request_ids
        self.request_ids.add(attempt)
        self.asked[image_id] += 1
        self.requests.append(Request(image_id, time.time(), headers, body))
        act = self._play(image_id, self.asked[image_id])
        await asyncio.sleep(act.delay_seconds)
        return await self._perform(act, reader, writer)

    async def _perform(self, act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        if act.then == "reset":
            writer.transport.abort()
            return False
        if act.then == "stall":
            await self._until_hung_up(reader)
            return False
        if act.then == "drip":
            drip = asyncio.create_task(self._drip(act, writer))
            await self._until_hung_up(reader)
            drip.cancel()
            return False
        writer.write(_response(act))
        await writer.drain()
        return True

    async def _until_hung_up(self, reader: asyncio.StreamReader) -> None:
        while await reader.read(1024):
            pass
        self.hung_up_by_client += 1

    async def _drip(self, act: Act, writer: asyncio.StreamWriter) -> None:
        for byte in _response(act):
            writer.write(bytes([byte]))
            await asyncio.sleep(0.05)


def _response(act: Act) -> bytes:
    head = {"Content-Type": "application/json", "Content-Length": str(len(act.body)), **act.headers}
    lines = [f"HTTP/1.1 {act.status} X", *(f"{name}: {value}" for name, value in head.items())]
    return "\r\n".join([*lines, "", ""]).encode() + act.body
