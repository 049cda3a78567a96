"""All reviewers' logs and the file that people edit, read into what counts of each photo."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.human_truth.said import AUDITED_FILE, CHECKED, DECISIONS_FOLDER, standing_lines
from vibe_photos.records.ground_truth import Decision, GroundTruth, fit_keys, parse_truth, read_truth_file
from vibe_photos.review.photo_state import PhotoState, StandingLine, judge_photo
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import read_jsonl

Signature = dict[Path, tuple[int, int, int]]

_UNTOUCHED = PhotoState()
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class Ledger:
    """What the files in `data/human/` say; grows by the lines that are added.

    Attributes:
        states: the state of each photo that anybody decided, skipped or wrote into the file.
        latest: the time of the latest line of all.

    Raises:
        InputError: a log or the edited file is damaged, or has a label key that fits nowhere.
    """

    def __init__(self, human: Path, taxonomy: Taxonomy) -> None:
        self._taxonomy = taxonomy
        self._edited = _read_edited(human / AUDITED_FILE, taxonomy)
        self._logs: dict[str, list[Decision]] = defaultdict(list)
        self._lines: dict[str, list[StandingLine]] = defaultdict(list)
        self._undone: set[tuple[str, str | None]] = set()
        self.latest = _BEGINNING
        for log in sorted((human / DECISIONS_FOLDER).glob("*.jsonl")):
            self._take(log, read_jsonl(log, Decision))
        touched = {*self._edited, *self._lines}
        self.states = {image_id: self.judge(image_id) for image_id in touched}

    def add(self, log: Path, lines: Sequence[Decision]) -> None:
        """Take in lines that were appended to a log."""
        self._take(log, lines)
        for line in lines:
            self.states[line.image_id] = self.judge(line.image_id)

    def state(self, image_id: str) -> PhotoState:
        """Return what is known of a photo."""
        return self.states.get(image_id, _UNTOUCHED)

    def standing_lines_of(self, reviewer: str) -> list[Decision]:
        """Return a reviewer's lines that were not taken back, oldest first."""
        return sorted(standing_lines(self._logs[reviewer]), key=lambda line: line.decided_at)

    def judge(self, image_id: str, without: Decision | None = None) -> PhotoState:
        """Return a photo's state, or what it would be without one of its lines."""
        lines = self._lines.get(image_id, [])
        standing = [
            line
            for line in lines
            if line.line.undoes is None
            and line.line is not without
            and (line.reviewer, line.line.decided_at) not in self._undone
        ]
        standing.sort(key=lambda line: line.line.decided_at)
        return judge_photo(self._edited.get(image_id), standing, len(lines))

    def _take(self, log: Path, lines: Iterable[Decision]) -> None:
        taken = list(lines)
        truths = self._read_truths(log, taken)
        for line, truth in zip(taken, truths, strict=True):
            self.latest = max(self.latest, _read_time(line, log))
            self._logs[log.stem].append(line)
            self._lines[line.image_id].append(StandingLine(log.stem, line, truth))
            if line.undoes is not None:
                self._undone.add((log.stem, line.undoes))

    def _read_truths(self, log: Path, lines: Sequence[Decision]) -> list[GroundTruth | None]:
        """Return each line's truth, None where it decides none; all are fitted to the taxonomy at once."""
        records = [
            None
            if line.after is None or line.undoes is not None
            else parse_truth({**line.after, "image_id": line.image_id}, str(log))
            for line in lines
        ]
        fitted = iter(fit_keys([record for record in records if record], self._taxonomy, log))
        return [record and next(fitted) for record in records]


def sign_files(human: Path) -> Signature:
    """Return what tells each file from an earlier one of that name: inode, size and time of change."""
    signature = {}
    for path in (*(human / DECISIONS_FOLDER).glob("*.jsonl"), human / AUDITED_FILE):
        if path.exists():
            status = path.stat()
            signature[path] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return signature


def _read_edited(file: Path, taxonomy: Taxonomy) -> dict[str, GroundTruth]:
    records = read_truth_file(file) if file.exists() else []
    checked = [record for record in records if record.extra.get(CHECKED, True)]
    return {record.image_id: record for record in fit_keys(checked, taxonomy, file)}


def _read_time(line: Decision, log: Path) -> datetime:
    try:
        return datetime.fromisoformat(line.decided_at).astimezone(UTC)
    except ValueError:
        raise InputError(
            f"{log}: photo {line.image_id}: decided_at is {line.decided_at!r}, not a time such as "
            "2026-01-31T12:00:00.000000Z"
        ) from None
