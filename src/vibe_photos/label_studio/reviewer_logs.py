"""The logs of reviewers, to which decisions made elsewhere are added once, each at its own time."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.human_truth.said import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.storage.append_log import AppendLog
from vibe_photos.storage.jsonl import read_jsonl


def append_lines(human: Path, lines: Mapping[str, list[Decision]]) -> list[Path]:
    """Append the lines to the reviewers' logs; return these. On the disk when this returns.

    Raises:
        StoreError: a log is held by a review page that is open, or cannot be written.
    """
    for reviewer, new in lines.items():
        with AppendLog(log_path(human, reviewer)) as log:
            for line in new:
                log.append(msgspec.json.encode(line))
            log.sync()
    return [log_path(human, reviewer) for reviewer in lines]


def log_path(human: Path, reviewer: str) -> Path:
    """Return where a reviewer's log is."""
    return human / DECISIONS_FOLDER / f"{reviewer}.jsonl"


class ReviewerLog:
    """One reviewer's lines, to which new ones are added at times of their own."""

    def __init__(self, path: Path) -> None:
        self.lines = {line.decided_at: line for line in read_jsonl(path, Decision)} if path.exists() else {}
        self.new: list[Decision] = []

    def add(self, line: Decision) -> bool:
        """Add a line unless it is there; a time that another line has moves on by a microsecond."""
        time = datetime.fromisoformat(line.decided_at)
        while (known := self.lines.get(write_time(time))) is not None:
            if _content(known) == _content(line):
                return False
            time += timedelta(microseconds=1)
        line = msgspec.structs.replace(line, decided_at=write_time(time))
        self.lines[line.decided_at] = line
        self.new.append(line)
        return True


def _content(line: Decision) -> tuple[object, ...]:
    return line.image_id, line.kind, line.after


def write_time(time: datetime) -> str:
    """Return a time as the logs have it; one without a zone is taken as UTC."""
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
