import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from vibe_photos.annotate.server import read_retry_after
from vibe_photos.annotate.state import Clock, ServerState, backoff_seconds
from vibe_photos.errors import RunInterrupted, TeacherRefused, TeacherUnreachable


def test_retry_after_in_seconds() -> None:
    assert read_retry_after("120") == 120.0
    assert read_retry_after(" 0 ") == 0.0


def test_retry_after_as_a_date() -> None:
    """A date has whole seconds, so up to one second less than was meant."""
    seconds = read_retry_after(format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))
    assert seconds is not None
    assert 28 < seconds <= 30
    assert read_retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


@pytest.mark.parametrize(
    "value", ["", "soon", "-5", "1.5e3", "٣", "32 Foo 9999", "Wed, 99 Oct 2015 99:28:00"]
)
def test_what_says_nothing_says_nothing(value: str) -> None:
    assert read_retry_after(value) is None


@pytest.mark.parametrize("value", ["3601", "9" * 400])
def test_a_server_that_wants_hours_ends_the_run(value: str) -> None:
    with pytest.raises(TeacherRefused, match="hours"):
        read_retry_after(value)


def test_pauses_double_are_jittered_and_capped() -> None:
    for attempt, longest in [(1, 0.5), (2, 1.0), (4, 4.0), (30, 60.0)]:
        drawn = [backoff_seconds(attempt) for _ in range(200)]
        assert longest / 2 <= min(drawn) < max(drawn) <= longest


async def is_back() -> str:
    return ""


async def is_away() -> str:
    return "no connection"


def make_state(slots: int, **options: Any) -> ServerState:
    return ServerState(slots, first_pause_seconds=0.01, **options)


async def hold(state: ServerState, seconds: float, probe: Callable[[], Awaitable[str]] = is_back) -> None:
    async with state.begin_request(probe):
        await asyncio.sleep(seconds)


async def send(state: ServerState, count: int) -> list[int]:
    """Take so many turns one after another; return the requests' numbers."""
    numbers = []
    for _ in range(count):
        async with state.begin_request(is_back) as request:
            numbers.append(request)
    return numbers


def test_nothing_is_sent_before_a_pause_ends_and_then_half_as_much() -> None:
    async def scenario() -> None:
        state = make_state(4)
        first, second = await send(state, 2)
        state.record_overload(second, 0.2)
        state.record_overload(first, 0.1)  # said by another request of the same burst: no further halving
        assert state.describe() in {
            f"pausing for {pause} s, as the server is overloaded" for pause in (0.1, 0.2)
        }
        started = time.monotonic()
        async with state.begin_request(is_back), state.begin_request(is_back):
            assert time.monotonic() - started >= 0.2
            assert state.describe() == "slowed to 2 at once"
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hold(state, 0), 0.3)
            for _ in range(10):
                state.record_answer()
            await asyncio.wait_for(hold(state, 0), 5)
        for _ in range(10):
            state.record_answer()
        assert state.describe() == ""

    asyncio.run(scenario())


def test_however_often_it_is_halved_one_request_goes_through() -> None:
    async def scenario() -> None:
        state = make_state(8)
        for request in await send(state, 10):
            state.record_overload(request)
            state.record_overload((await send(state, 1))[0])
        await asyncio.wait_for(asyncio.gather(*(hold(state, 0.01) for _ in range(8))), 30)

    asyncio.run(scenario())


