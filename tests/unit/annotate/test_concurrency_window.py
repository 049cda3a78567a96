import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from vibe_photos.annotate.server import ConcurrencyWindow, backoff_seconds, read_retry_after
from vibe_photos.errors import RunInterrupted, TeacherRefused


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


async def hold(window: ConcurrencyWindow, seconds: float) -> None:
    async with window.turn():
        await asyncio.sleep(seconds)


def test_nothing_is_sent_before_a_pause_ends_and_then_by_half_the_window() -> None:
    async def scenario() -> None:
        window = ConcurrencyWindow(4)
        window.slow_down(0.2)
        window.slow_down(0.1)  # said by another request of the same burst: no further halving
        started = time.monotonic()
        async with window.turn(), window.turn():
            assert time.monotonic() - started >= 0.2
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(hold(window, 0), 0.3)
            for _ in range(10):
                window.speed_up()
            await asyncio.wait_for(hold(window, 0), 5)

    asyncio.run(scenario())


def test_a_shrunken_window_still_lets_everyone_through_in_the_end() -> None:
    async def scenario() -> None:
        window = ConcurrencyWindow(8)
        for _ in range(10):
            window.slow_down(0)
        await asyncio.wait_for(asyncio.gather(*(hold(window, 0.01) for _ in range(8))), 30)

    asyncio.run(scenario())


def test_a_closed_window_wakes_whoever_waits() -> None:
    async def scenario() -> None:
        window = ConcurrencyWindow(2)
        window.slow_down(3000)
        waiting = [asyncio.create_task(hold(window, 0)), asyncio.create_task(window.pause(3000))]
        await asyncio.sleep(0)
        window.close()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, RunInterrupted)
        with pytest.raises(RunInterrupted):
            await hold(window, 0)

    asyncio.run(scenario())
