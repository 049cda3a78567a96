"""What `git push` would share: every commit that the remote lacks, with every version of every file in them.

What the remote has is taken from its remote-tracking branches, so it is as of the last fetch or push.
"""

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.sharing.addresses import hide_credentials
from vibe_photos.sharing.upload import OTHER, PHOTOS, Upload, name_kind

_NEVER_READ = (PHOTOS, OTHER)


@dataclass(frozen=True, slots=True)
class GitUploads:
    """What `git push` of the current branch would share.

    `remote` and `url` are None where no remote is set. `authors` are names with addresses. `uncommitted`
    are files that git tracks and that differ from the last commit: they stay here.
    """

    remote: str | None
    url: str | None
    branch: str
    commits: int
    authors: list[str]
    uploads: list[Upload]
    uncommitted: list[str]


def find_git_uploads(scratch: Path) -> GitUploads:
    """Return what `git push` would share; versions that are to be read are written to the folder `scratch`.

    Raises:
        InputError: this is no git repository, or it has no commit.
    """
    branch = run_git("rev-parse", "--abbrev-ref", "HEAD").strip()
    remote = _find_remote(branch)
    commits = ["HEAD", "--not", f"--remotes={remote}"] if remote else ["HEAD"]
    authors = run_git("log", "--format=%an <%ae>", *commits).splitlines()
    return GitUploads(
        remote=remote,
        url=hide_credentials(run_git("remote", "get-url", "--push", remote).strip()) if remote else None,
        branch=branch,
        commits=len(authors),
        authors=sorted(set(authors)),
        uploads=_list_versions(commits, scratch),
        uncommitted=run_git("diff", "--name-only", "HEAD").splitlines(),
    )


def run_git(*arguments: str, text: str | None = None) -> str:
    """Return what a git command prints.

    Raises:
        InputError: it ends with an error, which is told.
    """
    try:
        ended = subprocess.run(
            ["git", "-c", "core.quotePath=false", *arguments],
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except FileNotFoundError:
        raise InputError("git is not installed, and a project is shared by git") from None
    if ended.returncode:
        raise InputError(f"`git {' '.join(arguments)}` failed: {ended.stderr.strip()}")
    return ended.stdout


def _find_remote(branch: str) -> str | None:
    """Return where `git push` goes by git's own rules: the branch's remote, `origin`, or the only one."""
    remotes = run_git("remote").split()
    configured = dict(
        line.partition("=")[::2] for line in run_git("config", "--list").splitlines() if "=" in line
    )
    for key in (f"branch.{branch}.pushremote", "remote.pushdefault", f"branch.{branch}.remote"):
        if configured.get(key) in remotes:
            return configured[key]
    return "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else None


def _list_versions(commits: list[str], scratch: Path) -> list[Upload]:
    """Return each file content in the commits that no commit of the remote has."""
    listed = run_git("rev-list", "--objects", *commits).splitlines()
    named = dict(line.partition(" ")[::2] for line in listed)
    measured = run_git(
        "cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)", text="\n".join(named)
    )
    sizes = {blob: int(size) for kind, size, blob in map(str.split, measured.splitlines()) if kind == "blob"}
    read = {blob for blob in sizes if name_kind(named[blob]) not in _NEVER_READ}
    _write_versions(read, scratch)
    versions = [
        Upload((named[blob],), size, scratch / blob if blob in read else None) for blob, size in sizes.items()
    ]
    return sorted(versions, key=lambda upload: upload.paths)


def _write_versions(blobs: Iterable[str], scratch: Path) -> None:
    command = ["git", "cat-file", "--batch=%(objectname) %(objectsize)"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        assert git.stdin
        assert git.stdout
        for blob in blobs:
            git.stdin.write(f"{blob}\n".encode())
            git.stdin.flush()
            size = int(git.stdout.readline().split()[1])
            (scratch / blob).write_bytes(git.stdout.read(size + 1)[:-1])
        git.stdin.close()