def test_a_stopped_run_wakes_whoever_waits() -> None:
    async def scenario() -> None:
        state = make_state(2, max_photos_failed_in_a_row=1)
        state.record_overload(1, 3000)
        waiting = [asyncio.create_task(hold(state, 0)), asyncio.create_task(state.pause(3000))]
        async with state.begin_photo():
            waiting.append(asyncio.create_task(state.begin_photo().__aenter__()))
            await asyncio.sleep(0)
            state.stop()
            for result in await asyncio.gather(*waiting, return_exceptions=True):
                assert isinstance(result, RunInterrupted)
        with pytest.raises(RunInterrupted):
            await hold(state, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(("slots", "in_a_row"), [(1, 3), (5, 5), (256, 8)])
def test_failures_in_a_row_are_an_outage_and_one_probe_ends_it(slots: int, in_a_row: int) -> None:
    async def scenario() -> None:
        said = ["no connection", "no connection", ""]
        state = make_state(slots)
        numbers = await send(state, in_a_row)
        for request in numbers[:-1]:
            state.record_failure(request, "status 500: x")
        assert state.describe() == ""
        state.record_failure(numbers[-1], "status 500: x")
        assert state.describe() == "waiting for the server (status 500: x)"
        probe = lambda: asyncio.sleep(0.01, said.pop(0))  # noqa: E731
        await asyncio.gather(*(hold(state, 0, probe) for _ in range(20)))
        assert not said
        for request in numbers * 2:  # sent before the outage: they say nothing new
            state.record_failure(request, "status 500: x")
        assert state.describe() == ""

    asyncio.run(scenario())


def test_an_answer_between_failures_is_no_outage() -> None:
    async def scenario() -> None:
        state = make_state(1)
        for request in await send(state, 30):
            state.record_failure(request, "status 500: x")
            if request % 2:
                state.record_answer()
        assert state.describe() == ""

    asyncio.run(scenario())


def test_a_server_that_stays_away_is_not_waited_for_for_ever() -> None:
    """The clock runs 200 times as fast: fifteen minutes are 4.5 seconds."""

    async def scenario() -> None:
        state = make_state(2, wait_seconds=900, clock=Clock(200.0))
        state.record_outage(1, "no connection")
        started = time.monotonic()
        with pytest.raises(TeacherUnreachable, match=r"for 15 minutes \(no connection\).*wait_minutes"):
            await hold(state, 0, is_away)
        assert time.monotonic() - started > 4.4

    asyncio.run(scenario())


def test_an_answer_that_was_still_in_flight_does_not_make_the_waiting_endless() -> None:
    async def scenario() -> None:
        state = make_state(2, wait_seconds=60, clock=Clock(200.0))
        state.record_outage(1, "no connection")
        state.record_answer()
        with pytest.raises(TeacherUnreachable, match="about no photo"):
            await asyncio.wait_for(hold(state, 0, is_away), 9)

    asyncio.run(scenario())


def test_a_pause_that_the_server_asked_for_is_no_silence() -> None:
    async def scenario() -> None:
        state = make_state(1, wait_seconds=200, clock=Clock(200.0))
        state.record_outage((await send(state, 1))[0], "no connection")
        state.record_overload((await send(state, 1))[0], 300)
        state.record_outage((await send(state, 1))[0], "status 503: x")
        await asyncio.wait_for(hold(state, 0), 5)

    asyncio.run(scenario())


def test_an_overloaded_server_that_names_no_time_is_given_more_with_every_burst() -> None:
    """The fifth burst in a row: 16 times the first pause of 10 ms, less the jitter."""

    async def scenario() -> None:
        state = make_state(4)
        for _ in range(5):
            state.record_overload((await send(state, 1))[0])
            started = time.monotonic()
        await hold(state, 0)
        assert time.monotonic() - started >= 0.08

    asyncio.run(scenario())


def test_before_the_first_usable_answer_no_more_photos_are_begun_than_may_fail() -> None:
    async def scenario() -> None:
        state = make_state(64, max_photos_failed_in_a_row=5)
        most = begun = 0

        async def ask(is_useful: bool) -> None:
            nonlocal begun, most
            async with state.begin_photo():
                begun += 1
                most = max(most, begun)
                await asyncio.sleep(0.02)
                begun -= 1
                if is_useful:
                    state.record_usable_answer()
                else:
                    state.record_no_usable_answer("refused.")

        await asyncio.gather(*(ask(False) for _ in range(4)))
        assert most == 4
        most = 0
        await asyncio.gather(*(ask(True) for _ in range(20)))
        assert 1 < most < 20
        most = 0
        await asyncio.gather(*(ask(True) for _ in range(20)))
        assert most == 20
        for _ in range(4):
            state.record_no_usable_answer("refused.")
        with pytest.raises(
            TeacherRefused,
            match=r"5 photos in a row .* The last one: refused\. .*annotate\.max_failures_in_a_row",
        ):
            state.record_no_usable_answer("refused.")

    asyncio.run(scenario())
