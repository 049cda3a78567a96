"""The state of every photo, from all logs and the audited file (`AUDITED_FILE`); and truths as text."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import (
    AUDITED_FILE,
    DECISIONS_FOLDER,
    NO_EARLIER_IDS,
    LogLine,
    active_lines,
    combine_truths,
    find_valid_decisions,
    rename_checked,
)
from vibe_photos.records.ground_truth import (
    Decision,
    GroundTruth,
    KeyFitter,
    describe_unfit,
    parse_truth,
    read_placed_truth,
)
from vibe_photos.review.record_file import fingerprint
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import read_numbered_records

FileFingerprints = dict[Path, tuple[int, ...]]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class PhotoState:
    """The current state of one photo.

    Attributes:
        version: how many lines of all logs are about it; grows with every decision, skip and undo.
        truth: the true labels; None if nobody audited the photo.
        decided_by: the reviewer who decided; None if the truth is from the audited file.
        measures: whether the truth measures; otherwise it teaches.
        is_unassisted: whether the teacher's and the student's labels were hidden for this decision.
        is_flagged: whether the last active line flags it.
        note: the note of that line.
        skipped_at: when it was skipped; None if it does not wait at the end of the queue.
        conflicting_decisions: the latest decision of each reviewer, if any two differ; else empty.
    """

    version: int = 0
    truth: GroundTruth | None = None
    decided_by: str | None = None
    measures: bool = False
    is_unassisted: bool = False
    is_flagged: bool = False
    note: str = ""
    skipped_at: str | None = None
    conflicting_decisions: tuple[LogLine, ...] = ()


_NO_DECISION = PhotoState()


class DecisionIndex:
    """The photos' states by the files in `data/human/`; lines can be added.

    An unknown key in a line that counts is an error; without `is_strict` (for imports) the key is dropped. A
    line that was undone or overridden may have any key. `current_ids` is as in `read_human_truth`.

    Attributes:
        states: the state of each photo in a log or in the audited file.
        latest: the time of the latest line.

    Raises:
        InputError: a log or the audited file is damaged, or has an unknown label key in what counts.
    """

    def __init__(
        self,
        human: Path,
        taxonomy: Taxonomy,
        is_strict: bool = True,
        current_ids: Mapping[str, str] = NO_EARLIER_IDS,
    ) -> None:
        self._current_ids = current_ids
        self._taxonomy = taxonomy
        self._is_strict = is_strict
        self._fitter = KeyFitter(taxonomy)
        # Sentences about unknown keys, by photo, log (None: the audited file) and time.
        self._unfit: dict[tuple[str, str | None, str], str] = {}
        self._audited = self._read_audited(human / AUDITED_FILE)
        self._logs: dict[str, list[Decision]] = defaultdict(list)
        self._lines: dict[str, list[LogLine]] = defaultdict(list)
        self._undone: set[tuple[str, str | None]] = set()
        self.latest = _EPOCH
        for log in sorted((human / DECISIONS_FOLDER).glob("*.jsonl")):
            self._add_lines(log, read_numbered_records(log, Decision))
        touched = {*self._audited, *self._lines}
        self.states = {image_id: self.judge(image_id) for image_id in touched}
        self._fitter.log_changes(human)

    def add(self, log: Path, lines: Sequence[Decision]) -> None:
        """Add lines that were appended to a log."""
        known = len(self._logs[log.stem])
        self._add_lines(log, enumerate(lines, start=known + 1))
        for line in lines:
            self.states[line.image_id] = self.judge(line.image_id)

    def state(self, image_id: str) -> PhotoState:
        """Return a photo's state."""
        return self.states.get(image_id, _NO_DECISION)

    def active_lines_of(self, reviewer: str) -> list[Decision]:
        """Return a reviewer's lines that were not undone, oldest first."""
        return sorted(active_lines(self._logs[reviewer]), key=lambda line: line.decided_at)

    def judge(self, image_id: str, without: Decision | None = None) -> PhotoState:
        """Return a photo's state, or what it would be without one of its lines.

        Raises:
            InputError: what would count has an unknown label key.
        """
        all_lines = self._lines.get(image_id, [])
        lines = [
            line
            for line in all_lines
            if line.line.undoes is None
            and line.line is not without
            and (line.reviewer, line.line.decided_at) not in self._undone
        ]
        lines.sort(key=lambda line: line.line.decided_at)
        decided = [line for line in lines if line.line.kind == "decision"]
        moves = [line.line for line in lines if line.line.kind != "remark"]
        last, audited = decided[-1] if decided else None, self._audited.get(image_id)
        valid = find_valid_decisions(decided)
        truth: GroundTruth | None = last.truth if last else audited
        sources: list[tuple[str | None, str]] = [(None, "")]  # the audited file
        if last and last.truth:
            # The newest decision, and earlier ones for what it leaves open: so many are used.
            truth, used = combine_truths(one.truth for one in reversed(valid) if one.truth)
            sources = [(one.reviewer, one.line.decided_at) for one in valid[-used:]]
        if truth and self._is_strict:
            for reviewer, time in sources:
                if unfit := self._unfit.get((image_id, reviewer, time)):
                    raise InputError(unfit)
        is_waiting = truth is None and bool(moves) and moves[-1].kind == "skip"
        return PhotoState(
            version=len(all_lines),
            truth=truth,
            decided_by=last.reviewer if last else None,
            measures=audited is not None
            or any(one.line.purpose == "measure" and one.truth for one in decided),
            is_unassisted=last is not None and last.line.unassisted,
            is_flagged=bool(lines) and lines[-1].line.is_flagged,
            note=lines[-1].line.note if lines else "",
            skipped_at=moves[-1].decided_at if is_waiting else None,
            conflicting_decisions=_find_disagreement(valid),
        )

    def _add_lines(self, log: Path, lines: Iterable[tuple[int, Decision]]) -> None:
        for number, written in lines:
            image_id = self._current_ids.get(written.image_id, written.image_id)
            line = msgspec.structs.replace(written, image_id=image_id)
            truth, place = None, f"{log}, line {number}"
            if line.after is not None and line.undoes is None:
                said = parse_truth({**line.after, "image_id": line.image_id}, place)
                truth = self._fit(said, place, log.stem, line.decided_at)
            self.latest = max(self.latest, _read_time(line, log))
            self._logs[log.stem].append(line)
            self._lines[line.image_id].append(LogLine(log.stem, line, place, truth))
            if line.undoes is not None:
                self._undone.add((log.stem, line.undoes))

    def _read_audited(self, file: Path) -> dict[str, GroundTruth]:
        placed = read_placed_truth(file) if file.exists() else []
        return {
            record.image_id: self._fit(record, place, None, "")
            for place, record in rename_checked(placed, self._current_ids)
        }

    def _fit(self, record: GroundTruth, place: str, log: str | None, time: str) -> GroundTruth:
        """Return a record with current keys; unknown ones are dropped and remembered."""
        fitted, unknown = self._fitter.fit(record)
        if unknown:
            sentence = describe_unfit(unknown[0], record.image_id, place, self._taxonomy)
            self._unfit[record.image_id, log, time] = sentence
        return fitted


