"""One HTTP request to the teacher's server, from start to end: the only module that knows httpx."""

import asyncio
import logging
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from vibe_photos.errors import VibePhotosError
from vibe_photos.teacher.endpoint import Endpoint

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
    """One connection to a server for each of `slots`.

    An httpx client with one pool costs CPU that grows with the square of its connections (25 ms a request at
    256), so each slot has a transport of its own; and bare transports, because a client's redirects, cookies
    and environment are what is not wanted here.
    """

    def __init__(self, endpoint: Endpoint, slots: int) -> None:
        self.endpoint = endpoint
        self._chat_url = httpx.URL(endpoint.base_url + "/chat/completions")
        self._models_url = httpx.URL(endpoint.base_url + "/models")
        self._headers = _standing_headers(endpoint)
        context, proxy = httpx.create_ssl_context(), _find_proxy(endpoint)
        limits = httpx.Limits(max_connections=1, keepalive_expiry=_KEEPALIVE_SECONDS)
        self._transports = [
            httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy) for _ in range(slots)
        ]
        logging.getLogger("httpcore").setLevel(logging.WARNING)  # at DEBUG it writes down every request

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._transports:
            await transport.aclose()

    async def list_models(self, seconds: float) -> Response:
        """Get what the server lists of its models; errors as `complete_chat`."""
        return await self._send(0, httpx.Request("GET", self._models_url, headers=self._headers), seconds)

    async def complete_chat(self, slot: int, image_id: str, body: bytes, seconds: float) -> Response:
        """Post a JSON body about a photo, on the connection of a slot, in so many seconds at most.

        Raises:
            NoConnection: no server was reached.
            NoResponse: the time was over or the connection broke; it is closed.
            EndlessResponse: the response was too large.
        """
        headers = {**self._headers, "X-Request-Id": image_id}
        request = httpx.Request("POST", self._chat_url, headers=headers, content=body)
        return await self._send(slot, request, seconds)

    async def _send(self, slot: int, request: httpx.Request, seconds: float) -> Response:
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        try:
            async with asyncio.timeout(seconds):
                response = await self._transports[slot].handle_async_request(request)
                async with aclosing(response):
                    return self._mask(response, await _read_capped(response))
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
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


def _standing_headers(endpoint: Endpoint) -> dict[str, str]:
    headers = {
        "User-Agent": "vibe-photos",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
    }
    return headers | ({"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {})


def _find_proxy(endpoint: Endpoint) -> str | None:
    """Return the environment's proxy for the server (HTTPS_PROXY, NO_PROXY); none for this machine itself."""
    parts = urlsplit(endpoint.base_url)
    if endpoint.is_loopback or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


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
