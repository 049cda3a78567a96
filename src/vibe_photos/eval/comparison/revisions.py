"""The labels of a commit, an experiment, the workspace or a file, without checking anything out."""

from dataclasses import dataclass
from pathlib import Path

from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.settings import Paths
from vibe_photos.storage.dvc_records import LOCK, Lock, find_cached_object, find_commit, read_lock

WORKSPACE = "workspace"


@dataclass(frozen=True, slots=True)
class Revision:
    """Where the labels of one side are, the splits by which its heads were trained, and its `dvc.lock`."""

    name: str
    labels: Path
    splits: Path
    lock: Lock

    def is_tuned_on_people(self) -> bool:
        """Return whether audited photos chose a threshold of these labels (`classify.tuned_on`)."""
        params = self.lock.stages["classify"].params if "classify" in self.lock.stages else {}
        classify = params.get(RESOLVED.as_posix(), {}).get("classify")
        return isinstance(classify, dict) and classify.get("tuned_on", "none") != "none"


def find_revision(name: str, paths: Paths) -> Revision:
    """Return where the labels and splits of `name` are: `workspace`, a label file, an experiment or a commit.

    A label file says nothing of who trained it; the workspace's splits and lock stand in.

    Raises:
        InputError: there is no such thing, or its files are not in the local cache.
    """
    if name == WORKSPACE or Path(name).is_file():
        labels = paths.labels if name == WORKSPACE else Path(name)
        return Revision(name, labels, paths.splits, read_lock() if LOCK.is_file() else Lock())
    lock = read_lock(find_commit(name))
    found = {path: _find_cached(lock, path, name) for path in (paths.labels, paths.splits)}
    absent = [path for path, cached in found.items() if not cached.is_file()]
    if absent:
        raise InputError(
            f"{' and '.join(str(path) for path in absent)} of {name}: not in the local cache; where somebody "
            f"pushed them, get them with: dvc fetch --all-commits {' '.join(str(path) for path in absent)}"
        )
    return Revision(name, found[paths.labels], found[paths.splits], lock)


def _find_cached(lock: Lock, path: Path, name: str) -> Path:
    for stage in lock.stages.values():
        for out in stage.outs:
            if out.path == path.as_posix() and out.md5:
                return find_cached_object(out.md5)
    raise InputError(f"{name} has no {path}: no stage of its {LOCK} writes that file")
