"""How fast a teacher is asked: pauses between attempts, and a window that shrinks on request."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime

from vibe_photos.errors import RunInterrupted, TeacherRefused

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_FULL_WINDOW_SECONDS = 0.1
_GROWTH = 0.1


class Window:
    """The sliding window of requests: `size` of them may be in flight, and none starts before `resume_at`.

    A `Retry-After` halves the window and pauses all of it; each answer lets it grow again by a tenth of a
    request (additive increase, multiplicative decrease, as in TCP: Jacobson 1988).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(most)
        self._in_flight = 0
        self._resume_at = 0.0
        self._closed = asyncio.Event()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until a request may be sent, and hold its place in the window for the block.

        Raises:
            RunInterrupted: the window was closed before that.
        """
        while True:
            pause = self._resume_at - time.monotonic()
            if pause > 0:  # a little apart, so that the pause does not end in a burst
                await self.pause(pause + random.uniform(0, min(1.0, pause / 10)))
            elif self._in_flight >= max(1.0, self._size):
                await self.pause(_FULL_WINDOW_SECONDS)
            elif self._closed.is_set():
                raise RunInterrupted("the run is ending")
            else:
                break
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    async def pause(self, seconds: float) -> None:
        """Sleep, unless the window is closed.

        Raises:
            RunInterrupted: the window was closed, before or meanwhile.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        if self._closed.is_set():
            raise RunInterrupted("the run is ending")

    def close(self) -> None:
        """Let nothing more be sent; what is in flight may end."""
        self._closed.set()

    def slow_down(self, seconds: float) -> None:
        """Send nothing for so long, then with half the window."""
        now = time.monotonic()
        if now >= self._resume_at:
            self._size = max(1.0, self._size / 2)
        self._resume_at = max(self._resume_at, now + seconds)

    def speed_up(self) -> None:
        """Note that an answer came."""
        self._size = min(float(self._most), self._size + _GROWTH)


def backoff_seconds(attempt: int, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> float:
    """Return how long to wait after the attempt (from 1) failed: doubling, jittered by half, capped."""
    pause = min(LONGEST_PAUSE_SECONDS, first_pause_seconds * 2.0 ** (attempt - 1))
    return pause * random.uniform(0.5, 1.0)


def read_retry_after(value: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which gives seconds or a date; None if it says nothing.

    Raises:
        TeacherRefused: it asks for more than an hour.
    """
    seconds = _parse_retry_after(value.strip())
    if seconds is not None and seconds > LONGEST_RETRY_AFTER_SECONDS:
        raise TeacherRefused(
            f"the server asks to come back in {seconds / 3600:.1f} hours. What is answered is kept: "
            "run the same command again then"
        )
    return seconds


def _parse_retry_after(value: str) -> float | None:
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
