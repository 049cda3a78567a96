"""List what sharing would upload, and run both pushes: data first, so that it is there for every commit."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.lineage import run_git
from vibe_photos.sharing.addresses import hide_credentials, hide_credentials_in
from vibe_photos.sharing.personal_data import CREDENTIALS, PersonalData, find_personal_data
from vibe_photos.sharing.uploads import (
    Remote,
    Upload,
    find_dvc_remote,
    find_dvc_uploads,
    find_git_remote,
    find_git_uploads,
)

_MOST_FILES = 2


class Group(msgspec.Struct, frozen=True):
    """All uploads of one kind: how many contents, their size together, and their paths."""

    kind: str
    files: int
    bytes: int
    paths: list[str]


class DvcPush(msgspec.Struct, frozen=True):
    """What `dvc push` would upload; `absent` outs are neither here nor on the remote."""

    remote: Remote | None
    files: int
    bytes: int
    groups: list[Group]
    personal_data: list[PersonalData]
    absent: list[str]


class GitPush(msgspec.Struct, frozen=True):
    """What `git push` of the current branch would share.

    `remote` and `url` are None if no remote is set. `authors` are names with addresses. `uncommitted`
    files differ from the last commit, or are untracked files in `data/human`: they are not shared.
    """

    remote: str | None
    url: str | None
    branch: str
    commits: int
    authors: list[str]
    files: int
    bytes: int
    groups: list[Group]
    personal_data: list[PersonalData]
    uncommitted: list[str]


class Sharing(msgspec.Struct, frozen=True):
    """What leaves the machine, and what has to be changed first."""

    dvc: DvcPush
    git: GitPush
    obstacles: list[str]


def plan_sharing(remote_name: str | None) -> Sharing:
    """Return what `dvc push` and `git push` would share from the current folder; nothing is changed.

    Args:
        remote_name: DVC's remote; None takes the default one.

    Raises:
        InputError: git or DVC fails, or the remote cannot be reached.
    """
    git = _plan_git()
    try:
        dvc = _plan_dvc(remote_name)
    except InputError as error:
        # Report a key in a commit also if the remote cannot be reached.
        raise InputError("; ".join([str(error), *_list_credentials(git)])) from None
    return Sharing(dvc, git, _find_obstacles(dvc, git))


def push_all(sharing: Sharing) -> None:
    """Run `dvc push`, then `git push`.

    Raises:
        InputError: there is an obstacle, or one of the two fails.
    """
    if sharing.obstacles or not sharing.dvc.remote or not sharing.git.remote:
        raise InputError("nothing was shared: " + "; ".join(sharing.obstacles))
    dvc = [sys.executable, "-m", "dvc", "push", "--remote", sharing.dvc.remote.name]
    if subprocess.run(dvc, check=False).returncode:
        raise InputError("`dvc push` failed; its own message is above")
    remote, branch = sharing.git.remote, sharing.git.branch
    # So that `git pull` works afterwards; an upstream that somebody chose stays.
    asked = ["git", "rev-parse", "--verify", "--quiet", f"{branch}@{{upstream}}"]
    has_upstream = not subprocess.run(asked, capture_output=True, check=False).returncode
    # git shows the address, and with it a token in its query.
    git = ["git", "push", *([] if has_upstream else ["--set-upstream"]), remote, branch]
    pushed = subprocess.run(git, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", check=False)
    print(hide_credentials_in(pushed.stderr), end="", file=sys.stderr)
    if pushed.returncode:
        raise InputError("`git push` failed; its own message is above")


def _plan_dvc(remote_name: str | None) -> DvcPush:
    remote = find_dvc_remote(remote_name)
    uploads, absent = find_dvc_uploads(remote)
    return DvcPush(remote, *_sum_up(uploads), find_personal_data(uploads), absent)


def _plan_git() -> GitPush:
    branch = run_git("rev-parse", "--abbrev-ref", "HEAD").strip()
    remote = find_git_remote(branch)
    commits = ["HEAD", "--not", f"--remotes={remote}"] if remote else ["HEAD"]
    url = hide_credentials(run_git("remote", "get-url", "--push", remote).strip()) if remote else None
    authors = run_git("log", "--format=%an <%ae>", *commits).splitlines()
    uncommitted = run_git("diff", "--name-only", "HEAD").splitlines()
    # What people said is in git or on no other machine: a log that nobody added counts too.
    uncommitted += run_git("ls-files", "--others", "--exclude-standard", "data/human").splitlines()
    with TemporaryDirectory() as scratch:
        uploads = find_git_uploads(commits, Path(scratch))
        personal = find_personal_data(uploads)
    head = (remote, url, branch, len(authors), sorted(set(authors)))
    return GitPush(*head, *_sum_up(uploads), personal, uncommitted)


def _sum_up(uploads: Sequence[Upload]) -> tuple[int, int, list[Group]]:
    """Return how many uploads there are, their size in bytes, and their groups, the largest first."""
    by_kind: dict[str, list[Upload]] = defaultdict(list)
    for upload in uploads:
        by_kind[upload.kind].append(upload)
    groups = []
    for kind, same_kind in by_kind.items():
        paths = sorted({path for upload in same_kind for path in upload.paths})
        groups.append(Group(kind, len(same_kind), sum(upload.size_bytes for upload in same_kind), paths))
    groups.sort(key=lambda group: (-group.bytes, group.kind))
    return len(uploads), sum(group.bytes for group in groups), groups


def _find_obstacles(dvc: DvcPush, git: GitPush) -> list[str]:
    """Return problems that would make the shared files useless to others, or reveal a key."""
    obstacles = []
    if dvc.remote is None:
        obstacles.append("DVC has no remote: `dvc remote add --default NAME ADDRESS`, see docs/SHARING.md")
    if git.remote is None:
        obstacles.append("git has no remote to push to: `git remote add origin ADDRESS`")
    if changed := [path for path in git.uncommitted if path in ("dvc.lock", ".dvc/config")]:
        obstacles.append(
            f"{' and '.join(changed)} changed since the last commit: others need it, commit it first"
        )
    return [*obstacles, *_list_credentials(git)]


def _list_credentials(git: GitPush) -> list[str]:
    return [
        f"a commit holds credentials ({', '.join(found.examples)} in {', '.join(found.files)}): take them "
        "out of the history, change them, and set them with `dvc remote modify --local`"
        for found in git.personal_data
        if found.kind == CREDENTIALS
    ]


def format_sharing(sharing: Sharing) -> str:
    """Return what each of the two pushes would share, what in it is personal, and the obstacles, as text."""
    dvc, git = sharing.dvc, sharing.git
    dvc_remote = (dvc.remote.name, dvc.remote.url) if dvc.remote else (None, None)
    lines = [
        f"`dvc push` {_format_remote(*dvc_remote)}: "
        f"{_count(dvc.files, 'file', 'files')}, {format_size(dvc.bytes)}",
        *_format_contents(dvc.groups, dvc.personal_data),
    ]
    if dvc.absent:
        lines.append(f"neither here nor on the remote: {_shorten(dvc.absent)}")
    versions = _count(git.files, "version of a file", "versions of files")
    lines += [
        "",
        f"`git push` of {git.branch} {_format_remote(git.remote, git.url)}: "
        f"{_count(git.commits, 'commit', 'commits')}, {versions}, {format_size(git.bytes)}",
        *([f"  by {', '.join(git.authors)}"] if git.authors else []),
        *_format_contents(git.groups, git.personal_data),
    ]
    if git.uncommitted:
        lines.append(f"not committed, so not shared: {_shorten(git.uncommitted)}")
    if sharing.obstacles:
        lines += ["", "before sharing:", *(f"- {obstacle}" for obstacle in sharing.obstacles)]
    return "\n".join(lines)


def format_size(size_bytes: int) -> str:
    """Return a size with a suitable unit."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"


def _format_remote(name: str | None, url: str | None) -> str:
    return f"to {name} ({url})" if name else "(no remote yet)"


def _format_contents(groups: Sequence[Group], personal_data: Sequence[PersonalData]) -> Iterator[str]:
    width = max((len(group.kind) for group in groups), default=0)
    for group in groups:
        yield f"  {group.kind:<{width}}  {format_size(group.bytes):>8}  {_shorten(group.paths)}"
    if personal_data:
        yield "  personal data in it:"
    for data in personal_data:
        examples = f", as {'; '.join(data.examples)}" if data.examples else ""
        yield f"  - {data.kind}: {data.count}{examples}"
        yield f"      in {_shorten(data.files)}"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _shorten(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _MOST_FILES} more" if len(paths) > _MOST_FILES else ""
    return ", ".join(paths[:_MOST_FILES]) + more
