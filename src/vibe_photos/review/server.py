"""The HTTP server of the review page: a loopback socket, a secret token in the address, a clean shutdown."""

import contextlib
import secrets
import signal
import socket
from collections.abc import Callable

from starlette.types import ASGIApp

from vibe_photos.errors import ConfigurationError
from vibe_photos.review.access import TOKEN_BYTES, Entrance

_KEEP_ALIVE_SECONDS = 75
_END_SECONDS = 2


def serve(
    build: Callable[[str, int], ASGIApp], port: int, on_ready: Callable[[str, str], None], start: str = ""
) -> None:
    """Serve until interrupted.

    Args:
        build: makes the application, given token and port.
        port: on loopback; 0 chooses a free one.
        on_ready: called once a browser can connect, with the page's address and one that leads there once.
        start: where the page begins, under its address.

    Raises:
        ConfigurationError: the port is taken or may not be used.
    """
    import uvicorn

    with contextlib.closing(_listen(port)) as listener:
        chosen, token = listener.getsockname()[1], secrets.token_urlsafe(TOKEN_BYTES)
        app = Entrance(build(token, chosen), token, start)
        config = uvicorn.Config(
            app,
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
        on_ready(f"{place}/{token}/{start}", f"{place}/{app.ticket}/")
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
