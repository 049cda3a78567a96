"""What follows from what a server does: counted at the server, over real sockets."""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.annotate.fault_server import Act, FaultServer, completion, error

from vibe_photos.annotate.client import MAX_RESPONSE_BYTES, Client, Endpoint
from vibe_photos.annotate.reply import Reply
from vibe_photos.annotate.server import AskFailed, Attempts, TeacherServer
from vibe_photos.annotate.state import Clock, ServerState
from vibe_photos.errors import ConfigurationError, TeacherRefused, TeacherUnreachable

IS_PROOF = os.environ.get("VIBE_PHOTOS_PROVE") == "1"
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
    model_aliases: Collection[str] = (),
    **options: Any,
) -> list[Reply | BaseException]:
    """Ask about photos `p0`, `p1`, ..., `slots` at a time; return what came of each."""

    async def run() -> list[Reply | BaseException]:
        async with Client(Endpoint(base_url, KEY), slots) as client:
            server = TeacherServer(
                client,
                MODEL,
                "json_schema",
                ServerState(slots, **{"wait_seconds": 1.0, "first_pause_seconds": 0.01, **options}),
                timeout_seconds=timeout_seconds,
                model_aliases=model_aliases,
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
def test_a_photo_that_is_refused_after_another_was_answered_is_asked_about_once(status: int) -> None:
    odd = Act(status, error("the image is odd"))
    with FaultServer(lambda image_id, attempt: odd if image_id == "p1" else Act()) as server:
        _, failed, _ = ask(server.base_url, photos=3)
    assert isinstance(failed, AskFailed)
    assert (failed.kind, failed.detail) == ("refused", f"status {status}: the image is odd")
    assert server.asked == {"p0": 1, "p1": 1, "p2": 1}


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
    assert all(isinstance(reply, Reply) for reply in replies), replies
    assert all(asked == 2 for asked in server.asked.values())
    told_at = min(request.at for request in server.requests)
    again_at = sorted(request.at for request in server.requests)[4:]
    assert min(again_at) - told_at >= 1.0  # a date is cut to whole seconds, so two of them are one at least


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("refused", [[b"json_schema"], [b"json_schema", b"json_object"]])
def test_a_format_that_is_refused_in_whatever_words_is_given_up_by_all(
    status: int, refused: list[bytes]
) -> None:
    def play(image_id: str, attempt: int) -> Act:
        is_refused = server.requests[-1].body in refused
        return Act(status, error("Grammar error: Invalid type: wrong")) if is_refused else Act()

    with FaultServer(play) as server:
        replies = ask(server.base_url, photos=6, slots=2)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert sum(request.body in refused for request in server.requests) == 2 * len(refused)
    assert server.asked["p5"] == 1


def test_a_refusal_that_comes_after_a_looser_format_was_taken_costs_no_photo() -> None:
    def play(image_id: str, attempt: int) -> Act:
        if server.requests[-1].body == b"json_schema":
            return Act(400, error("no schema"), delay_seconds=0.0 if image_id == "p0" else 0.5)
        return Act()

    with FaultServer(play) as server:
        replies = ask(server.base_url, photos=8, slots=4)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert sorted(server.asked.values()) == [1, 1, 1, 1, 2, 2, 2, 2]


def test_what_is_refused_in_every_format_costs_a_request_for_each() -> None:
    with FaultServer(lambda image_id, attempt: Act(400, error("not a multimodal model"))) as server:
        (failed,) = ask(server.base_url)
    assert isinstance(failed, AskFailed)
    assert (failed.kind, failed.detail) == ("refused", "status 400: not a multimodal model")
    assert [request.body for request in server.requests] == [b"json_schema", b"json_object", b"text"]


@pytest.mark.parametrize("attempts", [Attempts(1), Attempts(3, kept=2)])
def test_steps_to_looser_formats_cost_no_attempt(attempts: Attempts) -> None:
    async def scenario(base_url: str) -> Reply:
        async with Client(Endpoint(base_url), 1) as client:
            server = TeacherServer(client, MODEL, "json_schema", ServerState(1), timeout_seconds=5)
            return await server.ask(0, "p0", str.encode, attempts)

    def play(image_id: str, attempt: int) -> Act:
        return Act() if server.requests[-1].body == b"text" else Act(400, error("no such format"))

    with FaultServer(play) as server:
        assert asyncio.run(scenario(server.base_url)).finish_reason == "stop"
    assert server.asked.total() == attempts.made == 3


def test_a_probe_keeps_to_the_time_that_the_server_names() -> None:
    def play(image_id: str, attempt: int) -> Act:
        if image_id == "probe":
            return Act(503, error("loading"), {"Retry-After": "1"}) if attempt == 1 else Act()
        return Act(500, error("x")) if attempt <= 3 else Act()

    with FaultServer(play) as server:
        (reply,) = ask(server.base_url, wait_seconds=9.0)
    assert isinstance(reply, Reply)
    first, second = (request.at for request in server.requests if request.image_id == "probe")
    assert second - first >= 1


def test_a_gateway_that_says_404_while_it_loads_the_model_again_is_waited_for() -> None:
    def play(image_id: str, attempt: int) -> Act:
        return Act(404, error("no model")) if 2 <= len(server.requests) < 7 else Act()

    with FaultServer(play) as server:
        replies = ask(server.base_url, photos=3)
    assert all(isinstance(reply, Reply) for reply in replies)
    assert server.asked["p1"] == 4
    assert server.asked["probe"] == 3


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


def test_a_server_that_died_is_waited_for_and_then_ends_the_run() -> None:
    with FaultServer(lambda image_id, attempt: Act(then="reset")) as server:
        results = ask(server.base_url, photos=3, max_attempts=2)
    assert isinstance(results[0], AskFailed)
    assert all(isinstance(result, TeacherUnreachable) for result in results[1:])
    assert server.asked["p0"] == 2
    assert server.asked["p1"] == 1  # the third failure in a row
    assert server.asked["p2"] == 0
    assert server.asked["probe"] > 1
    probe = next(request for request in server.requests if request.image_id == "probe")
    assert msgspec.json.decode(probe.body) == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 1,
    }


