"""The client over real sockets: what a server does to a connection, and what the client makes of it."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

import pytest
from tests.unit.annotate.fault_server import Act, FaultServer

from vibe_photos.annotate.client import Client, Endpoint, NoConnection, NoResponse, Response
from vibe_photos.errors import ConfigurationError

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ANSWER = b"HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\n{}"


def with_server(serve: Serve, meet: Callable[[Client], Awaitable[None]]) -> None:
    """Run `meet` with a client of a server that does `serve` for every connection, then drops it."""

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
        port = server.sockets[0].getsockname()[1]
        async with server, Client(Endpoint(f"http://127.0.0.1:{port}/v1"), 1) as client:
            await meet(client)
            for ended in await asyncio.gather(*serving, return_exceptions=True):
                assert ended is None or isinstance(ended, ConnectionError), ended
            await asyncio.sleep(0)  # dropped connections close in the loop's next round

    asyncio.run(run())


@pytest.mark.parametrize(("body_bytes", "is_drained"), [(200_000, False), (50_000_000, True)])
def test_an_answer_that_comes_while_the_photo_is_still_sent_is_read(
    body_bytes: int, is_drained: bool
) -> None:
    """A server that refuses a photo may hang up at once, or read on for a while as nginx does."""

    async def refuse_before_reading(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER % 413)
        await writer.drain()
        while is_drained and await reader.read(1 << 20):
            pass
        await asyncio.sleep(0.1)  # the client has the answer

    async def meet(client: Client) -> None:
        assert await client.complete_chat(0, "p", bytes(body_bytes), 10) == Response(413, b"{}")
        await client.__aexit__()  # hangs up, which ends the reading above

    with_server(refuse_before_reading, meet)


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew() -> None:
    served = []

    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        served.append(head.split()[0])
        writer.write(ANSWER % 200)
        await writer.drain()

    async def meet(client: Client) -> None:
        for _ in range(3):
            assert (await client.list_models(5)).status == 200
            await asyncio.sleep(0.05)  # until the end of the connection is noticed

    with_server(answer_once, meet)
    assert served == [b"GET"] * 3


@pytest.mark.parametrize("body_bytes", [1, 50_000_000])
def test_a_reset_while_waiting_or_sending_is_no_response(body_bytes: int) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        at_once = struct.pack("ii", 1, 0)  # closing with no time to linger is a reset
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)

    async def meet(client: Client) -> None:
        with pytest.raises(NoResponse, match="the connection broke") as caught:
            await client.complete_chat(0, "p", bytes(body_bytes), 10)
        assert not isinstance(caught.value, NoConnection)

    with_server(reset, meet)


@pytest.mark.parametrize("body_bytes", [1, 50_000_000])
def test_the_time_limit_holds_for_sending_and_waiting(body_bytes: int) -> None:
    ended = asyncio.Event()

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()

    async def meet(client: Client) -> None:
        with pytest.raises(NoResponse, match="no answer in time"):
            await client.complete_chat(0, "p", bytes(body_bytes), 0.1)
        ended.set()

    with_server(say_nothing, meet)


def test_every_slot_has_a_connection_of_its_own() -> None:
    async def ask_in_all_slots(base_url: str) -> None:
        async with Client(Endpoint(base_url), 20) as client:
            for _ in range(2):
                asked = [client.complete_chat(slot, f"p{slot}", b"{}", 10) for slot in range(20)]
                assert {response.status for response in await asyncio.gather(*asked)} == {200}

    with FaultServer(lambda image_id, attempt: Act(delay_seconds=0.3)) as server:
        asyncio.run(ask_in_all_slots(server.base_url))
    assert len(server.requests) == 40
    assert server.most_open_connections == 20


@pytest.mark.parametrize("host", ["256.1.1.1", "\u2603\u2603", "xn--a"])
def test_a_host_that_cannot_be_one_is_named(host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"QWEN_BASE_URL, http://{host}/v1, is no address"):
        Client(Endpoint(f"http://{host}/v1"), 1)
