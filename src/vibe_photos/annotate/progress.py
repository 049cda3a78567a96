"""How far a run is, for the person who watches it."""

import logging
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TextIO

from vibe_photos.settings import Rates
from vibe_photos.terminal import escape_control_characters

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Progress:
    """Counts of a run over `total` photos, shown on one redrawn line of a terminal, else as a log line.

    The line reads `annotate done=1200 failed=3 of=3000 rate=15.2/s left=118s tokens=1523004`; what the run
    waits for, if anything, comes before the counts.
    """

    total: int
    describe_server: Callable[[], str] = lambda: ""
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0
    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def tokens(self) -> int:
        """All tokens of prompts and replies, as far as the server reports them."""
        return self.prompt_tokens + self.completion_tokens

    def count_tokens(self, usage: Mapping[str, int]) -> None:
        """Count the tokens of one reply."""
        self.prompt_tokens += usage.get("prompt_tokens", 0)
        self.completion_tokens += usage.get("completion_tokens", 0)

    def describe_run(self, rates: Rates) -> str:
        """Return what the run took: requests, tokens, time, and what these cost."""
        seconds = round(time.monotonic() - self._started)
        price = rates.price(self.prompt_tokens, self.completion_tokens, seconds / 3600)
        return (
            f"this run: {self.requests} requests, {self.done} answers, {self.failed} failures, "
            f"{self.tokens} tokens in {timedelta(seconds=seconds)} (h:mm:ss), "
            f"{price:.2f} {rates.currency}"
        )

    def show(self) -> None:
        """Show how far the run is."""
        ended = self.done + self.failed
        rate = ended / max(1e-9, time.monotonic() - self._started)
        left_seconds = f"{(self.total - ended) / rate:.0f}s" if rate else "?"
        trouble = escape_control_characters(self.describe_server())
        line = (
            f"annotate {trouble and trouble + ': '}done={self.done} failed={self.failed} of={self.total} "
            f"rate={rate:.1f}/s left={left_seconds} tokens={self.tokens}"
        )
        if self.stream.isatty():  # a line that wraps could not be redrawn
            self.stream.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
            self.stream.flush()
        else:
            logger.info(line)

    def end(self) -> None:
        """Draw the line a last time and go on below it."""
        if self.stream.isatty():
            self.show()
            self.stream.write("\n")
