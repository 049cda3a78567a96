"""Files of a commit that are not on this machine, fetched or computed in a temporary git worktree.

The worktree uses the project's store and DVC cache, so no answer of the teacher is paid for again, and the
cache keeps the files after the worktree is removed.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vibe_photos.configuration import RESOLVED
from vibe_photos.errors import InputError
from vibe_photos.lineage import (
    DVC_FOLDER,
    LOCK,
    Lock,
    find_cached_object,
    has_remote,
    read_dvc_config,
    run_git,
)
from vibe_photos.storage.local_store import find_store

log = logging.getLogger(__name__)


def compute_revision(name: str, commit: str, lock: Lock, wanted: list[Path]) -> Lock:
    """Bring files of a commit into DVC's cache: fetch them, or compute them in a temporary git worktree.

    The commit's code and configuration run. If its list of photos is not in the cache, the current library is
    scanned instead, and the labels may differ from those that were committed.

    Args:
        name: of the revision, for messages.
        commit: its hash.
        lock: its `dvc.lock`.
        wanted: the files; outs of its stages.

    Returns:
        `dvc.lock` as it is after the run: it names the wanted files by the hashes they have in the cache.

    Raises:
        InputError: DVC ended with an error, or DVC or git is not installed.
    """
    stages = sorted({found[0] for path in wanted if (found := lock.find_out(path))})
    with _open_worktree(commit) as tree:
        log.info("computing the labels of %s in a temporary worktree: dvc repro %s", name, " ".join(stages))
        if has_remote():
            _run_dvc(tree, "fetch", *map(str, wanted))
            if all(found and find_cached_object(found[1]).is_file() for found in map(lock.find_out, wanted)):
                return lock
        # Take inputs from the cache or the remote if they are there, and freeze stages that would always run,
        # so that the list of photos is the commit's.
        _run_dvc(tree, "pull" if has_remote() else "checkout", "--with-deps", "--allow-missing", *stages)
        present = [stage for stage in _always_changed(tree) if _has_outs(tree, lock, stage)]
        if present and _run_dvc(tree, "freeze", *present):
            raise InputError(f"dvc freeze failed in a worktree of {name}: see its messages above")
        if _run_dvc(tree, "repro", *stages):
            raise InputError(
                f"the labels of {name} could not be computed: see the messages of dvc repro above. "
                "The workspace was not changed"
            )
        return msgspec.yaml.decode((tree / LOCK).read_bytes(), type=Lock)


@contextmanager
def _open_worktree(commit: str) -> Iterator[Path]:
    """Yield a commit's project in a temporary folder that uses this project's cache and photos."""
    prefix = run_git("rev-parse", "--show-prefix").strip()
    with TemporaryDirectory(prefix="vibe-photos-") as folder:
        root = Path(folder).resolve() / "worktree"
        # Without hooks: those of `dvc install` would check out data.
        no_hooks = ("-c", f"core.hooksPath={os.devnull}")
        run_git(*no_hooks, "worktree", "add", "--quiet", "--detach", str(root), commit)
        try:
            tree = root / prefix
            _share_cache(tree)
            _share_photos(tree)
            yield tree
        finally:
            run_git("worktree", "remove", "--force", str(root))


def _share_cache(tree: Path) -> None:
    """Give the worktree this project's cache and remotes; their relative paths are made absolute."""
    config = read_dvc_config()
    if not config.has_section("cache"):
        config.add_section("cache")
    config["cache"].setdefault("dir", "cache")
    for section in config.values():
        for key in {"dir", "url"} & section.keys():
            if "://" not in section[key]:
                section[key] = str((DVC_FOLDER / section[key]).resolve())
    with (tree / DVC_FOLDER / "config.local").open("w") as file:
        config.write(file)


def _share_photos(tree: Path) -> None:
    """Link the library into the worktree if it is inside the project but not in git."""
    resolved = tree / RESOLVED
    if resolved.is_file():
        root = Path(msgspec.yaml.decode(resolved.read_bytes())["library"]["root"])
        if not root.is_absolute() and root.exists() and not (tree / root).exists():
            (tree / root).parent.mkdir(parents=True, exist_ok=True)
            (tree / root).symlink_to(root.resolve())


def _always_changed(tree: Path) -> list[str]:
    """Return the stages of a `dvc.yaml` that run at every `dvc repro`."""
    stages = msgspec.yaml.decode((tree / "dvc.yaml").read_bytes())["stages"]
    return [name for name, stage in stages.items() if stage.get("always_changed")]


def _has_outs(tree: Path, lock: Lock, stage: str) -> bool:
    return stage in lock.stages and all((tree / out.path).exists() for out in lock.stages[stage].outs)


def _run_dvc(tree: Path, *arguments: str) -> int:
    """Run DVC in a worktree, with its code, this Python and this project's store; return the exit status."""
    paths = {
        "PATH": [str(Path(sys.executable).parent), os.environ.get("PATH", "")],
        "PYTHONPATH": [str(tree / "src"), os.environ.get("PYTHONPATH", "")],
    }
    environment = {name: os.pathsep.join(filter(None, parts)) for name, parts in paths.items()}
    environment["VIBE_PHOTOS_STORE"] = str(find_store().resolve())
    command = [sys.executable, "-m", "dvc", *arguments]
    # To stderr: stdout may be the command's JSON.
    return subprocess.run(command, cwd=tree, env=os.environ | environment, stdout=2, check=False).returncode
