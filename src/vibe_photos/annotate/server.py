"""A teacher's server as a run sees it: what is tried again, what ends a photo, what ends the run.

| what comes back | what follows |
|---|---|
| an answer | returned |
| no connection, a timeout, 408, 409, 429, 5xx, a 200 that is no chat completion | tried again after a pause |
| 400, 422 that refuse the JSON schema | all go on with `json_object`, and this request is sent again |
| 400, 413, 422 and other 4xx, an endless body | this photo fails |
| 401, 402, 403, 404, 405, 407, a redirect | the run stops |

A photo never costs more requests than its `Attempts` allow. A `Retry-After` makes all of them wait.
"""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count

import msgspec

from vibe_photos.annotate.client import (
    CONNECT_SECONDS,
    Client,
    EndlessResponse,
    NoConnection,
    NoResponse,
    Response,
)
from vibe_photos.annotate.outputs import FailureKind
from vibe_photos.annotate.reply import Reply, read_error, read_models, read_reply
from vibe_photos.errors import RunInterrupted, TeacherRefused, TeacherUnreachable, VibePhotosError

logger = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 3600.0

_FULL_WINDOW_SECONDS = 0.1
_GROWTH = 0.1
_REACH_ATTEMPTS = 3
_RETRIED = frozenset({408, 409, 429})
_STOPPING = {
    401: "The server does not accept the key: check QWEN_API_KEY.",
    402: "The server wants to be paid first.",
    403: "The server does not accept the key: check QWEN_API_KEY.",
    404: "The server does not know this model or address: check teacher.model and QWEN_BASE_URL.",
    405: "The server refuses every request: check QWEN_BASE_URL.",
    407: "The server refuses every request: check QWEN_BASE_URL.",
}
_SCHEMA_REFUSED = re.compile(rb"response_format|json_schema|guided|structured.?output", re.IGNORECASE)