def fingerprint_files(human: Path) -> FileFingerprints:
    """Return the fingerprint of each file that is there, to notice changes."""
    paths = (*(human / DECISIONS_FOLDER).glob("*.jsonl"), human / AUDITED_FILE)
    return {path: found for path in paths if (found := fingerprint(path))}


def truth_value(record: GroundTruth | None) -> dict[str, Any] | None:
    """Return a truth in the form of a log: without the id, with extra fields."""
    if record is None:
        return None
    labels = {"scene": record.scene, "attributes": record.attributes, "objects": record.objects}
    return {**labels, **record.extra}


def format_time(time: datetime) -> str:
    """Return a time in the format of the logs; without a time zone it is taken as UTC.

    Unlike `isoformat` it always has six decimals: text order must be time order.
    """
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def describe_difference(was: GroundTruth | None, is_now: GroundTruth | None) -> str:
    """Return the difference between two truths as one line; empty if they are the same."""
    if was is None:
        return "" if is_now is None else f"new: {describe_labels(is_now)}"
    old, new = _list_labels(was), _list_labels(is_now)
    gone = [f"-{label}" for label in old if label not in new]
    return " ".join([*gone, *(f"+{label}" for label in new if label not in old)])


def describe_labels(record: GroundTruth | None) -> str:
    """Return a truth as one line of label keys."""
    return " ".join(_list_labels(record)) or "(no label)"


def _list_labels(record: GroundTruth | None) -> list[str]:
    if record is None:
        return []
    judged = [f"{key}={'yes' if value else 'no'}" for key, value in sorted(record.attributes.items())]
    objects = ["objects=none"] if record.objects == [] else sorted(record.objects or [])
    return [*record.scene, *judged, *objects]


def _find_disagreement(valid: Sequence[LogLine]) -> tuple[LogLine, ...]:
    pairs = combinations((one.truth for one in valid if one.truth), 2)
    return tuple(valid) if any(_differ(*pair) for pair in pairs) else ()


def _differ(one: GroundTruth, other: GroundTruth) -> bool:
    """Return whether two truths contradict each other: only what both judged is compared."""
    judged = one.attributes.keys() & other.attributes.keys()
    return (
        bool(one.scene and other.scene and one.scene != other.scene)
        or (one.objects is not None and other.objects is not None and set(one.objects) != set(other.objects))
        or any(one.attributes[key] != other.attributes[key] for key in judged)
    )


def _read_time(line: Decision, log: Path) -> datetime:
    try:
        return datetime.fromisoformat(line.decided_at).astimezone(UTC)
    except ValueError:
        raise InputError(
            f"{log}: photo {line.image_id}: decided_at is {line.decided_at!r}, not a time such as "
            "2026-01-31T12:00:00.000000Z"
        ) from None
