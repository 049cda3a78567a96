"""All reviewers' decisions, and the log of the current reviewer, to which decisions are appended.

A decision is on disk before the page gets a reply: first in the machine-local store, then in the log in
`data/human/`. Git may replace that log at any moment. So after each write the path is checked, and if it is
now another file, the lines are written to that one too. The other files are read again whenever they change,
so a `git pull` counts immediately.
"""

import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.errors import StoreError
from vibe_photos.human_truth.backup import backup_log
from vibe_photos.human_truth.labels import DECISIONS_FOLDER, NO_EARLIER_IDS
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.decision_index import (
    DecisionIndex,
    FileFingerprints,
    PhotoState,
    fingerprint_files,
    format_time,
    truth_value,
)
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog

_MOST_REPLACEMENTS = 20
"""How often a log may be replaced while one decision is written, before it is an error."""


def log_path(human: Path, reviewer: str) -> Path:
    """Return where a reviewer's log is."""
    return human / DECISIONS_FOLDER / f"{reviewer}.jsonl"


def append_lines(human: Path, store: Path, lines: Mapping[str, Sequence[Decision]]) -> list[Path]:
    """Append lines to the reviewers' logs, first to their backups in the store; return the logs.

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


class DecisionLog:
    """All reviewers' decisions, and the current reviewer's log. Safe to use from several threads.

    `revision` grows whenever any photo's state may have changed. `current_ids` is as in `read_human_truth`.

    Raises:
        StoreError: another server holds the reviewer's log, or it cannot be opened.
        InputError: a log or the audited file is damaged.
    """

    def __init__(
        self,
        human: Path,
        reviewer: str,
        taxonomy: Taxonomy,
        store: Path,
        current_ids: Mapping[str, str] = NO_EARLIER_IDS,
    ) -> None:
        self.reviewer = reviewer
        self.revision = 0
        self._fingerprints: FileFingerprints = {}
        self._human = human
        self._taxonomy = taxonomy
        self._current_ids = current_ids
        self._lock = threading.RLock()
        self._path = log_path(human, reviewer)
        self._log = AppendLog(self._path)
        try:
            self._backup = AppendLog(backup_log(store, reviewer))
            self._load()
        except BaseException:
            self.close()
            raise

    def refresh(self) -> None:
        """Read everything again if a file has changed.

        Raises:
            InputError: the changed file is damaged; the state is kept.
        """
        with self._lock:
            if fingerprint_files(self._human) != self._fingerprints:
                if not self._log.is_in_place():
                    self._log.close()
                    self._log = AppendLog(self._path)
                self._load()

    def state(self, image_id: str) -> PhotoState:
        """Return a photo's state."""
        return self._index.state(image_id)

    def states(self) -> dict[str, PhotoState]:
        """Return the states of all photos in a log or in the audited file."""
        with self._lock:
            return dict(self._index.states)

    def own_lines(self) -> list[Decision]:
        """Return this reviewer's lines that were not undone, oldest first."""
        with self._lock:
            return self._index.active_lines_of(self.reviewer)

    def record(self, lines: Sequence[Decision], versions: Sequence[int | None]) -> list[str]:
        """Write the lines whose photo still has the given version; return the ids of the others.

        Each photo is given once; a version of None matches any. `decided_at` and `before` are filled in here.
        When this returns, the lines are on disk.

        Raises:
            StoreError: the disk is full or fails.
        """
        with self._lock:
            self.refresh()
            stale: list[str] = []
            dated: list[Decision] = []
            for line, version in zip(lines, versions, strict=True):
                if version in (None, self.state(line.image_id).version):
                    dated.append(self._fill_in(line, dated))
                else:
                    stale.append(line.image_id)
            self._append(dated)
            return stale

    def undo(self) -> list[Decision]:
        """Undo this reviewer's last active line, and all others of the same action; return them.

        Raises:
            StoreError: the disk is full or fails.
        """
        with self._lock:
            self.refresh()
            own = self.own_lines()
            last = own[-1:]
            if last and last[0].action:
                last = [line for line in own if line.action == last[0].action]
            undoing: list[Decision] = []
            for line in last:
                left = truth_value(self._index.judge(line.image_id, without=line).truth)
                undo = Decision(
                    image_id=line.image_id,
                    decided_at="",
                    purpose=line.purpose,
                    after=left,
                    undoes=line.decided_at,
                )
                undoing.append(self._fill_in(undo, undoing))
            self._append(undoing)
            return last

    def close(self) -> None:
        """Close the logs."""
        self._log.close()
        if hasattr(self, "_backup"):  # it is missing if it could not be opened
            self._backup.close()

    def _fill_in(self, line: Decision, earlier: Sequence[Decision] = ()) -> Decision:
        """Fill in `before`, and a time later than that of every known line."""
        latest = datetime.fromisoformat(earlier[-1].decided_at) if earlier else self._index.latest
        time = max(datetime.now(UTC), latest + timedelta(microseconds=1))
        before = truth_value(self.state(line.image_id).truth)
        return msgspec.structs.replace(line, decided_at=format_time(time), before=before)

    def _append(self, lines: Sequence[Decision]) -> None:
        if not lines:
            return
        encoded = [msgspec.json.encode(line) for line in lines]
        self._backup = self._append_to(self._backup, encoded)
        for _ in range(_MOST_REPLACEMENTS):
            self._log = self._append_to(self._log, encoded)
            if self._log.is_in_place():
                break
        else:
            raise StoreError(
                f"{self._path} was replaced again and again while a decision was written; try again"
            )
        now = fingerprint_files(self._human)
        only_our_log_changed = now == self._fingerprints | {self._path: now.get(self._path)}
        if only_our_log_changed and self._has_grown(now, sum(len(line) + 1 for line in encoded)):
            self._index.add(self._path, lines)
            self._fingerprints = now
            self.revision += 1
        else:  # others have changed the files too
            self._load()

    def _has_grown(self, fingerprints: FileFingerprints, added_bytes: int) -> bool:
        """Return whether our log is still the same file, longer by just our lines."""
        before, now = self._fingerprints.get(self._path), fingerprints.get(self._path)
        return before is not None and now is not None and (before[0], before[1] + added_bytes) == now[:2]

    def _append_to(self, log: AppendLog, encoded: Sequence[bytes]) -> AppendLog:
        """Append and sync; first reopen a log that failed (full disk) or was replaced."""
        if log.is_broken or not log.is_in_place():
            log.close()
            log = AppendLog(log.path)
        try:
            for line in encoded:
                log.append(line)
            log.sync()
        except StoreError:
            log.close()  # its lock would keep out the next attempt, which opens the log again
            raise
        return log

    def _load(self) -> None:
        fingerprints = fingerprint_files(self._human)
        self._index = DecisionIndex(self._human, self._taxonomy, current_ids=self._current_ids)
        self._fingerprints = fingerprints
        self.revision += 1
