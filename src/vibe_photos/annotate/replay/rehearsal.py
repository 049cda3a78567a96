"""A replay server beside a run: started in a process of its own, stopped when the run ends or dies."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vibe_photos.annotate.endpoint import Endpoint
from vibe_photos.errors import InputError, TeacherUnreachable
from vibe_photos.settings import Replay

_STOP_SECONDS = 5.0


@contextmanager
def start_replay_server(replay: Replay) -> Iterator[Endpoint]:
    """Start a replay server on a free port of loopback; it ends with the block or with this process.

    Raises:
        InputError: there are no recordings at the configured place.
        TeacherUnreachable: it did not start (its own message is on stderr).
    """
    if not Path(replay.recordings).is_file():
        raise InputError(f"{replay.recordings} (teacher.replay.recordings) does not exist")
    with subprocess.Popen(
        _command(replay), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            _, _, base_url = server.stdout.readline().decode().strip().partition("QWEN_BASE_URL=")
            if not base_url:
                raise TeacherUnreachable("the replay server did not start; what it said stands above")
            yield Endpoint(base_url)
        finally:
            server.stdin.close()
            try:
                server.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                server.kill()


def _command(replay: Replay) -> list[str]:
    options = msgspec.to_builtins(replay)
    flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return [sys.executable, "-m", "vibe_photos.annotate.replay.server", *flags, "--until-stdin-closes"]
