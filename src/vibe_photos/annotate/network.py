"""httpcore's sockets on the event loop alone, asyncio's or uvloop's.

Its own backend goes through anyio, which costs half as much CPU again as the rest of a request.
"""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any, cast

import httpcore
from httpcore import SOCKET_OPTION

_PAUSE_READING_BYTES = 256 * 1024


class AsyncioBackend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> "SocketStream":
        """Connect within `timeout` seconds to the first of a host's addresses that answers.

        Raises:
            httpcore.ConnectTimeout, httpcore.ConnectError: no connection.
            ValueError: options that nobody here uses.
        """
        if local_address is not None or socket_options is not None:
            raise ValueError("local addresses and socket options are not supported")
        try:
            async with asyncio.timeout(timeout):
                _, stream = await asyncio.get_running_loop().create_connection(SocketStream, host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return stream


class SocketStream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection, used by one coroutine at a time.

    What has arrived can be read even after the connection broke: a server that refuses a photo may answer
    and hang up while it is still being sent.
    """

    _transport: asyncio.Transport

    def __init__(self) -> None:
        self._received = bytearray()
        self._is_ended = False
        self._error: Exception | None = None
        self._may_write = True
        self._changed: asyncio.Future[None] | None = None

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has arrived, at least a byte; none at the end.

        Raises:
            httpcore.ReadError, httpcore.ReadTimeout: the connection broke, or nothing came in time.
        """
        while not self._received and not self._is_ended:
            await self._change(timeout, httpcore.ReadTimeout)
        if not self._received and self._error:
            raise httpcore.ReadError(str(self._error)) from self._error
        block = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        self._transport.resume_reading()
        return block

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send `buffer`; return when the system has taken most of it.

        Raises:
            httpcore.WriteError, httpcore.WriteTimeout: the connection broke, or was full for too long.
        """
        self._transport.write(buffer)
        while not self._may_write and not self._is_ended:
            await self._change(timeout, httpcore.WriteTimeout)
        if self._error:
            raise httpcore.WriteError(str(self._error)) from self._error

    async def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> "SocketStream":
        """Agree on encryption within `timeout` seconds.

        Raises:
            httpcore.ConnectTimeout, httpcore.ConnectError: in vain; the connection is closed.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                encrypted = await loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=server_hostname
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        self._transport = cast("asyncio.Transport", encrypted)
        return self

    async def aclose(self) -> None:
        """Hang up at once: whatever was not sent or read is of no use any more."""
        self._transport.abort()

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection; `is_readable` between requests: the server hung up."""
        if info == "is_readable":
            return self._is_ended or bool(self._received)
        return self._transport.get_extra_info(info)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Asyncio's call."""
        self._received += data
        if len(self._received) > _PAUSE_READING_BYTES:
            self._transport.pause_reading()
        self._tell()

    def eof_received(self) -> None:
        """Asyncio's call; the transport then closes by itself."""
        self._is_ended = True
        self._tell()

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's call."""
        self._is_ended, self._error = True, exc
        self._tell()

    def pause_writing(self) -> None:
        """Asyncio's call."""
        self._may_write = False

    def resume_writing(self) -> None:
        """Asyncio's call."""
        self._may_write = True
        self._tell()

    async def _change(self, timeout: float | None, too_late: type[httpcore.TimeoutException]) -> None:
        """Wait for asyncio's next call."""
        self._changed = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout):
                await self._changed
        except TimeoutError as error:
            raise too_late(str(error)) from error

    def _tell(self) -> None:
        if self._changed is not None and not self._changed.done():
            self._changed.set_result(None)
