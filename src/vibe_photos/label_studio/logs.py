"""The logs of reviewers: decisions made elsewhere are compared with them, then added once."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.human_truth.backup import backup_log
from vibe_photos.human_truth.labels import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.ledger import Ledger
from vibe_photos.review.photo_state import write_time
from vibe_photos.review.truth_difference import describe_difference, describe_labels
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog
from vibe_photos.storage.jsonl import read_jsonl

KEPT = "label_studio"
"""The field of a decision's truth that holds the annotation as it came."""


def append_lines(human: Path, lines: Mapping[str, list[Decision]], store: Path) -> list[Path]:
    """Append the lines to the reviewers' logs and to the store's copies; return the logs.

    The lines are on the disk when this returns.

    Raises:
        StoreError: a log is held by a review page that is open, or cannot be written.
    """
    for reviewer, new in lines.items():
        for path in (backup_log(store, reviewer), log_path(human, reviewer)):
            with AppendLog(path) as log:
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
            if _is_same(known, line):
                return False
            time += timedelta(microseconds=1)
        line = msgspec.structs.replace(line, decided_at=write_time(time))
        self.lines[line.decided_at] = line
        self.new.append(line)
        return True


def _is_same(known: Decision, line: Decision) -> bool:
    """Tell whether two lines are of the same annotation, which keys may have been renamed since."""
    if (known.image_id, known.kind) != (line.image_id, line.kind):
        return False
    kept = (known.after or {}).get(KEPT)
    return known.after == line.after or (kept is not None and kept == (line.after or {}).get(KEPT))


@dataclass(frozen=True, slots=True)
class Differences:
    """One line for each photo: whose truth changes, whose stays in spite of a new line, who disagrees."""

    changes: list[str]
    unchanged_by_later: list[str]
    disagreements: list[str]


def find_differences(human: Path, taxonomy: Taxonomy, lines: Mapping[str, list[Decision]]) -> Differences:
    """Compare the audited truth with what it would be with these lines, by reviewer, in the logs.

    Raises:
        InputError: a log or the edited file is damaged.
    """
    ledger = Ledger(human, taxonomy, is_strict=False)
    photos = sorted({line.image_id for new in lines.values() for line in new if line.kind == "decision"})
    before = {image_id: ledger.state(image_id) for image_id in photos}
    for reviewer, new in lines.items():
        ledger.add(log_path(human, reviewer), new)
    changes, later, disagreements = [], [], []
    for image_id in photos:
        state = ledger.state(image_id)
        difference = describe_difference(before[image_id].truth, state.truth)
        if difference:
            changes.append(f"{image_id}: {difference}")
        if state.decided_by not in lines:
            later.append(f"{image_id}: what {state.decided_by} decided later stands")
        if state.opinions:
            said = [f"{opinion.reviewer} says {describe_labels(opinion.truth)}" for opinion in state.opinions]
            disagreements.append(f"{image_id}: {'; '.join(said)}")
    return Differences(changes, later, disagreements)
