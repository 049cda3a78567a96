"""The second copy of every decision, in the machine-local store.

git and DVC replace files in `data/human/`: a checkout, `dvc exp apply`, a stash. So each decision is first
written to the store, where they never write. What the files lack can then be named and brought back.
Nothing is brought back without being asked for: to go back to an earlier commit is legitimate.
"""

import logging
import subprocess
from pathlib import Path

import msgspec

from vibe_photos.errors import StoreError
from vibe_photos.human_truth.said import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.storage.append_log import AppendLog
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)

RESTORE = "vibe-photos restore-decisions"


def kept_log(store: Path, reviewer: str) -> Path:
    """Return where the store keeps a reviewer's decisions."""
    return store / "decisions" / f"{reviewer}.jsonl"


def find_lost(human: Path, store: Path) -> dict[str, list[Decision]]:
    """Return the decisions that the store knows and the files lack, by reviewer, oldest first.

    Raises:
        InputError: a log is damaged.
    """
    found: dict[str, list[Decision]] = {}
    for path in sorted((store / "decisions").glob("*.jsonl")):
        own = human / DECISIONS_FOLDER / path.name
        latest: dict[str, str] = {}
        for line in _read(own):
            latest[line.image_id] = max(latest.get(line.image_id, ""), line.decided_at)
        # A photo on which the reviewer said something later in the file has lost nothing that counts.
        lost = {
            line.decided_at: line for line in _read(path) if line.decided_at > latest.get(line.image_id, "")
        }
        if lost:
            found[path.stem] = [lost[time] for time in sorted(lost)]
    return found


def tell_lost(human: Path, store: Path) -> None:
    """Log, once a run, what the files in `data/human/` lack, and which command brings it back."""
    for reviewer, lines in find_lost(human, store).items():
        log.warning(
            "%d decisions of %s that this machine's store knows are not in %s (git or DVC replaced the file, "
            "or it is not in git). If that was not intended: %s",
            *(len(lines), reviewer, human / DECISIONS_FOLDER / f"{reviewer}.jsonl", RESTORE),
        )


def restore_lost(human: Path, store: Path) -> dict[str, int]:
    """Append lost decisions to the reviewers' logs; return how many, by reviewer.

    Raises:
        StoreError: a review page holds a log, or the disk fails.
    """
    restored = {}
    for reviewer, lines in find_lost(human, store).items():
        try:
            with AppendLog(human / DECISIONS_FOLDER / f"{reviewer}.jsonl") as file:
                for line in lines:
                    file.append(msgspec.json.encode(line))
                file.sync()
        except StoreError as error:
            raise StoreError(
                f"{error}\nIf {reviewer}'s review page is open, end it with Ctrl-C, then run {RESTORE} again"
            ) from None
        restored[reviewer] = len(lines)
    return restored


def find_untracked(human: Path) -> list[Path]:
    """Return the files under `data/human/` that git does not have: a copy of the workspace lacks them."""
    command = ["git", "-C", str(human), "ls-files", "--others", "--exclude-standard", "-z", "."]
    try:
        found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [human / name for name in sorted(found.split("\0")) if name]


def _read(path: Path) -> list[Decision]:
    return list(read_jsonl(path, Decision)) if path.exists() else []
