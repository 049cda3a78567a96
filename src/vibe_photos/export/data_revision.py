"""Which data a model was made from: the commit, and what `dvc.lock` names of the files that decide labels."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.heads.linear import head_path
from vibe_photos.lineage import LOCK, Lock, find_commit, read_lock
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import Settings


@dataclass(frozen=True, slots=True)
class DataRevision:
    """The commit (None outside git), whether its `dvc.lock` is the one at hand, and outs' md5 by path.

    `changed` are the heads that are not those of `dvc.lock`.
    """

    commit: str | None
    is_committed: bool
    files: dict[str, str]
    changed: list[str]


def find_data_revision(settings: Settings) -> DataRevision:
    """Return what is known of the data behind the heads at hand.

    Raises:
        InputError: `dvc.lock` is damaged.
    """
    paths = settings.paths
    heads = [head_path(paths.models, kind) for kind in HEADS]
    data = [
        paths.photos,
        paths.raw_annotations,
        paths.auto,
        paths.splits,
        paths.embeddings / "embeddings.sqlite",
    ]
    lock = read_lock() if LOCK.is_file() else Lock()
    named = {out.path: out.md5 for stage in lock.stages.values() for out in stage.outs}
    files = {path.as_posix(): named.get(path.as_posix()) for path in (*data, *heads)}
    commit = _find_head()
    return DataRevision(
        commit=commit,
        is_committed=commit is not None and _read_committed(commit) == lock,
        files={path: md5 for path, md5 in files.items() if md5},
        changed=[path.as_posix() for path in heads if files[path.as_posix()] != _hash_as_dvc(path)],
    )


def _find_head() -> str | None:
    try:
        return find_commit("HEAD")
    except InputError:
        return None


def _read_committed(commit: str) -> Lock | None:
    try:
        return read_lock(commit)
    except InputError:
        return None


def _hash_as_dvc(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
