"""What follows from what a server does: counted at the server, over real sockets."""

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from tests.unit.annotate.fault_server import Act, FaultServer, completion, error

from vibe_photos.annotate.client import MAX_RESPONSE_BYTES, Client
from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.annotate.reply import Reply
from vibe_photos.annotate.server import AskFailed, Attempts, TeacherServer
from vibe_photos.errors import ConfigurationError, TeacherRefused, TeacherUnreachable

KEY = "canary-key-5417"
MODEL = "Qwen/Qwen3-VL-32B-Instruct"


def ask(
    base_url: str,
    *,
    photos: int = 1,
    slots: int = 1,
    max_attempts: int = 4,
    timeout_seconds: float = 5.0,
    body: Callable[[str], bytes] = str.encode,
    **options: Any,
) -> list[Reply | BaseException]:
    """Ask about photos `p0`, `p1`, ..., `slots` at a time; return what came of each."""

    async def run() -> list[Reply | BaseException]:
        async with Client(Endpoint(base_url, KEY), slots) as client:
            server = TeacherServer(
                client,
                MODEL,
                "json_schema",
                slots=slots,
                timeout_seconds=timeout_seconds,
                first_pause_seconds=0.01,
                **options,
            )
            results: list[Reply | BaseException] = []
            for start in range(0, photos, slots):
                asked = [
                    server.ask(number - start, f"p{number}", body, Attempts(max_attempts))
                    for number in range(start, min(photos, start + slots))
                ]
                results += await asyncio.gather(*asked, return_exceptions=True)
            return results

    return asyncio.run(run())


def first_then_well(act: Act) -> Callable[[str, int], Act]:
    return lambda image_id, attempt: act if attempt == 1 else Act()


def test_an_answer_is_read_and_the_photo_and_key_are_named_in_headers() -> None:
    with FaultServer(lambda image_id, attempt: Act()) as server:
        (reply,) = ask(server.base_url)
    assert reply == Reply(
        text='{"scene":"food","has_person":false,"objects":[]}',
        finish_reason="stop",
        usage={"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
        created_at=1755000000,
        simulated=False,
    )
    (request,) = server.requests
    assert request.image_id == "p0"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "act",
    [
        *(Act(status, error("busy")) for status in (408, 409, 429, 500, 502, 503, 504, 529)),
        Act(then="reset"),
        Act(body=b"<html>gateway</html>"),
        Act(body=b'{"choices": []}'),
        Act(body=b"[1]"),
        Act(body=completion()[:-9]),
    ],
)
def test_what_may_pass_is_tried_again_once_it_failed(act: Act) -> None:
    with FaultServer(first_then_well(act)) as server:
        (reply,) = ask(server.base_url)
    assert isinstance(reply, Reply)
    assert server.asked["p0"] == 2


@pytest.mark.parametrize("act", [Act(500, error("broken")), Act(then="reset"), Act(body=b"no json")])
def test_attempts_never_exceed_the_limit(act: Act) -> None:
    with FaultServer(lambda image_id, attempt: act) as server:
        (failed,) = ask(server.base_url, max_attempts=3)
    assert isinstance(failed, AskFailed)
    assert failed.kind == "no_answer"
    assert "3 attempts" in failed.detail
    assert server.asked["p0"] == 3


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_photo_is_asked_about_once(status: int) -> None:
    with FaultServer(lambda image_id, attempt: Act(status, error("the image is odd"))) as server:
        (failed,) = ask(server.base_url)
    assert isinstance(failed, AskFailed)
    assert (failed.kind, failed.detail) == ("refused", f"status {status}: the image is odd")
    assert server.asked["p0"] == 1


@pytest.mark.parametrize(
    ("status", "names"),
    [(401, "QWEN_API_KEY"), (403, "QWEN_API_KEY"), (404, r"teacher\.model"), (405, "QWEN_BASE_URL")],
)
def test_a_server_that_refuses_all_stops_the_run(status: int, names: str) -> None:
    with FaultServer(lambda image_id, attempt: Act(status, error(f"no, {KEY}"))) as server:
        (refused,) = ask(server.base_url)
    assert isinstance(refused, TeacherRefused)
    assert server.asked["p0"] == 1
    assert KEY not in str(refused)
    with pytest.raises(TeacherRefused, match=rf"{names}.*no, \[QWEN_API_KEY\]"):
        raise refused


def test_a_redirect_is_not_followed_but_named() -> None:
    with (
        FaultServer(lambda image_id, attempt: Act()) as target,
        FaultServer(
            lambda image_id, attempt: Act(307, b"", {"Location": f"{target.base_url}/chat/completions"})
        ) as server,
    ):
        (refused,) = ask(server.base_url)
    assert isinstance(refused, TeacherRefused)
    assert target.base_url in str(refused)
    assert not target.requests


