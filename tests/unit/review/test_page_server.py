import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message

from vibe_photos.review.server import HEADERS, Gate

TOKEN = "the-token_of-43-characters"
PORT = 8123
HOST = (b"host", b"127.0.0.1:8123")
ORIGIN = (b"origin", b"http://127.0.0.1:8123")


def make_gate(app: ASGIApp) -> Gate:
    gate = Gate(app, PORT)
    gate.token = TOKEN
    return gate


def send(
    path: str, headers: Iterable[tuple[bytes, bytes]] = (HOST,), method: str = "GET"
) -> tuple[int, dict[str, str], str]:
    """Return status, headers and text; behind the gate, the text is the path that is seen there."""

    async def show_path(scope, receive, send):  # type: ignore[no-untyped-def]
        await PlainTextResponse(f"behind {scope['path']}")(scope, receive, send)

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    async def collect(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}
    asyncio.run(make_gate(show_path)(scope, receive, collect))
    named = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], named, sent[1]["body"].decode()


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (f"/{TOKEN}/", "/"),
        (f"/{TOKEN}/grid", "/grid"),
        (f"/{TOKEN}//x/../y", "//x/../y"),
        (f"/{TOKEN}/{TOKEN}/", f"/{TOKEN}/"),
    ],
)
def test_behind_the_gate_the_token_is_gone(path: str, seen: str) -> None:
    status, headers, text = send(path)
    assert (status, text) == (200, f"behind {seen}")
    assert headers.items() >= {name.lower(): value for name, value in HEADERS.items()}.items()
    assert headers["cache-control"] == "no-store"


@given(st.text())
def test_another_first_part_is_refused(part: str) -> None:
    status, headers, text = send(f"/{part}/grid")
    assert (status, "behind" in text) == (403, False) or part == TOKEN
    assert headers["x-content-type-options"] == "nosniff"


@given(
    st.lists(
        st.sampled_from([HOST, (b"host", b"localhost:8123"), (b"host", b"evil.example"), (b"host", b"")])
    )
)
def test_one_host_and_that_ours(headers: list[tuple[bytes, bytes]]) -> None:
    is_ours = len(headers) == 1 and headers[0][1] in (b"127.0.0.1:8123", b"localhost:8123")
    assert (send(f"/{TOKEN}/", headers)[0] == 200) == is_ours


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([HOST, ORIGIN], 200),
        ([HOST], 403),
        ([HOST, ORIGIN, ORIGIN], 403),
        ([HOST, (b"origin", b"http://localhost:8123")], 403),
        ([(b"host", b"localhost:8123"), (b"origin", b"http://localhost:8123")], 200),
        ([HOST, ORIGIN, (b"sec-fetch-site", b"same-origin")], 200),
        ([HOST, ORIGIN, (b"sec-fetch-site", b"same-site")], 403),
        ([HOST, ORIGIN, (b"sec-fetch-site", b"same-origin"), (b"sec-fetch-site", b"cross-site")], 403),
    ],
)
def test_a_post_comes_from_the_page(headers: list[tuple[bytes, bytes]], status: int) -> None:
    assert send(f"/{TOKEN}/api/undo", headers, "POST")[0] == status


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "get", ""])
def test_other_methods_go_no_further(method: str) -> None:
    status, _, text = send(f"/{TOKEN}/", method=method)
    assert (status, text) == (405, "")


def test_a_websocket_is_not_answered() -> None:
    async def never(*arguments: object) -> None:
        raise AssertionError

    asyncio.run(make_gate(never)({"type": "websocket", "path": f"/{TOKEN}/"}, never, never))


def test_the_browsers_address_leads_to_the_page_once(caplog: pytest.LogCaptureFixture) -> None:
    """It stands in the list of processes, which every user of the machine can read."""
    sent: list[Message] = []

    async def never() -> Message:
        raise AssertionError("nothing is read or passed on")

    async def collect(message: Message) -> None:
        sent.append(message)

    gate = make_gate(never)  # type: ignore[arg-type]
    scope = {"type": "http", "method": "GET", "path": f"/{gate.ticket}/", "headers": [HOST]}
    for _ in range(2):
        asyncio.run(gate(scope, never, collect))
    first, again = (message for message in sent if message["type"] == "http.response.start")
    assert (first["status"], dict(first["headers"])[b"location"]) == (303, f"/{TOKEN}/".encode())
    assert dict(first["headers"])[b"referrer-policy"] == b"no-referrer"
    assert again["status"] == 403
    assert TOKEN not in str(again)
    assert "used twice" in caplog.text
