"""The backup of every decision in the machine-local store.

git and DVC replace files in `data/human/` (a checkout, `dvc exp apply`, a stash), but never write to the
store. So each decision is first written to the store; decisions missing in the files can be listed and
restored. Nothing is restored automatically, because going back to an earlier commit may be intended.
"""

import logging
import os
import subprocess
from pathlib import Path

import msgspec

from vibe_photos.errors import StoreError
from vibe_photos.human_truth.labels import DECISIONS_FOLDER, active_lines
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.splits import find_current_ids, read_current_ids, read_splits
from vibe_photos.storage.append_log import AppendLog, read_lines
from vibe_photos.storage.jsonl import decode_line

log = logging.getLogger(__name__)

RESTORE = "vibe-photos restore-decisions"


def backup_log(store: Path, reviewer: str) -> Path:
    """Return the path of the backup of a reviewer's log."""
    return store / "decisions" / f"{reviewer}.jsonl"


def find_lost(human: Path, store: Path, splits: Path) -> dict[str, list[Decision]]:
    """Return the decisions that are in the store but not in the files, by reviewer, oldest first.

    A decision is not lost if a later one in the same reviewer's file overrides it, unless it has a note. The
    later one may be about another id of the photo: `splits` (`splits.json`) knows those.

    Raises:
        InputError: a log is damaged.
    """
    found: dict[str, list[Decision]] = {}
    for path in sorted((store / "decisions").glob("*.jsonl")):
        own, stored = _read(human / DECISIONS_FOLDER / path.name), _read(path)
        times = {line.decided_at for line in own}
        missing = [line for line in stored if line.decided_at not in times]
        current = read_current_ids(splits) if missing else {}
        latest: dict[str, str] = {}
        for line in active_lines([*own, *(one for one in stored if one.undoes)]):
            if line.kind == "decision":
                image_id = current.get(line.image_id, line.image_id)
                latest[image_id] = max(latest.get(image_id, ""), line.decided_at)
        lost = {
            line.decided_at: line
            for line in missing
            if line.note
            or line.kind == "remark"
            or line.decided_at > latest.get(current.get(line.image_id, line.image_id), "")
        }
        if lost:
            found[path.stem] = [lost[time] for time in sorted(lost)]
    return found


def warn_of_lost(human: Path, store: Path, splits: Path) -> None:
    """Log which decisions the files in `data/human/` lack, and what to do about it.

    `dvc exp run --temp` and `--queue` run in a copy of what git tracks; DVC sets `DVC_ROOT` to the original
    workspace. A decision that is only there is not lost: it has not been added to git yet.

    Raises:
        InputError: a log is damaged.
    """
    lost = find_lost(human, store, splits)
    if not lost:
        return
    workspace = Path(os.environ.get("DVC_ROOT", ".")) / human
    is_copy = workspace.resolve() != human.resolve()
    missing_there = find_lost(workspace, store, splits) if is_copy else lost
    library = read_splits(splits) if splits.exists() else {}
    known = library.keys() | find_current_ids(library).keys()
    for reviewer, lines in lost.items():
        if reviewer not in missing_there:
            advice = (
                "This run works in a copy of the files that git tracks, so its figures lack them. To include "
                f"them: git add {human}, then run the experiment again"
            )
        elif library and known.isdisjoint(line.image_id for line in lines):
            advice = (
                "None of their photos is in this library: another project seems to use the same store "
                f"({store}). Set VIBE_PHOTOS_STORE to another folder in each project, or unset it"
            )
        else:
            advice = f"git or DVC replaced the file. If that was not intended: {RESTORE}"
        log.warning(
            "%s decisions of %s are in this machine's store and not in %s. %s",
            *(f"{len(lines):,}", reviewer, human / DECISIONS_FOLDER / f"{reviewer}.jsonl", advice),
        )


def restore_lost(human: Path, store: Path, splits: Path) -> dict[str, int]:
    """Append lost decisions to the reviewers' logs; return how many, by reviewer.

    Raises:
        StoreError: an open review page has locked a log, or the disk fails.
    """
    restored = {}
    for reviewer, lines in find_lost(human, store, splits).items():
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
    """Return the files under `data/human/` that git does not track."""
    command = ["git", "-C", str(human), "ls-files", "--others", "--exclude-standard", "-z", "."]
    try:
        found = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [human / name for name in sorted(found.split("\0")) if name]


def _read(path: Path) -> list[Decision]:
    """Return a log's lines; an incomplete last line was never confirmed to the page, and is skipped."""
    if not path.exists():
        return []
    decoder = msgspec.json.Decoder(Decision)
    lines = enumerate(read_lines(path), start=1)
    return [decode_line(decoder, line + b"\n", path, number) for number, (_, line) in lines if line.strip()]
