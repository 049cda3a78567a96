"""HTTP requests to the teacher's server. No other module uses httpx."""

import asyncio
import logging
import math
import os
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.errors import ConfigurationError, VibePhotosError

MAX_RESPONSE_BYTES = 1 << 20
CONNECT_SECONDS = 10.0

_SLOTS_PER_CLIENT = 8
_KEEPALIVE_SECONDS = 4.0  # below the 5 s after which uvicorn, and so vLLM, closes an idle connection


@dataclass(frozen=True, slots=True)
class Response:
    """A response: the status, the body with the key masked, and two headers (empty if absent)."""

    status: int
    content: bytes
    retry_after: str = ""
    location: str = ""


class NoResponse(VibePhotosError):
    """A request got no complete response; the message is a short, fixed text."""


class NoConnection(NoResponse):
    """No server was reached."""


class ProxyRefused(NoConnection):
    """The proxy refuses to connect to the server."""


class TimedOut(NoResponse):
    """The server did not answer in time."""


class ResponseTooLarge(NoResponse):
    """The body is larger than `MAX_RESPONSE_BYTES`."""


class Client:
    """A connection to the server for each of `slots`, in httpx clients with eight slots each.

    The CPU time of a request grows with its connection pool (25 ms with 256 connections), so pools are
    small. All clients share one TLS context, which takes 20 ms to build.

    Raises:
        ConfigurationError: the address, a proxy or a certificate file cannot be used.
    """

    def __init__(self, endpoint: Endpoint, slots: int) -> None:
        self.endpoint = endpoint
        try:
            self._chat_url = httpx.URL(f"{endpoint.base_url}/chat/completions")
            self._models_url = httpx.URL(f"{endpoint.base_url}/models")
            _ = self._chat_url.host  # decodes it
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ConfigurationError(f"QWEN_BASE_URL, {endpoint.base_url}, is no address: {error}") from None
        headers = {"User-Agent": "vibe-photos", "Accept": "application/json", "Accept-Encoding": "identity"}
        if endpoint.api_key:
            headers["Authorization"] = f"Bearer {endpoint.api_key}"
        context = _make_ssl_context()
        self._clients = [
            httpx.AsyncClient(
                verify=context,
                proxy=_find_proxy(endpoint),
                headers=headers,
                timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
                limits=httpx.Limits(keepalive_expiry=_KEEPALIVE_SECONDS),
                trust_env=False,
            )
            for _ in range(math.ceil(slots / _SLOTS_PER_CLIENT))
        ]
        for name in ("httpx", "httpcore"):  # they log every request, at DEBUG with its headers
            logging.getLogger(name).setLevel(logging.WARNING)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._clients:
            await client.aclose()

    async def list_models(self, seconds: float) -> Response:
        """Get the server's list of its models; errors as in `complete_chat`."""
        return await self._send(0, self._clients[0].build_request("GET", self._models_url), seconds)

    async def complete_chat(self, slot: int, image_id: str, body: bytes, seconds: float) -> Response:
        """Post a JSON body about a photo from a slot (0 to `slots` - 1); wait at most `seconds`.

        `X-Request-Id` is the photo's id with a random suffix: servers refuse an id that is still in use.

        Raises:
            NoConnection: no server was reached.
            ProxyRefused: the proxy refuses this request.
            TimedOut: no answer in time; the connection is closed.
            NoResponse: the connection broke.
            ResponseTooLarge: the response was too large.
        """
        request_id = f"{image_id}.{secrets.token_hex(4)}"
        headers = {"X-Request-Id": request_id, "Content-Type": "application/json"}
        client = self._clients[slot // _SLOTS_PER_CLIENT]
        request = client.build_request("POST", self._chat_url, headers=headers, content=body)
        return await self._send(slot, request, seconds)

    async def _send(self, slot: int, request: httpx.Request, seconds: float) -> Response:
        try:
            async with asyncio.timeout(seconds):
                response = await self._clients[slot // _SLOTS_PER_CLIENT].send(request, stream=True)
                try:
                    content = await _read_capped(response)
                finally:
                    await response.aclose()
        except httpx.ProxyError as error:  # its text is the proxy's status line
            raise (ProxyRefused if str(error)[:3] in ("401", "403", "407") else NoConnection)(
                f"the proxy says: {error}"
            ) from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoConnection(_explain_no_connection(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise TimedOut("no answer in time") from None
        except httpx.TransportError:
            raise NoResponse("the connection broke") from None
        return self._to_response(response.status_code, content, response.headers)

    def _to_response(self, status: int, content: bytes, headers: Mapping[str, str]) -> Response:
        location = self.endpoint.mask_key(headers.get("Location", "").encode("utf-8", "replace"))
        return Response(
            status=status,
            content=self.endpoint.mask_key(content, is_answer=status == 200),
            retry_after=headers.get("Retry-After", ""),
            location=location.decode(),
        )


def _make_ssl_context() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is a subclass
        variable = "SSL_CERT_FILE" if os.environ.get("SSL_CERT_FILE") else "SSL_CERT_DIR"
        raise ConfigurationError(
            f"the certificates in {os.environ.get(variable)} ({variable}) cannot be read: "
            f"{error.strerror or error}. Set it to a file in PEM format, or unset it"
        ) from None


def _find_proxy(endpoint: Endpoint) -> httpx.Proxy | None:
    """Return the environment's proxy for the server; None for a server on this machine.

    httpx's own `trust_env` also opens proxies of other schemes, and fails on an `ALL_PROXY=socks5://...` even
    if there is a usable `HTTPS_PROXY`.
    """
    parts, proxies = urlsplit(endpoint.base_url), getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or endpoint.is_loopback or proxy_bypass(parts.hostname or ""):
        return None
    try:
        proxy = httpx.Proxy(address)
    except (ValueError, httpx.InvalidURL):
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https"):
        raise ConfigurationError(
            f"the environment's proxy for {parts.scheme} is not an address like http://proxy:3128. Fix or "
            f"unset {parts.scheme.upper()}_PROXY and ALL_PROXY, or name {parts.hostname} in NO_PROXY"
        )
    return proxy


async def _read_capped(response: httpx.Response) -> bytes:
    content = bytearray()
    async for block in response.aiter_raw():
        content += block
        if len(content) > MAX_RESPONSE_BYTES:
            raise ResponseTooLarge(f"a response of more than {MAX_RESPONSE_BYTES} bytes")
    return bytes(content)


def _explain_no_connection(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (SSL_CERT_FILE can add trusted certificates)"
    return "no connection"
