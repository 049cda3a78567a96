"""When the run may send a request to the server, and when it has to stop.

It limits how many requests are in flight, waits for a server that went away, and counts failures in a row.

| state | requests in flight |
|---|---|
| healthy | as many as there are slots |
| slowed | fewer: an overload halves the limit after a pause, each answer raises it a little |
| waiting | none: one small probe asks every few seconds whether the server is back |
| stopped | no new ones: Ctrl-C, a refusal, a long silence or too many failures in a row ended the run |
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf

from vibe_photos.errors import RunInterrupted, TeacherRefused, TeacherUnreachable

FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_LONGEST_PROBE_PAUSE_SECONDS = 5.0

_POLL_SECONDS = 0.1  # 255 waiting slots cost 3 % of a processor; an answer takes seconds
_LIMIT_GROWTH = 0.1
_OUTAGE_FAILURES_MIN, _OUTAGE_FAILURES_MAX = 3, 8


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock of a run, `speed` times as fast as the real one: tests let ten minutes pass in seconds."""

    speed: float = 1.0

    def now(self) -> float:
        """Return the time in seconds."""
        return time.monotonic() * self.speed

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait `seconds`, or until the event is set."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds / self.speed):
                await event.wait()


class ServerState:
    """The state of a server, shared by all slots of a run: workers that ask about one photo at a time each.

    Requests are numbered, so that those sent before a change of the state do not cause the same change again.
    A server that went away is waited for `wait_seconds`; `max_photos_failed_in_a_row` photos without a usable
    answer end the run.
    """

    def __init__(
        self,
        slots: int,
        *,
        wait_seconds: float = inf,
        max_photos_failed_in_a_row: float = inf,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
        clock: Clock | None = None,
    ) -> None:
        self._slots = float(slots)
        self._limit = self._slots  # so many requests may be in flight
        self._outage_threshold = min(max(slots, _OUTAGE_FAILURES_MIN), _OUTAGE_FAILURES_MAX)
        self._wait_seconds = wait_seconds
        self._max_photos_failed_in_a_row = max_photos_failed_in_a_row
        self._first_pause_seconds = first_pause_seconds
        self._clock = clock or Clock()
        self._sent = self._in_flight = 0
        self._last_before_overload = 0  # the last request sent before the latest overload was noticed
        self._last_before_recovery = 0  # the last request sent before the latest outage ended
        self._failed_in_a_row = self._overloads_in_a_row = 0
        self._photos_in_work = self._photos_failed_in_a_row = 0
        self._has_usable_answer = False
        self._resume_at = 0.0  # nothing is sent earlier
        self._silent_since: float | None = None  # no answer since; None: no outage since the last one
        self._trouble = ""  # why the server is waited for
        self._probing = asyncio.Lock()
        self._stopped = asyncio.Event()

    def describe(self) -> str:
        """Return the state for the progress line; an empty text if it is healthy."""
        if self._trouble:
            return f"waiting for the server ({self._trouble})"
        if (pause := self._resume_at - self._clock.now()) > 0:
            return f"pausing for {pause:.1f} s, as the server is overloaded"
        return f"slowed to {max(1, int(self._limit))} at once" if self._limit < self._slots else ""

    @asynccontextmanager
    async def begin_photo(self) -> AsyncIterator[None]:
        """Wait until work on another photo may begin.

        Before the first usable answer, only as many photos are in work as may still fail: a wrong setup then
        costs few requests.

        Raises:
            RunInterrupted: the run was stopped before that.
        """
        while not self._has_usable_answer and (
            self._photos_in_work + self._photos_failed_in_a_row >= self._max_photos_failed_in_a_row
        ):
            await self.pause(_POLL_SECONDS)
        self._photos_in_work += 1
        try:
            yield
        finally:
            self._photos_in_work -= 1

    @asynccontextmanager
    async def begin_request(self, probe: Callable[[], Awaitable[str]]) -> AsyncIterator[int]:
        """Wait until a request may be sent; yield its number, and count it as in flight for the block.

        `probe` asks a server that went away something small, and returns why it cannot answer, or an empty
        text.

        Raises:
            RunInterrupted: the run was stopped before that.
            TeacherUnreachable: the server did not come back in time.
        """
        while True:
            pause = self._resume_at - self._clock.now()
            if self._stopped.is_set():
                raise RunInterrupted("the run is ending")
            if self._trouble:
                await self._wait_for_server(probe)
            elif pause > 0:  # a little apart, so that the pause does not end in a burst
                await self.pause(pause + random.uniform(0, min(1.0, pause / 10)))
            elif self._in_flight >= max(1.0, self._limit):
                await self.pause(_POLL_SECONDS)
            else:
                break
        self._sent += 1
        self._in_flight += 1
        try:
            yield self._sent
        finally:
            self._in_flight -= 1

    async def pause(self, seconds: float) -> None:
        """Sleep, unless the run is stopped.

        Raises:
            RunInterrupted: the run was stopped, before or meanwhile.
        """
        await self._clock.wait(self._stopped, seconds)
        if self._stopped.is_set():
            raise RunInterrupted("the run is ending")

    async def back_off(self, attempt: int) -> None:
        """Pause after an attempt (from 1) failed; errors as in `pause`."""
        await self.pause(backoff_seconds(attempt, self._first_pause_seconds))

    def stop(self) -> None:
        """Let nothing more be sent; what is in flight may end."""
        self._stopped.set()

    def record_answer(self) -> None:
        """Note that the server answered: the limit grows.

        By a tenth of a request (additive increase, multiplicative decrease, as in TCP: Jacobson 1988).
        """
        self._failed_in_a_row = self._overloads_in_a_row = 0
        # A late answer during an outage: the server is silent only from now on.
        self._silent_since = self._clock.now() if self._trouble else None
        self._limit = min(self._slots, self._limit + _LIMIT_GROWTH)

    def record_failure(self, request: int, cause: str) -> None:
        """Note that a request failed for the server's reasons; several in a row are an outage."""
        if request > self._last_before_recovery:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= self._outage_threshold:
                self.record_outage(request, cause)

    def record_outage(self, request: int, cause: str) -> None:
        """Note that the server cannot be reached: nothing is sent until a probe reaches it."""
        if request > self._last_before_recovery and not self._trouble:
            self._trouble = cause
            # A pause that the server asked for is not silence.
            self._silent_since = max(self._silent_since or self._clock.now(), self._resume_at)

    def record_overload(self, request: int, seconds: float = 0.0) -> None:
        """Send nothing for `seconds`, then half as many requests at once.

        Only the first overload of a burst halves the limit; the others can only prolong the pause. If the
        server does not say how long, the pause doubles with every burst until an answer comes.
        """
        if request > self._last_before_overload:
            self._limit = max(1.0, self._limit / 2)
            self._last_before_overload = self._sent
            self._overloads_in_a_row += 1
            seconds = seconds or backoff_seconds(self._overloads_in_a_row, self._first_pause_seconds)
        self._resume_at = max(self._resume_at, self._clock.now() + seconds)

    def record_usable_answer(self) -> None:
        """Note that a photo got a usable answer."""
        self._has_usable_answer = True
        self._photos_failed_in_a_row = 0

    def record_no_usable_answer(self, why: str) -> None:
        """Note that a photo got none, though the server was there.

        Raises:
            TeacherRefused: too many in a row got none.
        """
        self._photos_failed_in_a_row += 1
        if self._photos_failed_in_a_row >= self._max_photos_failed_in_a_row:
            raise TeacherRefused(
                f"{self._photos_failed_in_a_row} photos in a row got no usable answer, so the run stops "
                f"before it pays for more. The last one: {why.rstrip('.')}. Every answer so far is kept. If "
                "the photos are the reason, set a larger annotate.max_failures_in_a_row"
            )

    async def _wait_for_server(self, probe: Callable[[], Awaitable[str]]) -> None:
        """Return when the server is back. The first slot that comes here asks; the others wait for it."""
        async with self._probing:
            attempt = 0
            while self._trouble:
                now, silent_since = self._clock.now(), self._silent_since
                if silent_since is not None and now - silent_since >= self._wait_seconds:
                    raise TeacherUnreachable(
                        f"the server has answered about no photo for {(now - silent_since) / 60:.0f} minutes "
                        f"({self._trouble}). Every answer so far is kept: check the server, and run the "
                        "same command again (annotate.wait_minutes says how long to wait)"
                    )
                attempt += 1
                seconds = min(
                    _LONGEST_PROBE_PAUSE_SECONDS, backoff_seconds(attempt, self._first_pause_seconds)
                )
                await self.pause(max(seconds, self._resume_at - now))
                self._trouble = await probe()
            self._failed_in_a_row = 0
            self._last_before_recovery = self._sent


def backoff_seconds(attempt: int, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> float:
    """Return how long to wait after the attempt (from 1) failed: doubling, jittered by half, capped."""
    pause = min(_LONGEST_PAUSE_SECONDS, first_pause_seconds * 2.0 ** (attempt - 1))
    return pause * random.uniform(0.5, 1.0)
