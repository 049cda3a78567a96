"""See what sharing would give away, then share: data first, so that each commit's data can be had."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.sharing.dvc_uploads import Remote, find_dvc_uploads, find_remote
from vibe_photos.sharing.git_uploads import find_git_uploads
from vibe_photos.sharing.inspection import CREDENTIALS
from vibe_photos.sharing.personal_data import PersonalData, find_personal_data
from vibe_photos.sharing.upload import Upload


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
    """What `git push` would share; `uncommitted` files stay here as they are now."""

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
    """What leaves the machine, and what speaks against sharing now."""

    dvc: DvcPush
    git: GitPush
    obstacles: list[str]


def plan_sharing(remote_name: str | None) -> Sharing:
    """Return what `dvc push` and `git push` would share from the current folder, which changes nothing.

    Args:
        remote_name: DVC's remote; None takes the default one.

    Raises:
        InputError: git or DVC refuses, or the remote cannot be reached.
    """
    remote = find_remote(remote_name)
    data = find_dvc_uploads(remote)
    dvc = DvcPush(remote, *_sum_up(data.uploads), find_personal_data(data.uploads), data.absent)
    with TemporaryDirectory() as scratch:
        code = find_git_uploads(Path(scratch))
        git = GitPush(
            code.remote,
            code.url,
            code.branch,
            code.commits,
            code.authors,
            *_sum_up(code.uploads),
            find_personal_data(code.uploads),
            code.uncommitted,
        )
    return Sharing(dvc, git, _find_obstacles(dvc, git))


def push_all(sharing: Sharing) -> None:
    """Run `dvc push`, then `git push`.

    Raises:
        InputError: something speaks against it, or one of the two fails.
    """
    if sharing.obstacles or not sharing.dvc.remote or not sharing.git.remote:
        raise InputError("nothing was shared: " + "; ".join(sharing.obstacles))
    _run([sys.executable, "-m", "dvc", "push", "--remote", sharing.dvc.remote.name], "dvc push")
    _run(["git", "push", sharing.git.remote, sharing.git.branch], "git push")


def _sum_up(uploads: Sequence[Upload]) -> tuple[int, int, list[Group]]:
    by_kind: dict[str, list[Upload]] = defaultdict(list)
    for upload in uploads:
        by_kind[upload.kind].append(upload)
    groups = [
        Group(
            kind,
            len(of_kind),
            sum(upload.size_bytes for upload in of_kind),
            sorted({path for upload in of_kind for path in upload.paths}),
        )
        for kind, of_kind in by_kind.items()
    ]
    groups.sort(key=lambda group: (-group.bytes, group.kind))
    return len(uploads), sum(upload.size_bytes for upload in uploads), groups


def _find_obstacles(dvc: DvcPush, git: GitPush) -> list[str]:
    """Return what would make the shared thing useless to others, or give away a key."""
    obstacles = []
    if dvc.remote is None:
        obstacles.append("DVC has no remote: `dvc remote add --default NAME ADDRESS`, see docs/SHARING.md")
    if git.remote is None:
        obstacles.append("git has no remote to push to: `git remote add origin ADDRESS`")
    if changed := [path for path in git.uncommitted if path in ("dvc.lock", ".dvc/config")]:
        obstacles.append(
            f"{' and '.join(changed)} changed since the last commit: others need it, commit it first"
        )
    for found in git.personal_data:
        if found.kind == CREDENTIALS:
            obstacles.append(
                f"a commit holds credentials ({', '.join(found.examples)} in {', '.join(found.files)}): take "
                "them out of the history, change them, and set them with `dvc remote modify --local`"
            )
    return obstacles


def _run(command: list[str], name: str) -> None:
    ended = subprocess.run(command, check=False)
    if ended.returncode:
        raise InputError(f"`{name}` failed; what it said stands above")
