"""The replay server as a process: from the command line, or started by a run, with which it ends.

Recorded answers over real HTTP on loopback: a teacher that needs no GPU, for the demo and rehearsals.
"""

import argparse
import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.errors import ConfigurationError, InputError, TeacherUnreachable, VibePhotosError
from vibe_photos.settings import Replay

if TYPE_CHECKING:
    import uvicorn

_BACKLOG = 1024


@contextmanager
def start_replay_server(replay: Replay) -> Iterator[Endpoint]:
    """Start a replay server on a free port of loopback; it ends with the context or with this process.

    Raises:
        InputError: the configured file of recordings does not exist.
        TeacherUnreachable: it did not start (its own message is on stderr).
    """
    if not Path(replay.recordings).is_file():
        raise InputError(f"{replay.recordings} (teacher.replay.recordings) does not exist")
    command = [sys.executable, "-m", "vibe_photos.annotate.replay.server", "--until-stdin-closes"]
    for name, value in msgspec.to_builtins(replay).items():
        command += [f"--{name.replace('_', '-')}", str(value)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        assert server.stdout is not None
        try:
            _, _, base_url = server.stdout.readline().decode().strip().partition("QWEN_BASE_URL=")
            if not base_url:
                raise TeacherUnreachable("the replay server did not start; its own message is above")
            yield Endpoint(base_url)
        finally:
            server.kill()  # it has nothing to save


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the replay server's command line."""
    parser.add_argument("--recordings", required=True, help="JSONL of raw annotations to answer from")
    parser.add_argument("--port", type=int, default=0, help="port on loopback (default: a free one)")
    parser.add_argument("--latency-seconds", type=float, default=0.0, help="how long each answer takes")
    for fault in ("error", "rate-limit", "malformed", "stall"):
        parser.add_argument(f"--{fault}-share", type=float, default=0.0, help="share of requests, 0 to 1")
    parser.add_argument("--retry-after-seconds", type=int, default=1, help="Retry-After of a rate limit")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random faults")
    parser.add_argument("--until-stdin-closes", action="store_true", help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace) -> None:
    """Serve until interrupted; print the `export QWEN_BASE_URL=...` line for the annotate stage.

    Raises:
        InputError: the recordings cannot be read.
        ConfigurationError: an option is out of range.
    """
    options = {name: value for name, value in vars(arguments).items() if name in Replay.__struct_fields__}
    try:
        replay = msgspec.convert(options, Replay)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"replay server: {error}") from None
    _serve(replay, arguments.port, until_stdin_closes=arguments.until_stdin_closes)


def _serve(replay: Replay, port: int, *, until_stdin_closes: bool) -> None:
    import uvicorn  # imported here: every --help imports this module

    from vibe_photos.annotate.replay.app import ReplayServer

    config = uvicorn.Config(
        ReplayServer(replay).make_app(),
        backlog=_BACKLOG,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        timeout_graceful_shutdown=0,
    )
    server = uvicorn.Server(config)
    with (
        suppress(KeyboardInterrupt),
        socket.create_server(("127.0.0.1", port), backlog=_BACKLOG) as listener,
    ):
        print(f"export QWEN_BASE_URL=http://127.0.0.1:{listener.getsockname()[1]}/v1", flush=True)
        if until_stdin_closes:
            threading.Thread(target=_stop_at_end_of_stdin, args=(server,), daemon=True).start()
        asyncio.run(server.serve(sockets=[listener]))


def _stop_at_end_of_stdin(server: "uvicorn.Server") -> None:
    """Wait until the process at the other end of stdin has ended, then stop the server."""
    while os.read(0, 1024):
        pass
    server.should_exit = server.force_exit = True


def main(argv: Sequence[str] | None = None) -> int:
    """Run the replay server's command line; return its exit status."""
    parser = argparse.ArgumentParser(
        "replay_server", description="Answer from recorded annotations, over HTTP."
    )
    add_arguments(parser)
    try:
        run(parser.parse_args(argv))
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