@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_kept_to_by_the_whole_window(status: int, as_date: bool) -> None:
    def play(image_id: str, attempt: int) -> Act:
        if image_id == "p0" and attempt == 1:
            until = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
            return Act(status, error("slow"), {"Retry-After": until if as_date else "1"})
        return Act(500, error("x"), delay_seconds=0.2) if attempt == 1 else Act()

    with FaultServer(play) as server:
        replies = ask(server.base_url, photos=4, slots=4)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert all(asked == 2 for asked in server.asked.values())
    told_at = min(request.at for request in server.requests)
    again_at = sorted(request.at for request in server.requests)[4:]
    assert min(again_at) - told_at >= 1.0  # a date is cut to whole seconds, so two of them are one at least


def test_a_schema_that_is_refused_is_given_up_by_all_at_once() -> None:
    def play(image_id: str, attempt: int) -> Act:
        if server.requests[-1].body == b"json_schema":
            return Act(400, error("response_format json_schema is not supported"))
        return Act()

    with FaultServer(play) as server:
        replies = ask(server.base_url, photos=6, slots=2)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert [request.body for request in server.requests].count(b"json_schema") == 2
    assert server.asked["p5"] == 1


def test_a_schema_refused_for_ever_costs_no_more_than_the_attempts() -> None:
    with FaultServer(lambda image_id, attempt: Act(400, error("response_format is unknown"))) as server:
        (failed,) = ask(server.base_url)
    assert isinstance(failed, AskFailed)
    assert server.asked["p0"] == 2  # with the schema, and once without


@pytest.mark.parametrize("then", ["stall", "drip"])
def test_after_a_timeout_the_old_connection_is_closed_before_the_retry(then: str) -> None:
    with FaultServer(first_then_well(Act(then=then))) as server:
        (reply,) = ask(server.base_url, timeout_seconds=0.3)
    assert isinstance(reply, Reply)
    assert server.asked["p0"] == 2
    assert server.hung_up_by_client == 1
    assert server.most_open_connections == 1


def test_an_endless_response_ends_the_photo() -> None:
    huge = completion("x" * (2 * MAX_RESPONSE_BYTES))
    with FaultServer(lambda image_id, attempt: Act(body=huge)) as server:
        (failed,) = ask(server.base_url)
    assert isinstance(failed, AskFailed)
    assert "more than" in failed.detail
    assert server.asked["p0"] == 1


def test_a_server_that_died_ends_the_run_instead_of_failing_every_photo() -> None:
    with FaultServer(lambda image_id, attempt: Act(then="reset")) as server:
        results = ask(server.base_url, photos=12, max_attempts=2)
    assert sum(isinstance(result, AskFailed) for result in results[:9]) == 9
    assert isinstance(results[9], TeacherUnreachable)


def check_reachable(base_url: str) -> bool:
    async def run() -> bool:
        async with Client(Endpoint(base_url), 1) as client:
            server = TeacherServer(
                client, MODEL, "json_schema", slots=1, timeout_seconds=5, first_pause_seconds=0.01
            )
            return await server.check_reachable()

    return asyncio.run(run())


def test_a_server_that_lists_no_models_is_good_enough() -> None:
    with FaultServer(lambda image_id, attempt: Act()) as server:
        assert check_reachable(server.base_url) is False


def test_no_server_is_told_at_once_with_the_address() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(TeacherUnreachable, match=rf"QWEN_BASE_URL, http://127.0.0.1:{port}/v1"):
        check_reachable(f"http://127.0.0.1:{port}/v1")


def test_a_proxy_of_the_environment_is_never_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda image_id, attempt: Act(500)) as proxy, FaultServer(lambda i, a: Act()) as server:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        (reply,) = ask(server.base_url)
    assert isinstance(reply, Reply)
    assert not proxy.requests


def test_a_proxy_of_the_environment_is_used_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    with FaultServer(lambda image_id, attempt: Act()) as proxy:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        (reply,) = ask("http://teacher.invalid/v1")
        assert isinstance(reply, Reply)
        monkeypatch.setenv("no_proxy", "teacher.invalid")
        (failed,) = ask("http://teacher.invalid/v1", max_attempts=1)
    assert isinstance(failed, AskFailed)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "ftp://proxy", "http://[::1", "proxy:3128"])
def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY .* teacher\.invalid in NO_PROXY"):
        ask("https://teacher.invalid/v1")
