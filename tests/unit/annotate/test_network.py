"""Sockets under httpcore: what arrived is read, what is full waits, what is dead is opened anew."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import httpcore
import pytest
import uvloop

from vibe_photos.annotate.client import Client, Response
from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.annotate.network import AsyncioBackend, SocketStream

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}"


def with_server(serve: Serve, meet: Callable[[int], Awaitable[None]]) -> None:
    """Run `meet` with the port of a server that does `serve` for every connection, then drops it."""

    async def run() -> None:
        serving: list[asyncio.Task[None]] = []

        async def serve_and_drop(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await serve(reader, writer)
            writer.transport.abort()

        server = await asyncio.start_server(
            lambda reader, writer: serving.append(asyncio.create_task(serve_and_drop(reader, writer))),
            "127.0.0.1",
            0,
        )
        async with server:
            await meet(server.sockets[0].getsockname()[1])
            for ended in await asyncio.gather(*serving, return_exceptions=True):
                assert ended is None or isinstance(ended, ConnectionError), ended
            await asyncio.sleep(0)  # dropped connections close in the loop's next round

    uvloop.run(run())


async def connect(port: int) -> SocketStream:
    return await AsyncioBackend().connect_tcp("127.0.0.1", port, timeout=5)


def test_an_answer_that_comes_while_the_photo_is_still_sent_is_read() -> None:
    async def refuse_large_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER % 413)
        await writer.drain()
        await asyncio.sleep(0.1)  # the client has it; then what it still sends makes the system reset

    async def meet(port: int) -> None:
        async with Client(Endpoint(f"http://127.0.0.1:{port}/v1"), 1) as client:
            assert await client.complete_chat(0, "p", bytes(50_000_000), 10) == Response(413, b"{}")

    with_server(refuse_large_body, meet)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    served = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        served.append(head.split()[0])
        writer.write(ANSWER % 200)
        await writer.drain()

    async def meet(port: int) -> None:
        async with Client(Endpoint(f"http://127.0.0.1:{port}/v1"), 1) as client:
            for _ in range(3):
                assert (await client.list_models(5)).status == 200
                await asyncio.sleep(0.05)  # until the end of the connection is heard

    with_server(answer_once, meet)
    assert served == [b"GET"] * 3


def test_what_nobody_reads_yet_waits_at_the_server() -> None:
    block = bytes(30_000_000)
    sent = asyncio.Event()

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(block)
        await writer.drain()
        writer.write_eof()
        sent.set()
        await reader.read()

    async def meet(port: int) -> None:
        stream = await connect(port)
        await asyncio.sleep(0.2)
        assert not sent.is_set()
        arrived = 0
        while taken := await stream.read(65536, timeout=5):
            arrived += len(taken)
        assert arrived == len(block)
        await stream.aclose()

    with_server(flood, meet)


def test_time_limits_of_connecting_reading_and_writing_are_kept() -> None:
    done = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()

    async def meet(port: int) -> None:
        with pytest.raises(httpcore.ConnectTimeout):
            await AsyncioBackend().connect_tcp("127.0.0.1", port, timeout=0)
        stream = await connect(port)
        with pytest.raises(httpcore.ReadTimeout):
            await stream.read(1, timeout=0.01)
        with pytest.raises(httpcore.WriteTimeout):
            await stream.write(bytes(50_000_000), timeout=0.01)
        await stream.aclose()
        done.set()

    with_server(say_nothing, meet)


def test_a_reset_is_an_error_of_whoever_reads_or_writes() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        at_once = struct.pack("ii", 1, 0)  # closing with no time to linger is a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

    async def meet(port: int) -> None:
        reading, writing = await connect(port), await connect(port)
        await reading.write(b"x")
        with pytest.raises(httpcore.ReadError):
            await reading.read(1, timeout=5)
        with pytest.raises(httpcore.WriteError):
            await writing.write(bytes(50_000_000), timeout=5)
        await reading.aclose()

    with_server(reset, meet)
