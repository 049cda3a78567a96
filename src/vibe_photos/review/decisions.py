"""What people decided, and this reviewer's log, to which the next decision is appended.

A decision is on the disk before anybody is told that it is recorded. The other reviewers' logs and the
file that people edit are looked at again whenever they change: a `git pull` counts at once.
"""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from vibe_photos.human_truth.audited import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.ledger import Ledger, sign_files
from vibe_photos.review.photo_state import PhotoState, truth_value
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog


class DecisionBook:
    """All reviewers' decisions, and the log of the one who sits here. Safe to use from several threads.

    `revision` grows whenever any photo's state may have changed.

    Raises:
        StoreError: another server holds the reviewer's log, or it cannot be opened.
        InputError: a log or the edited file is damaged.
    """

    def __init__(self, human: Path, reviewer: str, taxonomy: Taxonomy) -> None:
        self.reviewer = reviewer
        self.revision = 0
        self._human = human
        self._taxonomy = taxonomy
        self._lock = threading.RLock()
        self._path = human / DECISIONS_FOLDER / f"{reviewer}.jsonl"
        self._log = AppendLog(self._path)
        try:
            self._load()
        except BaseException:
            self._log.close()
            raise

    def refresh(self) -> None:
        """Read everything again where a file has changed under this server's feet.

        Raises:
            InputError: what it changed to is damaged; all stays as it was.
        """
        with self._lock:
            signature = sign_files(self._human)
            if signature == self._signature:
                return
            # Git replaces files: what is appended to the one that is held open would go nowhere.
            if signature.get(self._path, (0,))[0] != self._signature[self._path][0]:
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
            return self._ledger.standing_lines_of(self.reviewer)

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
        """Take back this reviewer's last line that stands; return it, or None where there is none.

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
            line = Decision(image_id=last.image_id, decided_at="", after=left, undoes=last.decided_at)
            self._append([self._date(line)])
            return last

    def close(self) -> None:
        """Give the log back."""
        self._log.close()

    def _date(self, line: Decision, earlier: Sequence[Decision] = ()) -> Decision:
        """Give a line what it changes and a time later than that of every line known."""
        latest = datetime.fromisoformat(earlier[-1].decided_at) if earlier else self._ledger.latest
        time = max(datetime.now(UTC), latest + timedelta(microseconds=1))
        return msgspec.structs.replace(
            line,
            # Always six digits, unlike isoformat: text order must be time order.
            decided_at=time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            before=truth_value(self.state(line.image_id).truth),
        )

    def _append(self, lines: Sequence[Decision]) -> None:
        for line in lines:
            self._log.append(msgspec.json.encode(line))
        self._log.sync()
        self._signature = sign_files(self._human)
        self._ledger.add(self._path, lines)
        self.revision += 1

    def _load(self) -> None:
        signature = sign_files(self._human)
        self._ledger = Ledger(self._human, self._taxonomy)
        self._signature = signature
        self.revision += 1
