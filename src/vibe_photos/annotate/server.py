"""A teacher's server as a run sees it: what is tried again, what ends a photo, what ends the run.

| what comes back | what follows |
|---|---|
| an answer | returned |
| no connection | all wait for the server; it cost no attempt |
| a broken connection, 409, 5xx, no completion | tried again after a pause; several in a row: all wait |
| a timeout, 408, 429, 503, 504, any `Retry-After` | the same, with half as many requests at once |
| 400, 422 in a response format that no photo was answered in yet | sent again in a looser format |
| 400, 422 else, other 4xx, an oversized body | this photo fails |
| 401, 402, 403, 404, 405, 407, a redirect, a proxy that refuses | the run stops |

A photo never costs more requests than its `Attempts` allow, besides one for each looser format. Once the
server has answered, a 404 is like a 5xx: a gateway says so while it loads the model again.
"""

import logging
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from itertools import count

import orjson

from vibe_photos.annotate.client import (
    CONNECT_SECONDS,
    Client,
    NoConnection,
    NoResponse,
    ProxyRefused,
    Response,
    ResponseTooLarge,
    TimedOut,
)
from vibe_photos.annotate.reply import NoCompletion, Reply, read_error, read_models, read_reply
from vibe_photos.annotate.state import ServerState
from vibe_photos.errors import TeacherRefused, TeacherUnreachable, VibePhotosError
from vibe_photos.records.failures import FailureKind

logger = logging.getLogger(__name__)

RESPONSE_FORMATS = ("json_schema", "json_object", "text")
"""From the strictest: a server that refuses one is asked for the next."""

PROBE_ID = "probe"
"""The `X-Request-Id` of a probe, where that of a photo begins with its id."""

_LONGEST_RETRY_AFTER_SECONDS = 3600.0

_REACH_ATTEMPTS = 3
_PROBE_SECONDS = 30.0
_OVERLOADED = frozenset({408, 429, 503, 504})
_RETRIED = _OVERLOADED | {409}
_STOPPING = {
    401: "The server does not accept the key: check QWEN_API_KEY.",
    402: "The server asks for payment: check the account.",
    403: "The server does not accept the key: check QWEN_API_KEY.",
    404: "The server does not know this model or address: check teacher.model and QWEN_BASE_URL.",
    405: "The server refuses every request: check QWEN_BASE_URL.",
    407: "The proxy requires a user name and password: put them into HTTP_PROXY or HTTPS_PROXY.",
}


