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

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from vibe_photos.annotate.client import (
    CONNECT_SECONDS,
    Client,
    EndlessResponse,
    NoConnection,
    NoResponse,
    Response,
)
from vibe_photos.annotate.completion import Reply, read_error, read_models, read_reply
from vibe_photos.annotate.failures import AskFailed
from vibe_photos.annotate.window import FIRST_PAUSE_SECONDS, Window, backoff_seconds, read_retry_after
from vibe_photos.errors import TeacherRefused, TeacherUnreachable

logger = logging.getLogger(__name__)

_RETRIED = frozenset({408, 409, 429})
_STOPPING = frozenset({401, 402, 403, 404, 405, 407})
_SCHEMA_REFUSED = re.compile(rb"response_format|json_schema|guided|structured.?output", re.IGNORECASE)


@dataclass(slots=True)
class Attempts:
    """How many requests a photo may still cost, and has cost."""

    left: int
    made: int = 0

    def spend(self) -> None:
        """Count one request."""
        self.left -= 1
        self.made += 1


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
        self.window = Window(slots)
        self._client = client
        self._response_format = response_format
        self._timeout_seconds = timeout_seconds
        self._first_pause_seconds = first_pause_seconds
        self._failed_in_a_row = 0
        self._patience = max(slots, 10)
        self._served: list[str] = []

    async def greet(self) -> bool:
        """See that a server is there before any photo is sent; return whether it replays simulations.

        A server need not list its models: whatever else it says, the first photo will tell.

        Raises:
            TeacherUnreachable: none answers at the address, after three tries.
            TeacherRefused: it refuses the key.
        """
        try:
            response = await self._get_models()
        except NoConnection as error:
            raise TeacherUnreachable(
                f"no server answers at QWEN_BASE_URL, {self._address}: {error}. Nothing was sent; "
                "start the server or mend the address, and run the same command again"
            ) from None
        except NoResponse:
            return False
        if response.status == 401:
            raise self._refused(response)
        self._served, is_simulated = read_models(response.content) if response.status == 200 else ([], False)
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
                    attempts.spend()
                    sent_format = self._response_format
                    response = await self._client.complete_chat(
                        slot, image_id, body(sent_format), self._timeout_seconds
                    )
                if response.status == 200:
                    return self._welcome(read_reply(response.content))
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

    @property
    def _address(self) -> str:
        return self._client.endpoint.base_url

    async def _get_models(self) -> Response:
        for attempt in (1, 2):
            try:
                return await self._client.list_models(CONNECT_SECONDS)
            except NoConnection:
                await self.window.pause(backoff_seconds(attempt, self._first_pause_seconds))
        return await self._client.list_models(CONNECT_SECONDS)

    def _welcome(self, reply: Reply) -> Reply:
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
        serves = f" It serves: {', '.join(self._served[:10])}." if self._served else ""
        return TeacherRefused(
            f"{_explain_refusal(response)} {self._address} says: {_describe(response)}.{serves}"
        )

    def _give_up(self, attempts: Attempts, cause: str) -> AskFailed | TeacherUnreachable:
        self._failed_in_a_row += 1
        if self._failed_in_a_row < self._patience:
            return AskFailed("no_answer", f"no answer in {attempts.made} attempts; the last: {cause}")
        return TeacherUnreachable(
            f"the last {self._failed_in_a_row} photos got no answer from {self._address} ({cause}). "
            "What is answered is kept: see to the server, and run the same command again"
        )


def _describe(response: Response) -> str:
    return f"status {response.status}: {read_error(response.content)}"


def _explain_refusal(response: Response) -> str:
    if 300 <= response.status < 400:
        return f"The server redirects to {response.location}, where no photo follows: mend QWEN_BASE_URL."
    reasons = {
        401: "The server does not accept the key: check QWEN_API_KEY.",
        402: "The server wants to be paid first.",
        403: "The server does not accept the key: check QWEN_API_KEY.",
        404: "The server does not know this model or address: check teacher.model and QWEN_BASE_URL.",
    }
    return reasons.get(response.status, "The server refuses every request: check QWEN_BASE_URL.")
