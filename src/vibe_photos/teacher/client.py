"""HTTP to an OpenAI-compatible server: what is retried, what ends a photo, what ends the run.

| what comes back | what follows |
|---|---|
| an answer | returned |
| no connection, a timeout, 408, 409, 429, 5xx, a 200 that is no chat completion | tried again after a pause |
| 400, 422 that refuse the JSON schema | all go on with `json_object`, and this request is sent again |
| 400, 413, 422 and other 4xx, an endless body | this photo fails |
| 401, 402, 403, 404, 405, 407, a redirect | the run stops |

A photo never costs more requests than its `Attempts` allow. This is the only module that knows httpx.
"""

import asyncio
import logging
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec

from vibe_photos.errors import TeacherRefused, TeacherUnreachable
from vibe_photos.teacher.completion import Reply, read_error, read_models, read_reply
from vibe_photos.teacher.endpoint import Endpoint
from vibe_photos.teacher.failures import AskFailed
from vibe_photos.teacher.window import FIRST_PAUSE_SECONDS, Window, backoff_seconds, read_retry_after

logger = logging.getLogger(__name__)

SLOTS_PER_CLIENT = 8
"""One httpx pool costs time that grows with the square of its connections; several small ones do not."""

MAX_RESPONSE_BYTES = 1 << 20
CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 4.0  # below the 5 s after which uvicorn (vLLM) hangs up

_RETRIED = frozenset({408, 409, 429})
_STOPPING = frozenset({401, 402, 403, 404, 405, 407})
_SCHEMA_REFUSED = re.compile(r"response_format|json_schema|guided|structured.?output", re.IGNORECASE)


@dataclass(slots=True)
class Attempts:
    """How many requests a photo may still cost."""

    left: int
    made: int = 0

    def spend(self) -> None:
        """Count one request."""
        self.left -= 1
        self.made += 1


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: httpx.Headers
    content: bytes


class _EndlessBody(Exception):  # never leaves this module
    """A response body passed `MAX_RESPONSE_BYTES`."""


