"""One HTTP request to the teacher's server, from start to end, and what became of it."""

import asyncio
import logging
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore
import httpx

from vibe_photos.annotate.connection import Connection, ProxiedConnection
from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.errors import ConfigurationError, VibePhotosError

MAX_RESPONSE_BYTES = 1 << 20
CONNECT_SECONDS = 10.0


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
    """One connection to a server for each of `slots`, all with one TLS context.

    An httpx client with one pool costs CPU that grows with the square of its connections (25 ms a request at
    256), and even one for each slot spends more than half of a request on redirects, cookies, pools and an
    environment, none of which is wanted here. So httpx's engine, httpcore, is asked directly.
    """

    def __init__(self, endpoint: Endpoint, slots: int) -> None:
        self.endpoint = endpoint
        self._chat_url = _to_core(httpx.URL(endpoint.base_url + "/chat/completions"))
        self._models_url = _to_core(httpx.URL(endpoint.base_url + "/models"))
        self._headers = _standing_headers(endpoint)
        context, proxy = httpx.create_ssl_context(), _find_proxy(endpoint)
        self._connections = [
            ProxiedConnection(proxy, context) if proxy else Connection(self._chat_url.origin, context)
            for _ in range(slots)
        ]
        logging.getLogger("httpcore").setLevel(logging.WARNING)  # at DEBUG it writes down every request

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in self._connections:
            await connection.aclose()

    async def list_models(self, seconds: float) -> Response:
        """Get what the server lists of its models; errors as `complete_chat`."""
        return await self._send(0, httpcore.Request("GET", self._models_url, headers=self._headers), seconds)

    async def complete_chat(self, slot: int, image_id: str, body: bytes, seconds: float) -> Response:
        """Post a JSON body about a photo, on the connection of a slot, in so many seconds at most.

        Raises:
            NoConnection: no server was reached.
            NoResponse: the time was over or the connection broke; it is closed.
            EndlessResponse: the response was too large.
        """
        headers = [
            *self._headers,
            (b"X-Request-Id", image_id.encode()),
            (b"Content-Type", b"application/json"),
            (b"Content-Length", b"%d" % len(body)),
        ]
        request = httpcore.Request("POST", self._chat_url, headers=headers, content=body)
        return await self._send(slot, request, seconds)

    async def _send(self, slot: int, request: httpcore.Request, seconds: float) -> Response:
        request.extensions["timeout"] = {"connect": CONNECT_SECONDS}
        try:
            async with asyncio.timeout(seconds):
                response = await self._connections[slot].send(request)
                try:
                    return self._mask(response, await _read_capped(response))
                finally:
                    await response.aclose()
        except (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError) as error:
            raise NoConnection(_explain_no_connection(error)) from None
        except (TimeoutError, httpcore.TimeoutException):
            raise NoResponse("no answer in time") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol):
            raise NoResponse("the connection broke") from None

    def _mask(self, response: httpcore.Response, content: bytes) -> Response:
        headers = {name.lower(): value for name, value in response.headers}
        return Response(
            status=response.status,
            content=self.endpoint.mask_key(content),
            retry_after=headers.get(b"retry-after", b"").decode("latin-1"),
            location=self.endpoint.mask_key(headers.get(b"location", b"")).decode("latin-1"),
        )


def _to_core(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _standing_headers(endpoint: Endpoint) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"Host", httpx.URL(endpoint.base_url).netloc),
        (b"User-Agent", b"vibe-photos"),
        (b"Accept", b"application/json"),
        (b"Accept-Encoding", b"identity"),
    ]
    if endpoint.api_key:
        headers.append((b"Authorization", f"Bearer {endpoint.api_key}".encode()))
    return headers


def _find_proxy(endpoint: Endpoint) -> httpcore.Proxy | None:
    """Return the environment's proxy for the server (HTTPS_PROXY, NO_PROXY); none for this machine itself."""
    parts = urlsplit(endpoint.base_url)
    if endpoint.is_loopback or proxy_bypass(parts.hostname or ""):
        return None
    proxies = getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address:
        return None
    try:
        proxy = httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"the environment's proxy for {parts.scheme} is no address like http://proxy:3128. Mend or unset "
            f"{parts.scheme.upper()}_PROXY and ALL_PROXY, or name {parts.hostname} in NO_PROXY"
        )
    return httpcore.Proxy(_to_core(proxy.url), auth=proxy.raw_auth)


async def _read_capped(response: httpcore.Response) -> bytes:
    content = bytearray()
    async for block in response.aiter_stream():
        content += block
        if len(content) > MAX_RESPONSE_BYTES:
            raise EndlessResponse(f"a response of more than {MAX_RESPONSE_BYTES} bytes")
    return bytes(content)


def _explain_no_connection(error: Exception) -> str:
    if isinstance(error, httpcore.ConnectTimeout):
        return "no connection in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (SSL_CERT_FILE can name a file of further ones)"
    return "no connection"