class AskFailed(VibePhotosError):
    """A photo gets no answer for now; becomes a `Failure` where no attempt is left."""

    def __init__(self, kind: FailureKind, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


@dataclass(slots=True)
class Attempts:
    """A photo's requests: how many are left, how many were made, how many are kept for the second pass."""

    left: int
    made: int = 0
    kept: int = 0

    def spend(self, requests: int = 1) -> None:
        """Count requests; -1 takes one back that was never sent."""
        self.left -= requests
        self.made += requests


class _FormatRefused(VibePhotosError):
    """A request was refused, and another format of the reply was not tried yet."""


class TeacherServer:
    """Asks a server about photos, as `state` allows.

    `model_aliases` are names of the model in the server's list and in its replies. After `check_reachable`,
    `models` are those that it lists, and `is_simulated` says that it serves simulated answers.
    """

    def __init__(
        self,
        client: Client,
        model: str,
        response_format: str,
        state: ServerState,
        *,
        timeout_seconds: float,
        model_aliases: Collection[str] = (),
    ) -> None:
        self.state = state
        self._client = client
        self._address = client.endpoint.base_url
        self._model = model
        self._names = {model, *model_aliases}
        self._format = RESPONSE_FORMATS.index(response_format)
        self._accepted_formats: set[int] = set()
        self._has_answered = False
        self._timeout_seconds = timeout_seconds
        self.models: list[str] = []
        self.is_simulated = False

    async def check_reachable(self) -> None:
        """Check, before any photo is sent, that a server is there.

        One that is still starting (5xx, no answer in time) is waited for before the first photo.

        Raises:
            TeacherUnreachable: none is at the address, after three tries.
            TeacherRefused: it refuses the key, or a proxy refuses to connect.
        """
        for attempt in count(1):
            try:
                response = await self._client.list_models(CONNECT_SECONDS)
                break
            except ProxyRefused as error:
                raise self._refused_by_proxy(error) from None
            except NoConnection as error:
                if attempt == _REACH_ATTEMPTS:
                    raise TeacherUnreachable(
                        f"no server answers at QWEN_BASE_URL, {self._address}: {error}. Nothing was sent; "
                        "start the server or fix the address, and run the same command again"
                    ) from None
            except NoResponse as error:
                self.state.record_outage(1, str(error))
                return
            await self.state.back_off(attempt)
        if response.status in (401, 407):
            raise self._refused(response)
        if response.status == 400:  # what LiteLLM answers to a wrong key
            await self._check_key_with_probe()
        if response.status >= 500:
            self.state.record_outage(1, _describe(response))
        if response.status == 200:
            self.models, self.is_simulated = read_models(response.content)

    def check_model(self) -> None:
        """Check that the server lists the model; one that lists none shows at the first photo what it serves.

        Raises:
            TeacherRefused: it lists other models only.
        """
        if self.models and not {*self._names, "*"} & set(self.models):
            raise TeacherRefused(
                f"the server at {self._address} does not list the model {self._model!r}."
                f"{self._list_models()} Set teacher.model to one of them, or, if one is that model "
                "under another name, annotate.model_aliases=[NAME]"
            )

    async def ask(self, slot: int, image_id: str, body: Callable[[str], bytes], attempts: Attempts) -> Reply:
        """Send `body(response_format)` for a photo until there is an answer or no attempt is left for now.

        Raises:
            AskFailed: this photo failed.
            TeacherRefused, TeacherUnreachable: no photo can succeed.
            RunInterrupted: the run was stopped before an attempt.
        """
        failed, format_index = AskFailed("no_answer", "it was not sent"), self._format
        while attempts.left > attempts.kept:
            format_index = max(format_index, self._format)
            try:
                async with self.state.begin_request(self._probe) as request:
                    attempts.spend()
                    response = await self._client.complete_chat(
                        slot, image_id, body(RESPONSE_FORMATS[format_index]), self._timeout_seconds
                    )
                reply = self._read(response, request)
            except ProxyRefused as error:
                raise self._refused_by_proxy(error) from None
            except NoConnection as error:
                attempts.spend(-1)
                self.state.record_outage(request, str(error))
            except _FormatRefused as error:
                failed = AskFailed("refused", str(error))
                if format_index in self._accepted_formats or format_index + 1 == len(RESPONSE_FORMATS):
                    break  # other photos are answered in this format, or there is no looser one
                format_index += 1
                attempts.left += 1  # a step to a looser format costs none
            except ResponseTooLarge as error:
                raise AskFailed("refused", str(error)) from None
            except (NoResponse, NoCompletion) as error:
                if isinstance(error, TimedOut):
                    self.state.record_overload(request)
                self.state.record_failure(request, str(error))
                failed = AskFailed("no_answer", f"no answer in {attempts.made} attempts; the last: {error}")
                logger.debug("photo %s, attempt %d: %s", image_id, attempts.made, error)
                if attempts.left > attempts.kept:
                    await self.state.back_off(attempts.made)
            else:
                self._accept_format(format_index)
                return reply
        raise failed

    def _read(self, response: Response, request: int) -> Reply:
        """Return the reply that a response holds.

        Raises:
            NoCompletion: it holds none, for a reason that may pass.
            _FormatRefused: it may be the format of the reply that is refused.
            AskFailed: it is this photo that is refused.
            TeacherRefused: it is every photo.
        """
        status = response.status
        if status == 200:
            reply = read_reply(response.content)
            self.state.record_answer()
            self._has_answered = True
            self._check_name(reply)
            return reply
        cause, pause_seconds = _describe(response), read_retry_after(response.retry_after)
        if status in _OVERLOADED or pause_seconds:
            self.state.record_overload(request, pause_seconds or 0.0)
        if status in _RETRIED or status >= 500 or (status == 404 and self._has_answered) or pause_seconds:
            raise NoCompletion(cause)
        if status in _STOPPING or 300 <= status < 400:
            raise self._refused(response)
        if status in (400, 422):
            raise _FormatRefused(cause)
        raise AskFailed("refused", cause)

    def _accept_format(self, format_index: int) -> None:
        """Note that a reply came in this format; if none came before, all photos are asked for it."""
        if format_index > self._format and not self._accepted_formats:
            logger.warning(
                "the server refuses response_format %s: all photos are asked for %s",
                RESPONSE_FORMATS[self._format],
                RESPONSE_FORMATS[format_index],
            )
            self._format = format_index
        self._accepted_formats.add(format_index)

    def _check_name(self, reply: Reply) -> None:
        """Warn once if replies name another model than the one that was asked for."""
        if reply.model and not reply.simulated and reply.model not in self._names:
            self._names.add(reply.model)
            logger.warning(
                "the server's replies say that %r gave them, and %r was asked for. If they are the same, "
                "set annotate.model_aliases=[%s]; else stop this run (Ctrl-C)",
                reply.model,
                self._model,
                reply.model,
            )

    async def _check_key_with_probe(self) -> None:
        """Check that the server takes a request without a photo. Raises TeacherRefused: it does not."""
        with suppress(NoResponse):
            response = await self._send_probe()
            if response.status == 400:
                raise TeacherRefused(
                    "The server refuses every request, also one without a photo: check QWEN_API_KEY. "
                    f"{self._address} says: {_describe(response)}"
                )

    async def _send_probe(self) -> Response:
        """Ask the server for one token about no photo; errors as in `Client.complete_chat`."""
        asked = {"model": self._model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        seconds = min(self._timeout_seconds, _PROBE_SECONDS)
        return await self._client.complete_chat(0, PROBE_ID, orjson.dumps(asked), seconds)

    async def _probe(self) -> str:
        """Return why the server cannot answer, or an empty text."""
        try:
            response = await self._send_probe()
        except NoResponse as error:
            return str(error)
        self.state.record_overload(0, read_retry_after(response.retry_after) or 0.0)  # 0: no photo's request
        is_there = response.status < 500 and response.status not in _RETRIED
        return "" if is_there and not (response.status == 404 and self._has_answered) else _describe(response)

    def _refused(self, response: Response) -> TeacherRefused:
        redirect = f"The server redirects to {response.location}. No photo is sent there: fix QWEN_BASE_URL."
        advice = _STOPPING.get(response.status, redirect)
        return TeacherRefused(f"{advice} {self._address} says: {_describe(response)}.{self._list_models()}")

    def _list_models(self) -> str:
        return f" It serves: {', '.join(self.models[:10])}." if self.models else ""

    def _refused_by_proxy(self, error: ProxyRefused) -> TeacherRefused:
        return TeacherRefused(
            f"the proxy refuses to connect to {self._address}: {error}. Put its user name and password "
            "into HTTP_PROXY or HTTPS_PROXY, or name the server in NO_PROXY"
        )


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
    if seconds > _LONGEST_RETRY_AFTER_SECONDS:
        raise TeacherRefused(
            f"the server asks to wait for {seconds / 3600:.1f} hours. Every answer so far is kept: "
            "run the same command again after that"
        )
    return seconds


def _describe(response: Response) -> str:
    return f"status {response.status}: {read_error(response.content)}"
