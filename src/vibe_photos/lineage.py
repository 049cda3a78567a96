"""Read git commits, `dvc.lock`, and DVC's configuration and cache.

A commit's `dvc.lock` names every out by its hash; DVC's cache stores the out under that hash. Git is run as a
command; DVC is not run, only its files are read.
"""

import configparser
import os
import subprocess
from pathlib import Path

import msgspec

from vibe_photos.errors import InputError

LOCK = Path("dvc.lock")
DVC_FOLDER = Path(".dvc")
FETCH_ONLY = "only-fetched-never-pushed"
"""What stands in a remote's `pushurl` where no repository may: git refuses to push there."""


class GitError(InputError):
    """A git command failed."""


class LockedFile(msgspec.Struct, frozen=True):
    """A dependency or output of a stage, and the hash of its content."""

    path: str
    md5: str | None = None


class LockedStage(msgspec.Struct, frozen=True):
    """One stage of `dvc.lock`; equal if command, inputs and outputs are equal."""

    cmd: str | list[str] = ""
    deps: list[LockedFile] = []
    params: dict[str, dict[str, object]] = {}
    outs: list[LockedFile] = []


class Lock(msgspec.Struct, frozen=True):
    """The content of `dvc.lock`."""

    stages: dict[str, LockedStage] = {}

    def find_out(self, path: Path) -> tuple[str, str] | None:
        """Return the stage that writes that file, and the md5 of its content; None if no stage does."""
        for name, stage in self.stages.items():
            for out in stage.outs:
                if out.path == path.as_posix() and out.md5:
                    return name, out.md5
        return None


def find_commit(name: str) -> str:
    """Return the hash of a commit, given any name that git knows or a DVC experiment's name.

    Raises:
        InputError: the name is unknown, or several experiments have it.
    """
    commit = _ask_git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    if commit:
        return commit.strip()
    # An experiment is a ref under the commit that it started from: refs/exps/ab/cdef.../NAME.
    found = (_ask_git("for-each-ref", "--format=%(objectname)", f"refs/exps/*/*/{name}") or "").split()
    if len(found) > 1:
        raise InputError(
            f"{len(found)} experiments are called {name}: give the commit of one ({' '.join(found)})"
        )
    if not found:
        raise InputError(f"{name} is no commit, no experiment, no file, and not `workspace`")
    return found[0]


def read_lock(commit: str | None = None) -> Lock:
    """Return `dvc.lock` of a commit, or of the workspace for None.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    where = "the workspace" if commit is None else commit[:12]
    if commit is None:
        text = LOCK.read_text() if LOCK.is_file() else None
    else:
        text = _ask_git("show", f"{commit}:./{LOCK}")
    if text is None:
        raise InputError(f"{where} has no {LOCK}: `dvc repro` writes it, and it must be committed")
    try:
        return msgspec.yaml.decode(text, type=Lock)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise InputError(f"{LOCK} of {where} cannot be read: {error}") from None


def find_cached_object(md5: str) -> Path:
    """Return the path in DVC's cache for the content with that hash; the file may be missing."""
    cache = DVC_FOLDER / read_dvc_config().get("cache", "dir", fallback="cache")
    return cache / "files" / "md5" / md5[:2] / md5[2:]


def read_dvc_config() -> configparser.ConfigParser:
    """Return DVC's configuration, `config.local` over `config`. Its paths are relative to `.dvc`."""
    config = configparser.ConfigParser(interpolation=None)
    config.read([DVC_FOLDER / "config", DVC_FOLDER / "config.local"])
    return config


def has_remote() -> bool:
    """Return whether DVC has a default remote."""
    return read_dvc_config().has_option("core", "remote")


def changed_stages(before: Lock, after: Lock) -> list[str]:
    """Return the stages of `after` whose command, inputs or outputs differ from `before`, in order."""
    return [name for name, stage in after.stages.items() if before.stages.get(name) != stage]


def run_git(*arguments: str, text: str | None = None, index: Path | None = None) -> str:
    """Return the output of a git command.

    Args:
        arguments: the command, without `git`.
        text: its standard input.
        index: a file that is used instead of the repository's index.

    Raises:
        GitError: it fails.
        InputError: git is not installed.
    """
    try:
        ended = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            env=os.environ | ({"GIT_INDEX_FILE": str(index)} if index else {}),
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed; install it: this command needs it") from None
    if ended.returncode:
        raise GitError(f"`git {' '.join(arguments)}` failed: {ended.stderr.strip()}")
    return ended.stdout


def _ask_git(*arguments: str) -> str | None:
    """Return the output of a git command, or None if it fails."""
    try:
        return run_git(*arguments)
    except GitError:
        return None
