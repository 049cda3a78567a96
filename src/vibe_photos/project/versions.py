"""Update a user's project to a newer version of vibe-photos.

A project's history has a commit for each version that it merged: the version's code alone, without results,
human labels and settings, which belong to the project. The parent of this commit is that of the previous
version, so git merges only what changed between the two versions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
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
_README = "src/vibe_photos/project/PROJECT.md"
_DESCRIPTION = "data/human/README.md"
_QUESTION_FILES = ("conf/question.yaml", "conf/teacher", "conf/taxonomy")


def describe_version(source: str) -> str:
    """Return the message of a version's commit in a project."""
    return f"vibe-photos at {source[:12]}\n\n{_TRAILER}: {source}"


@contextmanager
def open_code(commit: str) -> Iterator[Path]:
    """Yield a git index file with a commit's code, in the current repository.

    Its README is that of a project. Left out are stage outputs (the outs in the commit's `dvc.lock`), that
    lock, human labels, the demo, `params.yaml`, and DVC's configuration, which has the remotes.
    """
    outs = {out.path for stage in read_lock(commit).stages.values() for out in stage.outs}
    own = [path for path in list_files(commit) if _is_own(path, outs | _OWN)]
    with TemporaryDirectory() as scratch:
        index = Path(scratch) / "index"
        run_git("read-tree", commit, index=index)
        run_git("update-index", "--force-remove", "-z", "--stdin", index=index, text="\0".join(own))
        readme = run_git("rev-parse", f"{commit}:{_README}").strip()
        run_git("update-index", "--cacheinfo", f"100644,{readme},README.md", index=index)
        yield index


def list_files(commit: str) -> list[str]:
    """Return the path of every file in a commit."""
    return run_git("ls-tree", "-r", "-z", "--name-only", commit).split("\0")[:-1]


def update_project(source: str) -> str:
    """Merge the newest version of `source` (a remote or address) into the current branch; say what changed.

    Raises:
        InputError: this is not a project made by `vibe-photos new`, the source cannot be fetched, its version
            does not descend from the current one, or the merge has conflicts.
    """
    current, current_source = _find_version()
    try:
        run_git("fetch", "--quiet", "--no-tags", source, "HEAD")
    except GitError as error:
        raise InputError(
            f"{error}. A clone of a project has no remote `{UPSTREAM}` yet: give the address of "
            "vibe-photos with --source ADDRESS"
        ) from None
    newest = run_git("rev-parse", "FETCH_HEAD").strip()
    if newest == current_source:
        return f"already up to date: {source} has nothing newer than {current_source[:12]}"
    if not _descends_from(newest, current_source):
        raise InputError(
            f"{source} is at {newest[:12]}, which does not descend from your version {current_source[:12]}: "
            "yours is from another branch, or the history was rewritten. Nothing was changed"
        )
    with open_code(newest) as index:
        tree = run_git("write-tree", index=index).strip()
    message = describe_version(newest)
    version = run_git("commit-tree", tree, "-p", current, "-m", message).strip()
    _merge(version, newest)
    changed = run_git("diff", "--name-only", current, version).splitlines()
    asked = run_git("diff", "--name-only", current, version, "--", *_QUESTION_FILES).splitlines()
    lines = [f"vibe-photos is now at {newest[:12]}: {len(changed)} files changed"]
    if asked:
        lines.append(
            f"The question to the teacher may have changed ({', '.join(asked)}). To estimate the cost: "
            "python stages/annotate_photos.py annotate.dry_run=true"
        )
    return "\n".join([*lines, "Next: make setup && dvc repro"])


def _is_own(path: str, own: set[str]) -> bool:
    places = (path, *(parent.as_posix() for parent in Path(path).parents))
    return path != _DESCRIPTION and not own.isdisjoint(places)


def _find_version() -> tuple[str, str]:
    """Return the commit of the project's version, and the vibe-photos commit that it was made from."""
    commit = run_git("rev-list", "--max-count=1", f"--grep=^{_TRAILER}: ", "HEAD").strip()
    if not commit:
        raise InputError("this is not a project made by `vibe-photos new`, so it cannot be updated")
    form = f"--format=%(trailers:key={_TRAILER},valueonly)"
    return commit, run_git("show", "--no-patch", form, commit).strip()


def _descends_from(newer: str, older: str) -> bool:
    try:
        run_git("merge-base", "--is-ancestor", older, newer)
    except GitError:
        return False
    return True


def _merge(version: str, newest: str) -> None:
    try:
        run_git("merge", "--quiet", "--no-ff", "--message", f"Merge vibe-photos at {newest[:12]}", version)
    except GitError as error:
        files = run_git("diff", "--name-only", "--diff-filter=U").split("\n")[:-1]
        if not files:
            raise
        raise InputError(
            f"you and the new version changed the same lines in {', '.join(files)}. Resolve the "
            "conflicts there, then `git add` and `git commit`; or undo the update with `git merge --abort`"
        ) from error
