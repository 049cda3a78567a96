"""Versions of this code in a project of one's own, and how a newer one is taken.

A project's history has one commit for each version that it took: the version's code alone, without results,
records and settings, which are each project's own. Its parent is the version before, so that git merges the
difference of two versions and nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from vibe_photos.errors import InputError
from vibe_photos.lineage import DVC_FOLDER, LOCK, GitError, read_lock, run_git

UPSTREAM = "upstream"
DEMO = "data/demo"
PARAMS = "params.yaml"
DVC_CONFIG = (DVC_FOLDER / "config").as_posix()

_TRAILER = "Vibe-photos-version"
_OWN = frozenset({PARAMS, DVC_CONFIG, LOCK.as_posix(), DEMO, "data/human"})
_DESCRIPTION = "data/human/README.md"
_WHAT_IS_ASKED = ("conf/question.yaml", "conf/teacher", "conf/taxonomy")


@dataclass(frozen=True, slots=True)
class Version:
    """A version that a project took: the project's commit of it, and the commit that it was made from."""

    commit: str
    source: str


def describe_version(source: str) -> str:
    """Return the message of the commit that brings a version."""
    return f"vibe-photos at {source[:12]}\n\n{_TRAILER}: {source}"


@contextmanager
def open_code(commit: str) -> Iterator[Path]:
    """Yield an index of git that holds a commit's code, in the repository at hand.

    Left out are what stages write (the outs in the commit's `dvc.lock`), that lock, what people said, the
    demo, `params.yaml`, and DVC's configuration, which names remotes.
    """
    outs = {out.path for stage in read_lock(commit).stages.values() for out in stage.outs}
    own = [path for path in list_files(commit) if _is_own(path, outs | _OWN)]
    with TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        run_git("read-tree", commit, index=index)
        run_git("update-index", "--force-remove", "-z", "--stdin", index=index, text="\0".join(own))
        yield index


def list_files(commit: str) -> list[str]:
    """Return the path of every file in a commit."""
    return run_git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")[:-1]


def update_project(source: str) -> str:
    """Merge the newest version of `source` (a remote or an address) into the branch at hand; say what came.

    Raises:
        InputError: the project took no version yet, the source cannot be fetched, its version does not follow
            the one that is here, or git cannot merge it by itself.
    """
    here = _find_version()
    try:
        run_git("fetch", "--quiet", "--no-tags", source, "HEAD")
    except GitError as error:
        raise InputError(
            f"{error}. Where vibe-photos is: --source ADDRESS (a clone of a project has no `{UPSTREAM}` yet)"
        ) from None
    newest = run_git("rev-parse", "FETCH_HEAD").strip()
    if newest == here.source:
        return f"{source} has nothing newer than {here.source[:12]}, which is here"
    if not _follows(newest, here.source):
        raise InputError(
            f"{source} is at {newest[:12]}, which does not follow {here.source[:12]}, the version that is "
            "here: it was on another branch, or its history was rewritten. Nothing was changed"
        )
    with open_code(newest) as index:
        tree = run_git("write-tree", index=index).strip()
    message = describe_version(newest)
    version = run_git("commit-tree", tree, "-p", here.commit, "-m", message).strip()
    _merge(version, newest)
    changed = run_git("diff", "--name-only", here.commit, version).splitlines()
    asked = run_git("diff", "--name-only", here.commit, version, "--", *_WHAT_IS_ASKED).splitlines()
    lines = [f"vibe-photos is now at {newest[:12]}: {len(changed)} files changed"]
    if asked:
        lines.append(
            f"What the teacher is asked may have changed ({', '.join(asked)}). What that would cost: "
            "python stages/annotate_photos.py annotate.dry_run=true"
        )
    return "\n".join([*lines, "Now: make setup && dvc repro"])


def _is_own(path: str, own: set[str]) -> bool:
    places = (path, *(parent.as_posix() for parent in Path(path).parents))
    return path != _DESCRIPTION and not own.isdisjoint(places)


def _find_version() -> Version:
    commit = run_git("rev-list", "--max-count=1", f"--grep=^{_TRAILER}: ", "HEAD").strip()
    if not commit:
        raise InputError(
            "no commit here brought a version: `vibe-photos new` makes a project that can be updated"
        )
    form = f"--format=%(trailers:key={_TRAILER},valueonly)"
    return Version(commit, run_git("show", "--no-patch", form, commit).strip())


def _follows(newer: str, older: str) -> bool:
    try:
        run_git("merge-base", "--is-ancestor", older, newer)
    except GitError:
        return False
    return True


def _merge(version: str, newest: str) -> None:
    try:
        run_git("merge", "--quiet", "--no-ff", "--message", f"Take vibe-photos at {newest[:12]}", version)
    except GitError as error:
        files = run_git("diff", "--name-only", "--diff-filter=U").split("\n")[:-1]
        if not files:
            raise
        raise InputError(
            f"you and the new version changed the same lines in {', '.join(files)}. Edit what git marked "
            "there, then `git add` and `git commit`; or `git merge --abort`, and all is as before"
        ) from error
