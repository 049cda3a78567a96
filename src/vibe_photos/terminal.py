"""What people see on a terminal: log lines and errors, without control characters.

Servers, models, file names and other people's files can hold sequences that move the cursor or hide text.
"""

import logging
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_log = logging.getLogger(__name__)

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


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
        return escape_control_characters(super().format(record))