class TeacherClient:
    """Asks a server about photos, over `slots` connections at most."""

    def __init__(
        self,
        endpoint: Endpoint,
        response_format: str,
        *,
        slots: int,
        timeout_seconds: float,
        first_pause_seconds: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        self.window = Window(slots)
        self._endpoint = endpoint
        self._response_format = response_format
        self._timeout_seconds = timeout_seconds
        self._first_pause_seconds = first_pause_seconds
        self._failed_in_a_row = 0
        self._patience = max(slots, 10)
        self._served: list[str] = []
        context = httpx.create_ssl_context()
        self._clients = [_open_client(endpoint, context) for _ in range(-(-slots // SLOTS_PER_CLIENT))]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for client in self._clients:
            await client.aclose()

    async def greet(self) -> bool:
        """See that a server is there, before any photo is prepared; return whether it replays simulations.

        Raises:
            TeacherUnreachable: none answers at the address, after three tries.
            TeacherRefused: it refuses the key.
        """
        for attempt in (1, 2, 3):
            try:
                response = await self._request(0, "GET", "/models", CONNECT_SECONDS)
                break
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if attempt == 3 or "CERTIFICATE" in str(error):
                    raise self._unreachable(error) from None
                await self.window.pause(backoff_seconds(attempt, self._first_pause_seconds))
            except (httpx.TransportError, TimeoutError, _EndlessBody):
                return False  # something is there that lists no models: the first photo will tell
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
        cause = "no attempt was left"
        while attempts.left > 0:
            await self.window.wait_turn(slot)
            attempts.spend()
            sent_format = self._response_format
            try:
                response = await self._request(
                    slot, "POST", "/chat/completions", self._timeout_seconds, image_id, body(sent_format)
                )
                if response.status == 200:
                    reply = read_reply(response.content)
                    self._failed_in_a_row = 0
                    self.window.speed_up()
                    return reply
                if self._gives_up_schema(response, sent_format):
                    continue
                self._raise_if_final(response)
                cause = self._describe(response)
                pause = read_retry_after(response.headers.get("retry-after"))
                if pause or response.status == 429:  # everyone waits
                    self.window.slow_down(pause or self._backoff_seconds(attempts))
                    continue
            except (httpx.TransportError, TimeoutError) as error:
                cause = _describe_transport(error)
            except msgspec.MsgspecError:
                cause = "a response that is no chat completion"
            except _EndlessBody:
                raise AskFailed("no_answer", f"a response larger than {MAX_RESPONSE_BYTES} bytes") from None
            if attempts.left > 0:
                await self.window.pause(self._backoff_seconds(attempts))
        raise self._give_up(attempts, cause)

    def _backoff_seconds(self, attempts: Attempts) -> float:
        return backoff_seconds(attempts.made, self._first_pause_seconds)

    async def _request(
        self, slot: int, method: str, path: str, seconds: float, image_id: str = "", body: bytes = b""
    ) -> _Response:
        """Make one request, in so many seconds from start to end; leaving early closes its connection."""
        client = self._clients[slot // SLOTS_PER_CLIENT]
        headers = {"X-Request-Id": image_id} if image_id else {}
        url = self._endpoint.base_url + path
        async with (
            asyncio.timeout(seconds),
            client.stream(method, url, content=body or None, headers=headers) as response,
        ):
            content = bytearray()
            async for block in response.aiter_raw():
                content += block
                if len(content) > MAX_RESPONSE_BYTES:
                    raise _EndlessBody
            return _Response(response.status_code, response.headers, self._endpoint.hide_key(bytes(content)))

    def _gives_up_schema(self, response: _Response, sent_format: str) -> bool:
        if response.status not in (400, 422) or sent_format != "json_schema":
            return False
        if not _SCHEMA_REFUSED.search(response.content.decode("utf-8", "replace")):
            return False
        if self._response_format == "json_schema":
            self._response_format = "json_object"
            logger.warning(
                "the server refuses response_format json_schema; going on with json_object (%s)",
                self._describe(response),
            )
        return True

    def _raise_if_final(self, response: _Response) -> None:
        status = response.status
        if status in _STOPPING or 300 <= status < 400:
            raise self._refused(response)
        if 400 <= status < 500 and status not in _RETRIED:
            raise AskFailed("refused", self._describe(response))

    def _refused(self, response: _Response) -> TeacherRefused:
        explained = self._endpoint.hide_key(_explain_status(response).encode()).decode()
        return TeacherRefused(
            f"{explained} The server at {self._endpoint.base_url} says: {self._describe(response)}."
            + self._name_served()
        )

    def _name_served(self) -> str:
        return f" It serves: {', '.join(self._served[:10])}." if self._served else ""

    def _unreachable(self, error: Exception) -> TeacherUnreachable:
        return TeacherUnreachable(
            f"no server answers at QWEN_BASE_URL, {self._endpoint.base_url}: {_describe_transport(error)}. "
            "Nothing was sent; start the server or mend the address, and run the same command again"
        )

    def _give_up(self, attempts: Attempts, cause: str) -> AskFailed | TeacherUnreachable:
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._patience:
            return TeacherUnreachable(
                f"the last {self._failed_in_a_row} photos got no answer from {self._endpoint.base_url} "
                f"({cause}). What is answered is kept: see to the server, and run the same command again"
            )
        return AskFailed("no_answer", f"no answer in {attempts.made} attempts; the last: {cause}")

    def _describe(self, response: _Response) -> str:
        return f"status {response.status}: {read_error(response.content)}"


def _open_client(endpoint: Endpoint, context: ssl.SSLContext) -> httpx.AsyncClient:
    for name in ("httpx", "httpcore"):  # at DEBUG they would log every request's headers
        logging.getLogger(name).setLevel(logging.WARNING)
    headers: dict[str, Any] = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    return httpx.AsyncClient(
        verify=context,
        headers=headers,
        trust_env=not endpoint.is_loopback,  # proxies of the environment, but never to this machine itself
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=SLOTS_PER_CLIENT, keepalive_expiry=_KEEPALIVE_SECONDS),
    )


def _explain_status(response: _Response) -> str:
    status = response.status
    if 300 <= status < 400:
        target = response.headers.get("location", "somewhere")
        return f"The server redirects to {target}, and photos follow no redirect: mend QWEN_BASE_URL."
    if status == 404:
        return "The server does not know this model or address: check teacher.model and QWEN_BASE_URL."
    if status in (401, 403):
        return "The server does not accept the key: check QWEN_API_KEY."
    if status == 402:
        return "The server wants to be paid first."
    return "The server refuses every request: check QWEN_BASE_URL."


def _describe_transport(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if isinstance(error, (TimeoutError, httpx.TimeoutException)):
        return "no answer in time"
    if isinstance(error, httpx.ConnectError):
        return "its certificate is not trusted" if "CERTIFICATE" in str(error) else "no connection"
    return "the connection broke"
