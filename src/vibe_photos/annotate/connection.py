"""One connection to the teacher's server, opened when it is needed and again once it has ended."""

import ssl

import httpcore

from vibe_photos.annotate.network import AsyncioBackend

_KEEPALIVE_SECONDS = 4.0  # below the 5 s after which uvicorn, and so vLLM, hangs up


class Connection:
    """Straight to the server, one request at a time. Errors are httpcore's."""

    def __init__(self, origin: httpcore.Origin, context: ssl.SSLContext) -> None:
        self._origin = origin
        self._context = context
        self._current = self._make()

    async def send(self, request: httpcore.Request) -> httpcore.Response:
        """Send a request; its response is to be read and closed before the next."""
        if self._current.is_closed() or self._current.has_expired():
            await self._current.aclose()
            self._current = self._make()
        return await self._current.handle_async_request(request)

    async def aclose(self) -> None:
        """Hang up."""
        await self._current.aclose()

    def _make(self) -> httpcore.AsyncHTTPConnection:
        return httpcore.AsyncHTTPConnection(
            self._origin,
            ssl_context=self._context,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=AsyncioBackend(),
        )


class ProxiedConnection:
    """The same through a proxy: a pool of one, since httpcore makes such connections in pools only."""

    def __init__(self, proxy: httpcore.Proxy, context: ssl.SSLContext) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            proxy=proxy,
            ssl_context=context,
            max_connections=1,
            keepalive_expiry=_KEEPALIVE_SECONDS,
            network_backend=AsyncioBackend(),
        )

    async def send(self, request: httpcore.Request) -> httpcore.Response:
        """See `Connection.send`."""
        return await self._pool.handle_async_request(request)

    async def aclose(self) -> None:
        """Hang up."""
        await self._pool.aclose()