@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", ["status 500", "reset"])
@pytest.mark.parametrize("outage_seconds", [5, 20, 120, 600])
def test_an_outage_costs_what_was_in_flight_and_no_photo(outage_seconds: int, how: str) -> None:
    """The outage takes two seconds, on a clock that runs faster; in `make prove` on the real one."""
    speed = 1.0 if IS_PROOF else outage_seconds / 2
    begun = 0.0

    def play(image_id: str, attempt: int) -> Act:
        nonlocal begun
        if image_id == "p20" and not begun:
            begun = time.monotonic()
        if not begun or (time.monotonic() - begun) * speed > outage_seconds:
            return Act()
        return Act(then="reset") if how == "reset" else Act(500, error("the engine died"))

    with FaultServer(play) as server:
        replies = ask(
            server.base_url,
            photos=64,
            slots=16,
            clock=Clock(speed),
            first_pause_seconds=0.5,
            wait_seconds=900.0,
        )
    assert all(isinstance(reply, Reply) for reply in replies)
    asked = [server.asked[f"p{number}"] for number in range(64)]
    assert max(asked) < 4
    assert sum(asked) <= 64 + 2 * 16
    # A probe every few seconds, not one for each slot: after the first few they come every 2.5 to 5 seconds,
    # or later where a busy machine answers them slowly on the fast clock.
    assert 2 <= server.asked["probe"] <= outage_seconds / 2.5 + 6


def test_timeouts_of_an_overloaded_server_narrow_the_window_until_it_keeps_up() -> None:
    """It answers in time only where at most four requests are in work."""

    def play(image_id: str, attempt: int) -> Act:
        recent = [request for request in server.requests if time.time() - request.at < 0.05]
        return Act(delay_seconds=0.05) if len(recent) <= 4 else Act(then="stall")

    with FaultServer(play) as server:
        results = ask(
            server.base_url, photos=96, slots=32, timeout_seconds=0.3, max_attempts=9, wait_seconds=60.0
        )
    assert all(isinstance(result, Reply) for result in results)
    assert server.asked.total() < 4 * 96


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'data: {"choices": []}\n\ndata: [DONE]\n\n', "stream of events"),
        (error("upstream failed"), "status 200 with an error: upstream failed"),
        (b"<html>gateway</html>", "not a chat completion"),
    ],
)
def test_a_200_that_is_no_completion_says_what_it_is(body: bytes, words: str) -> None:
    with FaultServer(lambda image_id, attempt: Act(body=body)) as server:
        (failed,) = ask(server.base_url, max_attempts=1)
    assert isinstance(failed, AskFailed)
    assert words in failed.detail


