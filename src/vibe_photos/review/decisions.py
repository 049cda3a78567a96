"""What people decided, and this reviewer's log, to which the next decision is appended.

A decision is on the disk before the page is told that it is recorded: first in the machine-local store, then
in the log in `data/human/`. Git may replace that log at any moment. So after each write the log is looked at
again, and where it is another file now, the lines are written to that one too. The other reviewers' logs and
the file that people edit are read again whenever they change: a `git pull` counts at once.
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.errors import StoreError
from vibe_photos.human_truth.backup import backup_log
from vibe_photos.human_truth.labels import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.ledger import Ledger, Signature, sign_files
from vibe_photos.review.photo_state import PhotoState, truth_value, write_time
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog

_MOST_REPLACEMENTS = 20
"""How often a log may be replaced while one decision is written, before the page says so."""


class DecisionLog:
    """All reviewers' decisions, and the log of the reviewer at the page. Safe to use from several threads.

    `revision` grows whenever any photo's state may have changed.

    Raises:
        StoreError: another server holds the reviewer's log, or it cannot be opened.
        InputError: a log or the edited file is damaged.
    """

    def __init__(self, human: Path, reviewer: str, taxonomy: Taxonomy, store: Path) -> None:
        self.reviewer = reviewer
        self.revision = 0
        self._signature: Signature = {}
        self._human = human
        self._taxonomy = taxonomy
        self._lock = threading.RLock()
        self._path = human / DECISIONS_FOLDER / f"{reviewer}.jsonl"
        self._log = AppendLog(self._path)
        try:
            self._kept = AppendLog(backup_log(store, reviewer))
            self._load()
        except BaseException:
            self.close()
            raise

    def refresh(self) -> None:
        """Read everything again where a file has changed since it was read.

        Raises:
            InputError: what it changed to is damaged; all stays as it was.
        """
        with self._lock:
            if sign_files(self._human) != self._signature:
                if not self._log.is_in_place():
                    self._log.close()
                    self._log = AppendLog(self._path)
                self._load()

    def state(self, image_id: str) -> PhotoState:
        """Return what is known of a photo."""
        return self._ledger.state(image_id)

    def states(self) -> dict[str, PhotoState]:
        """Return the states of all photos that anybody decided, skipped or wrote into the file."""
        with self._lock:
            return dict(self._ledger.states)

    def own_lines(self) -> list[Decision]:
        """Return this reviewer's lines that were not taken back, oldest first."""
        with self._lock:
            return self._ledger.active_lines_of(self.reviewer)

    def record(self, lines: Sequence[Decision], versions: Sequence[int | None]) -> list[str]:
        """Write the lines whose photo still has the version that was seen; return the ids of the others.

        A version of None fits any. `decided_at` and `before` are filled in here. When this returns, the
        lines are on the disk.

        Raises:
            StoreError: the disk is full or fails.
        """
        with self._lock:
            self.refresh()
            stale: list[str] = []
            dated: list[Decision] = []
            for line, version in zip(lines, versions, strict=True):
                is_known = version in (None, self.state(line.image_id).version)
                if not is_known or any(line.image_id == other.image_id for other in dated):
                    stale.append(line.image_id)
                else:
                    dated.append(self._date(line, dated))
            self._append(dated)
            return stale

    def undo(self) -> Decision | None:
        """Take back this reviewer's last line that stands; return it, or None if there is none.

        Raises:
            StoreError: the disk is full or fails.
        """
        with self._lock:
            self.refresh()
            own = self.own_lines()
            if not own:
                return None
            last = own[-1]
            left = truth_value(self._ledger.judge(last.image_id, without=last).truth)
            line = Decision(
                image_id=last.image_id,
                decided_at="",
                purpose=last.purpose,
                after=left,
                undoes=last.decided_at,
            )
            self._append([self._date(line)])
            return last

    def close(self) -> None:
        """Give the logs back."""
        for log in ("_log", "_kept"):
            if hasattr(self, log):
                getattr(self, log).close()

    def _date(self, line: Decision, earlier: Sequence[Decision] = ()) -> Decision:
        """Give a line what it changes and a time later than that of every line known."""
        latest = datetime.fromisoformat(earlier[-1].decided_at) if earlier else self._ledger.latest
        time = max(datetime.now(UTC), latest + timedelta(microseconds=1))
        return msgspec.structs.replace(
            line,
            decided_at=write_time(time),
            before=truth_value(self.state(line.image_id).truth),
        )

    def _append(self, lines: Sequence[Decision]) -> None:
        if not lines:
            return
        encoded = [msgspec.json.encode(line) for line in lines]
        self._kept = self._append_to(self._kept, encoded)
        for _ in range(_MOST_REPLACEMENTS):
            self._log = self._append_to(self._log, encoded)
            if self._log.is_in_place():
                break
        else:
            raise StoreError(
                f"{self._path} was replaced again and again while a decision was written; try again"
            )
        signature = sign_files(self._human)
        if signature == self._signature | {self._path: signature.get(self._path)} and self._has_grown(
            signature, sum(len(line) + 1 for line in encoded)
        ):
            self._ledger.add(self._path, lines)
            self._signature = signature
            self.revision += 1
        else:  # other lines came meanwhile, or with a new file
            self._load()

    def _has_grown(self, signature: Signature, added_bytes: int) -> bool:
        """Return whether our log is the file that we knew and holds just our lines more."""
        before, now = self._signature.get(self._path), signature.get(self._path)
        return before is not None and now is not None and (before[0], before[1] + added_bytes) == now[:2]

    def _append_to(self, log: AppendLog, encoded: Sequence[bytes]) -> AppendLog:
        """Append and sync; a log that a full disk broke or that is another file now is opened again first."""
        if log.is_broken or not log.is_in_place():
            log.close()
            log = AppendLog(log.path)
        for line in encoded:
            log.append(line)
        log.sync()
        return log

    def _load(self) -> None:
        signature = sign_files(self._human)
        self._ledger = Ledger(self._human, self._taxonomy)
        self._signature = signature
        self.revision += 1
