"""Compare imported decisions with the reviewers' logs, and append the new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.human_truth.backup import backup_log
from vibe_photos.human_truth.labels import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.decision_index import DecisionIndex
from vibe_photos.review.photo_state import format_time
from vibe_photos.review.truth_difference import describe_difference, describe_labels
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog
from vibe_photos.storage.jsonl import read_jsonl

ORIGINAL = "label_studio"
"""The field of a decision's truth that holds the original annotation."""


def append_lines(human: Path, lines: Mapping[str, list[Decision]], store: Path) -> list[Path]:
    """Append the lines to the reviewers' logs and to their backups; return the logs.

    The lines are on disk when this returns.

    Raises:
        StoreError: an open review page has locked a log, or it cannot be written.
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
    """One reviewer's lines; every added line gets a unique time."""

    def __init__(self, path: Path) -> None:
        self.lines = {line.decided_at: line for line in read_jsonl(path, Decision)} if path.exists() else {}
        self.new: list[Decision] = []

    def add(self, line: Decision) -> bool:
        """Add a line unless it exists; a time that is already used is increased by a microsecond."""
        time = datetime.fromisoformat(line.decided_at)
        while (known := self.lines.get(format_time(time))) is not None:
            if _is_same(known, line):
                return False
            time += timedelta(microseconds=1)
        line = msgspec.structs.replace(line, decided_at=format_time(time))
        self.lines[line.decided_at] = line
        self.new.append(line)
        return True


def _is_same(known: Decision, line: Decision) -> bool:
    """Return whether two lines come from the same annotation, even if keys were renamed since."""
    if (known.image_id, known.kind) != (line.image_id, line.kind):
        return False
    old, new = ((one.after or {}).get(ORIGINAL) for one in (known, line))
    return known.after == line.after or (old is not None and old == new)


@dataclass(frozen=True, slots=True)
class Differences:
    """One line per photo: changed truths, truths kept because a later decision exists, and disagreements."""

    changes: list[str]
    unchanged_by_later: list[str]
    disagreements: list[str]


def find_differences(human: Path, taxonomy: Taxonomy, lines: Mapping[str, list[Decision]]) -> Differences:
    """Compare the current truth with the truth after adding these lines (by reviewer) to the logs.

    Raises:
        InputError: a log or the edited file is damaged.
    """
    index = DecisionIndex(human, taxonomy, is_strict=False)
    photos = sorted({line.image_id for new in lines.values() for line in new if line.kind == "decision"})
    before = {image_id: index.state(image_id) for image_id in photos}
    for reviewer, new in lines.items():
        index.add(log_path(human, reviewer), new)
    changes, later, disagreements = [], [], []
    for image_id in photos:
        state = index.state(image_id)
        difference = describe_difference(before[image_id].truth, state.truth)
        if difference:
            changes.append(f"{image_id}: {difference}")
        if state.decided_by not in lines:
            later.append(f"{image_id}: {state.decided_by} decided later")
        if state.opinions:
            said = [f"{opinion.reviewer} says {describe_labels(opinion.truth)}" for opinion in state.opinions]
            disagreements.append(f"{image_id}: {'; '.join(said)}")
    return Differences(changes, later, disagreements)
