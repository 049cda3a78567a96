"""HTTP requests to the teacher's server: its address and key, proxies, certificates. Only here is httpx."""

import asyncio
import ipaddress
import logging
import math
import os
import re
import secrets
import ssl
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from vibe_photos.errors import ConfigurationError, VibePhotosError
from vibe_photos.settings import Annotate, Teacher

MAX_RESPONSE_BYTES = 1 << 20
CONNECT_SECONDS = 10.0

_SLOTS_PER_CLIENT = 8
_KEEPALIVE_SECONDS = 4.0  # below the 5 s after which uvicorn, and so vLLM, closes an idle connection

_MIN_SECRET_LENGTH = 8
"""Shorter keys (`dummy`, `EMPTY`) may be ordinary words: only whole words are masked, and not in answers."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An OpenAI-compatible server. `base_url` ends before `/chat/completions`; the key is never shown."""

    base_url: str
    api_key: str | None = field(default=None, repr=False)

    def mask_key(self, content: bytes, *, is_answer: bool = False) -> bytes:
        """Return the server's bytes with every copy of the key masked, also escaped ones."""
        if not self.api_key or (is_answer and len(self.api_key) < _MIN_SECRET_LENGTH):
            return content
        return _key_pattern(self.api_key).sub(b"[QWEN_API_KEY]", content)


@cache
def _key_pattern(key: str) -> re.Pattern[bytes]:
    r"""Match a key in which any character may be escaped: `\/`, `\u002F`, or `%2F` as in an address."""
    spellings = [
        rf"(?:\\{{0,9}}{re.escape(character)}|\\{{1,9}}u00{ord(character):02x}|%{ord(character):02x})"
        for character in key
    ]
    pattern = "".join(spellings)
    if len(key) < _MIN_SECRET_LENGTH:
        pattern = rf"(?<!\w){pattern}(?!\w)"
    return re.compile(pattern.encode(), re.IGNORECASE)


def endpoint_from_environment(teacher: Teacher, annotate: Annotate) -> Endpoint:
    """Read `QWEN_BASE_URL` and `QWEN_API_KEY`; check `QWEN_MODEL` against the configured model.

    Raises:
        ConfigurationError: the address is missing, malformed or plain http to another machine, the key
            cannot be sent in a header, or the environment names another model.
    """
    model, base_url, key = (
        os.environ.get(name, "").strip() for name in ("QWEN_MODEL", "QWEN_BASE_URL", "QWEN_API_KEY")
    )
    base_url = base_url.rstrip("/")
    if model and model != teacher.model:
        raise ConfigurationError(
            f"QWEN_MODEL is {model!r} but teacher.model is {teacher.model!r}: answers are kept by model. "
            "Unset QWEN_MODEL, or choose the teacher that you mean (use.teacher, teacher.model)"
        )
    if not base_url:
        raise ConfigurationError(
            "QWEN_BASE_URL is not set. It is the address of the teacher's OpenAI-compatible server, e.g.\n"
            "  export QWEN_BASE_URL=http://localhost:8000/v1"
        )
    if not (base_url.isprintable() and " " not in base_url):
        raise ConfigurationError("QWEN_BASE_URL has a space, a line break or another invisible character")
    parts = _split_address(base_url)
    if parts.username or parts.password:
        raise ConfigurationError("QWEN_BASE_URL has a user name or password; put the key into QWEN_API_KEY")
    if parts.query or parts.fragment:
        raise ConfigurationError("QWEN_BASE_URL has a ? or #; it must end before /chat/completions")
    if parts.scheme == "http" and not is_loopback(parts.hostname) and not annotate.allow_plain_http:
        raise ConfigurationError(
            f"QWEN_BASE_URL sends photos unencrypted to {parts.hostname}. Use https, a tunnel "
            "(ssh -L 8000:localhost:8000 HOST), or allow it: annotate.allow_plain_http=true"
        )
    if key and not (key.isascii() and key.isprintable()):
        raise ConfigurationError("QWEN_API_KEY has characters that are not allowed in an HTTP header")
    return Endpoint(base_url, key or None)


def is_loopback(host: str | None) -> bool:
    """Return whether a host name or address is this machine's."""
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return host == "localhost" or (host or "").endswith(".localhost")


def _split_address(base_url: str) -> SplitResult:
    try:
        parts = urlsplit(base_url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise ConfigurationError(
            "QWEN_BASE_URL is not the address of a server; an example is http://localhost:8000/v1"
        )
    return parts


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
                proxy=_find_proxy(endpoint.base_url),
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
        return await self._send(0, seconds, "GET", self._models_url)

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
        return await self._send(slot, seconds, "POST", self._chat_url, headers=headers, content=body)

    async def _send(self, slot: int, seconds: float, method: str, url: httpx.URL, **parts: Any) -> Response:
        client = self._clients[slot // _SLOTS_PER_CLIENT]
        try:
            async with asyncio.timeout(seconds), client.stream(method, url, **parts) as response:
                content = bytearray()
                async for block in response.aiter_raw():
                    content += block
                    if len(content) > MAX_RESPONSE_BYTES:
                        raise ResponseTooLarge(f"a response of more than {MAX_RESPONSE_BYTES} bytes")
        except httpx.ProxyError as error:  # its text is the proxy's status line
            is_refused = str(error)[:3] in ("401", "403", "407")
            raise (ProxyRefused if is_refused else NoConnection)(f"the proxy says: {error}") from None
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise NoConnection(_explain_no_connection(error)) from None
        except (TimeoutError, httpx.TimeoutException):
            raise TimedOut("no answer in time") from None
        except httpx.TransportError:
            raise NoResponse("the connection broke") from None
        location = response.headers.get("Location", "").encode("utf-8", "replace")
        return Response(
            status=response.status_code,
            content=self.endpoint.mask_key(bytes(content), is_answer=response.status_code == 200),
            retry_after=response.headers.get("Retry-After", ""),
            location=self.endpoint.mask_key(location).decode(),
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


def _find_proxy(base_url: str) -> httpx.Proxy | None:
    """Return the environment's proxy for the server; None for a server on this machine.

    httpx's own `trust_env` also opens proxies of other schemes, and fails on an `ALL_PROXY=socks5://...` even
    if there is a usable `HTTPS_PROXY`.
    """
    parts, proxies = urlsplit(base_url), getproxies()
    address = proxies.get(parts.scheme) or proxies.get("all")
    if not address or is_loopback(parts.hostname) or proxy_bypass(parts.hostname or ""):
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


def _explain_no_connection(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return "no connection in time"
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "its certificate is not trusted (SSL_CERT_FILE can add trusted certificates)"
    return "no connection"
