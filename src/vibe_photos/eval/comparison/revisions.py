"""The labels of a commit, an experiment, the workspace or a file, without checking anything out.

A commit's `dvc.lock` names its labels by hash, and DVC's cache holds them under that hash. Only git is
asked; DVC itself is not imported.
"""

import configparser
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.settings import Paths

WORKSPACE = "workspace"
LOCK = Path("dvc.lock")
_CONFIGS = (Path(".dvc/config"), Path(".dvc/config.local"))


class LockedFile(msgspec.Struct, frozen=True):
    """A file of a stage and the hash of its content."""

    path: str
    md5: str | None = None


class LockedStage(msgspec.Struct, frozen=True):
    """One stage of `dvc.lock`; two runs of the same thing are equal."""

    cmd: str | list[str] = ""
    deps: list[LockedFile] = []
    params: dict[str, dict[str, object]] = {}
    outs: list[LockedFile] = []


class Lock(msgspec.Struct, frozen=True):
    """What `dvc.lock` says: each stage's command, inputs and outputs."""

    stages: dict[str, LockedStage] = {}

    def is_tuned_on_people(self) -> bool:
        """Return whether audited photos chose a threshold of these labels (`classify.tuned_on`)."""
        params = self.stages["classify"].params if "classify" in self.stages else {}
        classify = params.get(RESOLVED.as_posix(), {}).get("classify")
        return isinstance(classify, dict) and classify.get("tuned_on", "none") != "none"


@dataclass(frozen=True, slots=True)
class Revision:
    """Where the labels of one side are, the splits by which its heads were trained, and its `dvc.lock`."""

    name: str
    labels: Path
    splits: Path
    lock: Lock


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


def find_commit(name: str) -> str:
    """Return the hash of a commit, by git's names or by a DVC experiment's.

    Raises:
        InputError: neither git nor DVC's experiments know the name, or several experiments have it.
    """
    commit = _ask_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit:
        return commit.strip()
    # Experiments are refs by the commit that they started from: refs/exps/ab/cdef.../NAME.
    found = (_ask_git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}") or "").split()
    if len(found) > 1:
        raise InputError(
            f"{len(found)} experiments are called {name}: give the commit of one ({' '.join(found)})"
        )
    if not found:
        raise InputError(f"{name} is no commit, no experiment, no file, and not `{WORKSPACE}`")
    return found[0]


def read_lock(commit: str | None = None) -> Lock:
    """Return `dvc.lock` as it is in a commit, or in the workspace for None.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    where = "the workspace" if commit is None else commit[:12]
    if commit is None:
        text = LOCK.read_text() if LOCK.is_file() else None
    else:
        text = _ask_git("show", f"{commit}:./{LOCK}")
    if text is None:
        raise InputError(f"{where} has no {LOCK}: `dvc repro` writes it, and it belongs into git")
    try:
        return msgspec.yaml.decode(text, type=Lock)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{LOCK} of {where} cannot be read: {error}") from None


def find_cached_object(md5: str) -> Path:
    """Return where DVC's cache on this machine keeps the content of that hash, if it has it."""
    return _cache_folder() / "files" / "md5" / md5[:2] / md5[2:]


def changed_stages(before: Lock, after: Lock) -> list[str]:
    """Return the stages of `after` whose command, inputs or outputs are not those of `before`, in order."""
    return [name for name, stage in after.stages.items() if before.stages.get(name) != stage]


def _find_cached(lock: Lock, path: Path, name: str) -> Path:
    for stage in lock.stages.values():
        for out in stage.outs:
            if out.path == path.as_posix() and out.md5:
                return find_cached_object(out.md5)
    raise InputError(f"{name} has no {path}: no stage of its {LOCK} writes that file")


def _cache_folder() -> Path:
    """Return DVC's cache: `cache.dir` of the project's configuration, relative to it, or `.dvc/cache`."""
    config = configparser.ConfigParser(interpolation=None)
    config.read(_CONFIGS)
    return _CONFIGS[0].parent / config.get("cache", "dir", fallback="cache")


def _ask_git(*arguments: str) -> str | None:
    """Return what git prints, or None where it refuses."""
    try:
        asked = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise InputError("git is not installed, and only git knows other revisions") from None
    return asked.stdout if asked.returncode == 0 else None