def test_replies_of_another_model_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    body = completion().replace(b'"created"', b'"model": "Other/Model", "created"')
    with FaultServer(lambda image_id, attempt: Act(body=body)) as server:
        replies = ask(server.base_url, photos=4, slots=2)
        assert all(isinstance(reply, Reply) and reply.model == "Other/Model" for reply in replies)
        assert sum("Other/Model" in line for line in caplog.messages) == 1
        caplog.clear()
        ask(server.base_url, photos=2, model_aliases=["Other/Model"])
    assert not [line for line in caplog.messages if "Other/Model" in line]


def check_reachable(base_url: str, model_aliases: Collection[str] = ()) -> bool:
    async def run() -> bool:
        async with Client(Endpoint(base_url), 1) as client:
            state = ServerState(1, first_pause_seconds=0.01)
            server = TeacherServer(
                client, MODEL, "json_schema", state, timeout_seconds=5, model_aliases=model_aliases
            )
            await server.check_reachable()
            server.check_model()
            return server.is_simulated

    return asyncio.run(run())


def test_a_server_that_lists_no_models_is_good_enough() -> None:
    with FaultServer(lambda image_id, attempt: Act()) as server:
        assert check_reachable(server.base_url) is False


def list_models(*names: str) -> Act:
    return Act(body=msgspec.json.encode({"data": [{"id": name} for name in names]}))


def test_a_model_that_is_not_listed_stops_with_the_list() -> None:
    with FaultServer(lambda image_id, attempt: Act(), models=list_models("a/b", "c/d")) as server:
        with pytest.raises(TeacherRefused, match=r"does not list the model 'Qwen/.*It serves: a/b, c/d\. "):
            check_reachable(server.base_url)
        assert check_reachable(server.base_url, model_aliases=["c/d"]) is False
    for listed in ([MODEL, "a/b"], [], ["*"]):
        with FaultServer(lambda image_id, attempt: Act(), models=list_models(*listed)) as server:
            assert check_reachable(server.base_url) is False


def test_a_key_that_is_refused_with_400_is_told_before_any_photo_is_sent() -> None:
    """As LiteLLM does it; a server that only has no list of models is good enough."""
    refused = Act(400, error("No connected db."))
    with FaultServer(lambda image_id, attempt: refused, models=refused) as server:
        with pytest.raises(TeacherRefused, match=r"check QWEN_API_KEY.*status 400: No connected db\."):
            check_reachable(server.base_url)
        assert server.asked == {"probe": 1}
    with FaultServer(lambda image_id, attempt: Act(), models=refused) as server:
        assert check_reachable(server.base_url) is False


def test_a_server_that_is_still_starting_is_waited_for() -> None:
    def play(image_id: str, attempt: int) -> Act:
        return Act(503, error("loading")) if attempt < 4 and image_id == "probe" else Act()

    async def run(base_url: str) -> Reply:
        async with Client(Endpoint(base_url), 1) as client:
            state = ServerState(1, first_pause_seconds=0.01)
            server = TeacherServer(client, MODEL, "json_schema", state, timeout_seconds=5)
            await server.check_reachable()
            return await server.ask(0, "p0", str.encode, Attempts(1))

    with FaultServer(play, models=Act(503, error("loading"))) as server:
        assert isinstance(asyncio.run(run(server.base_url)), Reply)
    assert server.asked == {"probe": 4, "p0": 1}


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
    assert isinstance(failed, TeacherUnreachable)
    assert len(proxy.requests) == 1


@pytest.mark.parametrize("status", [403, 407])
def test_a_proxy_that_refuses_is_named_and_not_taken_for_a_server_that_is_away(
    monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    with FaultServer(lambda image_id, attempt: Act(), connect_status=status) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.port}")
        (refused,) = ask("https://teacher.invalid/v1")
        with pytest.raises(TeacherRefused, match=rf"the proxy refuses .*{status}.*HTTPS_PROXY"):
            check_reachable("https://teacher.invalid/v1")
    assert isinstance(refused, TeacherRefused)


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_read_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "own.pem"
    if content:
        path.write_text(content)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(ConfigurationError, match=r"own\.pem \(SSL_CERT_FILE\) cannot be read"):
        ask("https://teacher.invalid/v1")


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1080", "ftp://proxy", "http://[::1", "proxy:3128"])
def test_a_proxy_that_cannot_be_used_is_named_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("https_proxy", address)
    with pytest.raises(ConfigurationError, match=r"HTTPS_PROXY .* teacher\.invalid in NO_PROXY"):
        ask("https://teacher.invalid/v1")
