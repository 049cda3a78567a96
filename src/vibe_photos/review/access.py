"""Access control of the review page: only a browser that knows the page's address, on this machine.

Loopback alone is no protection: any web page in the same browser can send requests to 127.0.0.1, and by DNS
rebinding even under its own host name. So token, host and origin are checked before a request is handled.
"""

import hmac
import logging
import secrets
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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

TOKEN_BYTES = 32

_REFUSED = "This address is not open. `vibe-photos review` prints the one that is.\n"


logger = logging.getLogger(__name__)


class Entrance:
    """ASGI middleware with one address more, `/TICKET/`, that leads to `/TOKEN/` once.

    A browser is started with that address: every user of the machine can read the arguments of a process,
    and by then the address leads nowhere.
    """

    def __init__(self, app: ASGIApp, token: str, start: str = "") -> None:
        self._app = app
        self._address = f"/{token}/{start}"
        self._was_used = False
        self.ticket = secrets.token_urlsafe(TOKEN_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Redirect the first to come with the ticket; all else goes on."""
        is_ticket = scope["type"] == "http" and scope["path"] == f"/{self.ticket}/"
        if is_ticket and not self._was_used:
            self._was_used = True
            redirect = RedirectResponse(self._address, HTTPStatus.SEE_OTHER)
            await redirect(scope, receive, _with_headers(send))
            return
        if is_ticket:
            logger.warning(
                "the browser's address was used twice: unless you reloaded it, somebody else on this machine "
                "may have the page open. Ctrl-C, and start again"
            )
        await self._app(scope, receive, send)


class Gate:
    """ASGI middleware that accepts only requests of the page itself, and removes the token from the path.

    It answers 403 unless:

    - `Host` is `127.0.0.1:PORT` or `localhost:PORT`;
    - the path begins with `/TOKEN/`;
    - `Origin` is that of the page; only a GET may lack it;
    - `Sec-Fetch-Site` is missing, `same-origin`, or `none` (a person typed or clicked the address).

    Methods other than GET and POST get 405.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app = app
        self._token = token.encode("ascii")
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        if scope["type"] != "http":
            return
        send = _with_headers(send)
        _, _, path = scope["path"].removeprefix("/").partition("/")
        if not self._is_ours(scope):
            await PlainTextResponse(_REFUSED, HTTPStatus.FORBIDDEN)(scope, receive, send)
        elif scope["method"] not in ("GET", "POST"):
            await PlainTextResponse("", HTTPStatus.METHOD_NOT_ALLOWED)(scope, receive, send)
        else:
            await self._app({**scope, "path": f"/{path}", "raw_path": b"", "root_path": ""}, receive, send)

    def _is_ours(self, scope: Scope) -> bool:
        headers = Headers(scope=scope)
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts or not self._has_token(scope["path"]):
            return False
        if (origins or scope["method"] == "POST") and origins != [f"http://{hosts[0]}"]:
            return False
        return all(value in ("same-origin", "none") for value in headers.getlist("sec-fetch-site"))

    def _has_token(self, path: str) -> bool:
        first, separator, _ = path.removeprefix("/").partition("/")
        is_right = hmac.compare_digest(first.encode("utf-8", "replace"), self._token)
        return is_right and bool(separator)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers
