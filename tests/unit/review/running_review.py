"""The real command in a process of its own, and requests to it byte by byte, with any header forged."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_COMMAND = "import sys; from vibe_photos.cli import main; sys.exit(main())"


@dataclass(frozen=True)
class Reply:
    """One HTTP response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body, which must say that it is JSON."""
        assert self.headers["content-type"] == "application/json", self
        return json.loads(self.body)


class RunningReview:
    """`vibe-photos review` in a folder; `address` is what it printed."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.errors = folder / "stderr.txt"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, "review", "--no-browser", *options],
                cwd=folder,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert self.process.stdout
        self.printed = [self.process.stdout.readline() for _ in range(2)]
        assert self.printed[1].startswith("http://127.0.0.1:"), self.errors.read_text()
        self.address = self.printed[1].strip()
        _, _, host, self.token, _ = self.address.split("/")
        self.port = int(host.partition(":")[2])
        self.origin = f"http://{host}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def get(self, path: str) -> Reply:
        """Ask for a path under the token, as the page does."""
        return self.send("GET", f"/{self.token}/{path}", {"Sec-Fetch-Site": "same-origin"})

    def post(self, path: str, body: object) -> Reply:
        """Send JSON to a path under the token, as the page does."""
        headers = {"Origin": self.origin, "Content-Type": "application/json"}
        return self.send("POST", f"/{self.token}/{path}", headers, json.dumps(body).encode())

    def send(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: bytes = b"",
        host: str | None = None,
    ) -> Reply:
        """Send one request on a connection of its own; `host` replaces the right `Host`."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {f'127.0.0.1:{self.port}' if host is None else host}"]
        lines += [f"{name}: {value}" for name, value in given]
        if body and "transfer-encoding" not in {name.lower() for name, _ in given}:
            lines.append(f"Content-Length: {len(body)}")
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
        return self.send_bytes(head + body)

    def send_bytes(self, data: bytes) -> Reply:
        """Send bytes and return what comes back before the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            # It may have refused already, without reading to the end.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(data)
            return _parse(_read_all(connection))

    def kill(self) -> None:
        """End the process as a power cut would."""
        self.process.kill()
        self._wait()

    def interrupt(self, number: int = signal.SIGINT) -> tuple[int, str]:
        """Press Ctrl-C, or send another signal; return the exit status and the rest of what was printed."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=30)
        return self.process.returncode, rest

    def _wait(self) -> None:
        self.process.wait(timeout=30)
        if self.process.stdout:
            self.process.stdout.close()


def _read_all(connection: socket.socket) -> bytes:
    parts = []
    # Closed with bytes of ours unread: what it said has come before.
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


def _parse(data: bytes) -> Reply:
    head, _, body = data.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Reply(int(status_line.split()[1]), headers, body)
