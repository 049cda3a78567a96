"""The HTTP server of the review page, for one browser on this machine that knows the page's secret address.

Loopback alone is no protection: any web page in the same browser can send requests to 127.0.0.1, and by DNS
rebinding even under its own host name. So token, host and origin are checked before a request is handled.
"""

import contextlib
import hmac
import logging
import secrets
import signal
import socket
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vibe_photos.errors import ConfigurationError

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data: blob:; style-src 'self'; "
    "script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Sent with every response, refusals included."""

_TOKEN_BYTES = 32
_REFUSED = "This address is not open. `vibe-photos review` prints the one that is.\n"
_KEEP_ALIVE_SECONDS = 75
_END_SECONDS = 2

logger = logging.getLogger(__name__)


class Gate:
    """ASGI middleware that accepts only requests of the page itself, and removes the token from the path.

    It answers 403 unless:

    - `Host` is `127.0.0.1:PORT` or `localhost:PORT`;
    - the path begins with `/TOKEN/`;
    - `Origin` is that of the page; only a GET may lack it;
    - `Sec-Fetch-Site` is missing, `same-origin`, or `none` (a person typed or clicked the address).

    Methods other than GET and POST get 405. One address more, `/TICKET/`, leads to `/TOKEN/START` once. A
    browser is started with that: every user of the machine can read the arguments of a process, and by then
    the address leads nowhere.
    """

    def __init__(self, app: ASGIApp, port: int, start: str = "") -> None:
        self._app = app
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self.token, self.ticket = (secrets.token_urlsafe(_TOKEN_BYTES) for _ in range(2))
        self._start = start
        self._is_ticket_used = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            return
        first, separator, rest = scope["path"].removeprefix("/").partition("/")
        answer: ASGIApp = PlainTextResponse(_REFUSED, HTTPStatus.FORBIDDEN)
        if _is_same(first, self.ticket) and not rest:
            if self._is_ticket_used:
                logger.warning(
                    "the browser's address was used twice: unless you reloaded it, somebody else on this "
                    "machine may have the page open. Ctrl-C, and start again"
                )
            else:
                self._is_ticket_used = True
                answer = RedirectResponse(f"/{self.token}/{self._start}", HTTPStatus.SEE_OTHER)
        elif separator and _is_same(first, self.token) and self._is_from_page(scope):
            scope = {**scope, "path": f"/{rest}", "raw_path": b"", "root_path": ""}
            is_known = scope["method"] in ("GET", "POST")
            answer = self._app if is_known else PlainTextResponse("", HTTPStatus.METHOD_NOT_ALLOWED)
        await answer(scope, receive, _with_headers(send))

    def _is_from_page(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return False
        if (origins or scope["method"] == "POST") and origins != [f"http://{hosts[0]}"]:
            return False
        return all(value in ("same-origin", "none") for value in headers.getlist("sec-fetch-site"))


def _is_same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers


def serve(app: ASGIApp, port: int, on_ready: Callable[[str, str], None], start: str = "") -> None:
    """Serve until interrupted.

    Args:
        app: the application.
        port: on loopback; 0 chooses a free one.
        on_ready: called once a browser can connect, with the page's address and one that leads there once.
        start: where the page begins, under its address.

    Raises:
        ConfigurationError: the port is taken or may not be used.
    """
    import uvicorn

    with contextlib.closing(_listen(port)) as listener:
        chosen = listener.getsockname()[1]
        gate = Gate(app, chosen, start)
        config = uvicorn.Config(
            gate,
            # No access log: it would hold the token.
            access_log=False,
            log_config=None,
            log_level="warning",
            lifespan="off",
            loop="asyncio",
            http="h11",
            ws="none",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_END_SECONDS,
        )
        place = f"http://127.0.0.1:{chosen}"
        on_ready(f"{place}/{gate.token}/{start}", f"{place}/{gate.ticket}/")
        # uvicorn raises again what ended it: so a closed terminal ends as Ctrl-C does, and all is put away.
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigurationError(
            f"--port {port}: {reason}; leave --port out, and a free one is chosen"
        ) from None
    return listener