class AskFailed(VibePhotosError):
    """A photo gets no answer in this run; becomes a `Failure`."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(slots=True)
class Attempts:
    """How many requests a photo may still cost, and has cost."""

    left: int
    made: int = 0


class ConcurrencyWindow:
    """How many requests may be in flight, and from when on: at first `largest_size`, at once.

    A `Retry-After` halves the window and pauses all of it; each answer lets it grow again by a tenth of a
    request (additive increase, multiplicative decrease, as in TCP: Jacobson 1988).
    """

    def __init__(self, largest_size: int) -> None:
        self._largest_size = float(largest_size)
        self._size = self._largest_size
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
        self._size = min(self._largest_size, self._size + _GROWTH)


class TeacherServer:
    """Asks a server about photos through a window of `slots` requests."""

    def __init__(
        self,
        client: Client,
        response_format: str,
        *,
        slots: int,
        timeout_seconds: float,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.window = ConcurrencyWindow(slots)
        self._client = client
        self._address = client.endpoint.base_url
        self._response_format = response_format
        self._timeout_seconds = timeout_seconds
        self._first_pause_seconds = first_pause_seconds
        self._failed_in_a_row = 0
        self._most_failed_in_a_row = max(slots, 10)
        self._models: list[str] = []

    async def check_reachable(self) -> bool:
        """Check that a server is there before any photo is sent; return whether it replays simulations.

        A server need not list its models: if it does not, the first photo shows whether it is usable.

        Raises:
            TeacherUnreachable: none answers at the address, after three tries.
            TeacherRefused: it refuses the key.
        """
        for attempt in count(1):
            try:
                response = await self._client.list_models(CONNECT_SECONDS)
                break
            except NoConnection as error:
                if attempt == _REACH_ATTEMPTS:
                    raise TeacherUnreachable(
                        f"no server answers at QWEN_BASE_URL, {self._address}: {error}. Nothing was sent; "
                        "start the server or fix the address, and run the same command again"
                    ) from None
            except NoResponse:
                return False
            await self.window.pause(backoff_seconds(attempt, self._first_pause_seconds))
        if response.status == 401:
            raise self._refused(response)
        self._models, is_simulated = read_models(response.content) if response.status == 200 else ([], False)
        return is_simulated

    async def ask(self, slot: int, image_id: str, body: Callable[[str], bytes], attempts: Attempts) -> Reply:
        """Send `body(response_format)` for a photo until there is an answer or no attempt is left.

        Raises:
            AskFailed: this photo failed.
            TeacherRefused, TeacherUnreachable: no photo can succeed.
            RunInterrupted: the window was closed before an attempt.
        """
        cause = ""
        while attempts.left > 0:
            try:
                async with self.window.turn():
                    attempts.left -= 1
                    attempts.made += 1
                    sent_format = self._response_format
                    response = await self._client.complete_chat(
                        slot, image_id, body(sent_format), self._timeout_seconds
                    )
                if response.status == 200:
                    return self._record_success(read_reply(response.content))
            except EndlessResponse as error:
                raise AskFailed("no_answer", str(error)) from None
            except NoResponse as error:
                cause = str(error)
            except msgspec.MsgspecError:
                cause = "a response that is no chat completion"
            else:
                cause = _describe(response)
                if self._gives_up_schema(response, sent_format):
                    continue
                self._raise_if_final(response)
                if self._slows_down(response, attempts):
                    continue
            logger.debug("photo %s, attempt %d: %s", image_id, attempts.made, cause)
            if attempts.left > 0:
                await self.window.pause(backoff_seconds(attempts.made, self._first_pause_seconds))
        raise self._give_up(attempts, cause)

    def _record_success(self, reply: Reply) -> Reply:
        self._failed_in_a_row = 0
        self.window.speed_up()
        return reply

    def _gives_up_schema(self, response: Response, sent_format: str) -> bool:
        is_refusal = response.status in (400, 422) and bool(_SCHEMA_REFUSED.search(response.content))
        if sent_format != "json_schema" or not is_refusal:
            return False
        if self._response_format == "json_schema":
            self._response_format = "json_object"
            logger.warning(
                "the server refuses response_format json_schema (%s); all go on with json_object",
                _describe(response),
            )
        return True

    def _raise_if_final(self, response: Response) -> None:
        if response.status in _STOPPING or 300 <= response.status < 400:
            raise self._refused(response)
        if 400 <= response.status < 500 and response.status not in _RETRIED:
            raise AskFailed("refused", _describe(response))

    def _slows_down(self, response: Response, attempts: Attempts) -> bool:
        """Make every slot wait where the server asks for it; return whether it does."""
        seconds = read_retry_after(response.retry_after)
        if not seconds and response.status == 429:
            seconds = backoff_seconds(attempts.made, self._first_pause_seconds)
        if seconds:
            self.window.slow_down(seconds)
        return bool(seconds)

    def _refused(self, response: Response) -> TeacherRefused:
        redirect = f"The server redirects to {response.location}. No photo is sent there: fix QWEN_BASE_URL."
        models = f" It serves: {', '.join(self._models[:10])}." if self._models else ""
        return TeacherRefused(
            f"{_STOPPING.get(response.status, redirect)} {self._address} says: {_describe(response)}.{models}"
        )

    def _give_up(self, attempts: Attempts, cause: str) -> AskFailed | TeacherUnreachable:
        self._failed_in_a_row += 1
        if self._failed_in_a_row < self._most_failed_in_a_row:
            return AskFailed("no_answer", f"no answer in {attempts.made} attempts; the last: {cause}")
        return TeacherUnreachable(
            f"the last {self._failed_in_a_row} photos got no answer from {self._address} ({cause}). "
            "Every answer so far is kept: check the server, and run the same command again"
        )


def backoff_seconds(attempt: int, first_pause_seconds: float = FIRST_PAUSE_SECONDS) -> float:
    """Return how long to wait after the attempt (from 1) failed: doubling, jittered by half, capped."""
    pause = min(LONGEST_PAUSE_SECONDS, first_pause_seconds * 2.0 ** (attempt - 1))
    return pause * random.uniform(0.5, 1.0)


def read_retry_after(value: str) -> float | None:
    """Return the seconds of a `Retry-After` header, which gives seconds or a date; None if it says nothing.

    Raises:
        TeacherRefused: it asks for more than an hour.
    """
    value = value.strip()
    if value.isascii() and value.isdigit():
        seconds = float(value)
    else:
        try:
            seconds = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    if seconds > LONGEST_RETRY_AFTER_SECONDS:
        raise TeacherRefused(
            f"the server asks to wait for {seconds / 3600:.1f} hours. Every answer so far is kept: "
            "run the same command again then"
        )
    return seconds


def _describe(response: Response) -> str:
    return f"status {response.status}: {read_error(response.content)}"
