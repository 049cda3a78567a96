"""What people see on a terminal: output, log lines and errors, without control characters.

Servers, models, file names and other people's files can hold sequences that move the cursor or hide text.
"""

import io
import logging
import os
import re
import select
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from vibe_photos.errors import VibePhotosError

_log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


_CLEAR_LINE = "\r\x1b[K"
"""Removes what is drawn on the line, a progress line for example."""

_READER_LEFT = 141
"""The exit status of a program that was ended by SIGPIPE, for example in `... | head`."""


def run_command(command: Callable[[], None]) -> int:
    """Run a command that prints, and return its exit status; an expected error is printed to stderr."""
    log_to_terminal()
    if sys.stdout.isatty() and isinstance(sys.stdout, io.TextIOWrapper):
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = _VisibleText(sys.stdout.detach(), encoding, errors, line_buffering=True)
    try:
        try:
            command()
        finally:
            sys.stdout.flush()
    except VibePhotosError as error:
        show_error(error)
        return 1
    except BrokenPipeError:
        if not _has_reader_left():
            raise
        # Python flushes stdout again at exit, which would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _READER_LEFT
    return 0


def escape_control_characters(text: str) -> str:
    r"""Return a text with control characters spelled out (`\x1b`); tabs and line ends stay."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


_current = threading.local()


@contextmanager
def name_file(path: bytes | Path) -> Iterator[None]:
    """Let the warnings that a library gives in this block and thread name the file that is read."""
    _current.file = os.fsdecode(path)
    try:
        yield
    finally:
        _current.file = ""


def log_to_terminal() -> None:
    """Send log lines to stderr: the message only, no time or level; a library's warning names its file."""
    show_elsewhere = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if name := getattr(_current, "file", ""):
            _log.warning("%s: %s", name, message)
        else:
            show_elsewhere(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    warnings.filterwarnings("always", module="PIL")  # for every photo, not only for the first
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def show_error(error: Exception) -> None:
    """Write an error's message to stderr."""
    print(f"error: {escape_control_characters(str(error))}", file=sys.stderr)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        start = _CLEAR_LINE if sys.stderr.isatty() else ""
        return start + escape_control_characters(super().format(record))


class _VisibleText(io.TextIOWrapper):
    def write(self, text: str) -> int:
        super().write(escape_control_characters(text))
        return len(text)


def _has_reader_left() -> bool:
    """Return whether stdout is a pipe without a reader."""
    poll = select.poll()
    poll.register(sys.stdout, 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))
