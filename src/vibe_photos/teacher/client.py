"""One HTTP request to the teacher's server, from start to end: the only module that knows httpx."""

import asyncio
import logging
import ssl
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx

from vibe_photos.errors import VibePhotosError
from vibe_photos.teacher.endpoint import Endpoint

SLOTS_PER_POOL = 8
"""One httpx pool costs time that grows with the square of its connections; several small ones do not."""

MAX_RESPONSE_BYTES = 1 << 20
CONNECT_SECONDS = 10.0
_KEEPALIVE_SECONDS = 4.0  # below the 5 s after which uvicorn, and so vLLM, hangs up


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: the status, the body with the key masked, and two headers (empty when absent)."""

    status: int
    content: bytes
    retry_after: str = ""
    location: str = ""


class NoResponse(VibePhotosError):
    """A request got no whole response; the message says why in a few stable words."""


class NoConnection(NoResponse):
    """No server was reached."""


class EndlessResponse(NoResponse):
    """The body passed `MAX_RESPONSE_BYTES`."""


class Client:
    """Connections to one server, for `slots` requests at a time."""

    def __init__(self, endpoint: Endpoint, slots: int) -> None:
        self.endpoint = endpoint
        context = httpx.create_ssl_context()
        self._pools = [_open_pool(endpoint, context) for _ in range(-(-slots // SLOTS_PER_POOL))]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in self._pools:
            await pool.aclose()

    async def get(self, path: str, seconds: float) -> Response:
        """Get `path` under the base address; errors as `post`."""
        return await self._request(0, "GET", path, seconds, {}, None)

    async def post(self, slot: int, path: str, body: bytes, image_id: str, seconds: float) -> Response:
        """Post a JSON body about a photo, on the connections of a slot, in so many seconds at most.

        Raises:
            NoConnection: no server was reached.
            NoResponse: the time was over or the connection broke; it is closed.
            EndlessResponse: the response was too large.
        """
        return await self._request(slot, "POST", path, seconds, {"X-Request-Id": image_id}, body)

    async def _request(
        self, slot: int, method: str, path: str, seconds: float, headers: dict[str, str], body: bytes | None
    ) -> Response:
        pool, url = self._pools[slot // SLOTS_PER_POOL], self.endpoint.base_url + path
        try:
            async with (
                asyncio.timeout(seconds),
                pool.stream(method, url, content=body, headers=headers) as response,
            ):
                return self._mask(response, await _read_capped(response))
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoConnection(_explain_no_connection(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise NoResponse("no answer in time") from None
        except httpx.TransportError:
            raise NoResponse("the connection broke") from None

    def _mask(self, response: httpx.Response, content: bytes) -> Response:
        return Response(
            status=response.status_code,
            content=self.endpoint.mask_key(content),
            retry_after=response.headers.get("retry-after", ""),
            location=self.endpoint.mask_key(response.headers.get("location", "").encode()).decode(),
        )


def _open_pool(endpoint: Endpoint, context: ssl.SSLContext) -> httpx.AsyncClient:
    for name in ("httpx", "httpcore"):  # at DEBUG they would write down every request
        logging.getLogger(name).setLevel(logging.WARNING)
    headers: dict[str, Any] = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
    if endpoint.api_key:
        headers["Authorization"] = f"Bearer {endpoint.api_key}"
    return httpx.AsyncClient(
        verify=context,
        headers=headers,
        trust_env=not endpoint.is_loopback,  # the environment's proxies, but never to this machine itself
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=SLOTS_PER_POOL, keepalive_expiry=_KEEPALIVE_SECONDS),
    )


async def _read_capped(response: httpx.Response) -> bytes:
    content = bytearray()
    async for block in response.aiter_raw():  # raw: no compressed body can unfold into gigabytes
        content += block
        if len(content) > MAX_RESPONSE_BYTES:
            raise EndlessResponse(f"a response of more than {MAX_RESPONSE_BYTES} bytes")
    return bytes(content)


def _explain_no_connection(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (SSL_CERT_FILE can name a file of further ones)"
    return "no connection"
