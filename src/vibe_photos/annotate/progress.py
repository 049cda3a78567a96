"""How far a run is: one line that is redrawn on a terminal, a parseable line now and then elsewhere."""

import logging
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TextIO

from vibe_photos.settings import Rates

logger = logging.getLogger(__name__)

TERMINAL_SECONDS = 0.5
LOG_SECONDS = 30.0


@dataclass(slots=True)
class Progress:
    """Counts of a run over `total` photos, and how they are shown.

    Elsewhere than on a terminal a line reads
    `annotate done=1200 failed=3 of=3000 rate=15.2/s left=118s tokens=1523004`.
    """

    total: int
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    done: int = 0
    failed: int = 0
    requests: int = 0
    tokens: int = 0
    _started: float = field(default_factory=time.monotonic)

    @property
    def interval_seconds(self) -> float:
        """How often to call `show`."""
        return TERMINAL_SECONDS if self.stream.isatty() else LOG_SECONDS

    @property
    def rate(self) -> float:
        """Photos a second since the start, failed ones too."""
        return (self.done + self.failed) / max(1e-9, time.monotonic() - self._started)

    def describe_run(self, rates: Rates) -> str:
        """Return what the run took: requests, tokens, time, and the cost of that time."""
        seconds = round(time.monotonic() - self._started)
        return (
            f"this run: {self.requests} requests, {self.done} answers, {self.failed} failures, "
            f"{self.tokens} tokens in {timedelta(seconds=seconds)} (h:mm:ss), "
            f"{seconds / 3600 * rates.price_per_hour:.2f} {rates.currency}"
        )

    def show(self) -> None:
        """Show where the run is."""
        left = self.total - self.done - self.failed
        left_seconds = f"{left / self.rate:.0f}s" if self.rate else "?"
        line = (
            f"annotate done={self.done} failed={self.failed} of={self.total} rate={self.rate:.1f}/s "
            f"left={left_seconds} tokens={self.tokens}"
        )
        if self.stream.isatty():
            self.stream.write(f"\r{line}\x1b[K")
            self.stream.flush()
        else:
            logger.info(line)

    def end(self) -> None:
        """Leave the redrawn line standing."""
        if self.stream.isatty():
            self.show()
            self.stream.write("\n")
