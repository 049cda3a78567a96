"""What people see on a terminal: log lines and errors, without control characters.

Servers, models, file names and other people's files can hold sequences that move the cursor or hide text.
"""

import logging
import re
import sys

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def escape_control_characters(text: str) -> str:
    r"""Return a text with control characters spelled out (`\x1b`); tabs and line ends stay."""
    return _CONTROL.sub(lambda match: ascii(match[0])[1:-1], text)


def log_to_terminal() -> None:
    """Send log lines to stderr: the message only, no time or level."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_VisibleFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def show_error(error: Exception) -> None:
    """Write an error's message to stderr."""
    print(f"error: {escape_control_characters(str(error))}", file=sys.stderr)


class _VisibleFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return escape_control_characters(super().format(record))
