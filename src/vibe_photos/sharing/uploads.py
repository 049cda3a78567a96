"""The files that `dvc push` and `git push` would upload.

DVC reports what is missing on its remote; details come from `dvc.lock` and the cache. Git uploads every
version of every file in commits that are missing on its remote, as of the last fetch or push.
"""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.lineage import FETCH_ONLY, find_cached_object, read_lock, run_git
from vibe_photos.sharing.addresses import hide_credentials, hide_credentials_in

PHOTOS = "photos"
OTHER = "code and other files"
_KINDS = {
    "data/library": "manifest of the photos",
    "data/annotations": "teacher's answers",
    "data/ground_truth/auto": "labels by the teacher",
    "data/ground_truth": "review sample and splits",
    "data/human": "human truth",
    "data/human/draws": "record of the draws",
    "data/embeddings": "embeddings",
    "models": "heads",
    "data/labels": "labels by the heads",
    "data/eval": "metrics and plots",
    "data/report": "report",
    "data/config": "configuration",
    "conf": "configuration",
    "params.yaml": "configuration",
    "dvc.lock": "configuration",
    "dvc.yaml": "configuration",
    ".dvc": "configuration",
}
_PHOTO_ENDINGS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".heic", ".heif", ".avif"}
)
_OWN_PICTURES = frozenset({"docs/report.png", "docs/review.png"})
"""The pictures in vibe-photos' own documents, which every project has."""


class Remote(msgspec.Struct, frozen=True):
    """Where `dvc push` goes; `url` is without credentials."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A file content that would be uploaded: its paths, its size, and where to read it.

    `content` is None if it need not be inspected.
    """

    paths: tuple[str, ...]
    size_bytes: int
    content: Path | None

    @property
    def kind(self) -> str:
        """The kind of file, for display."""
        return name_kind(self.paths[0])


def name_kind(path: str) -> str:
    """Return the kind of a file by its path; photos are recognised in any folder but for our documents'."""
    pure = PurePosixPath(path)
    if pure.suffix.lower() in _PHOTO_ENDINGS and path not in _OWN_PICTURES:
        return PHOTOS
    if pure.name == ".gitignore":
        return OTHER
    folders = (pure.as_posix(), *(parent.as_posix() for parent in pure.parents))
    return next((_KINDS[folder] for folder in folders if folder in _KINDS), OTHER)


def find_dvc_remote(name: str | None) -> Remote | None:
    """Return DVC's remote of that name, or the default one; None if no default is set.

    Raises:
        InputError: DVC fails, or knows no remote of that name.
    """
    lines = _run_dvc("config", "--list").splitlines()
    config = dict(line.split("=", 1) for line in lines if "=" in line)
    name = name or config.get("core.remote")
    if name is None:
        return None
    url = config.get(f"remote.{name}.url")
    if url is None:
        raise InputError(
            f"no remote is called {name}: `dvc remote list` shows them, docs/SHARING.md adds one"
        )
    return Remote(name, hide_credentials(url))


def find_dvc_uploads(remote: Remote | None) -> tuple[list[Upload], list[str]]:
    """Return what `dvc push` would upload, and the outs that are neither here nor on the remote.

    Without a remote, these are the uploads to an empty one. A content with several paths counts once.

    Raises:
        InputError: DVC fails, cannot reach the remote, or `dvc.lock` cannot be read.
    """
    paths_of: dict[str, list[str]] = defaultdict(list)
    for path, md5 in _list_dvc_objects():
        paths_of[md5].append(path)
    if remote is None:
        status = dict.fromkeys(chain(*paths_of.values()), "new")
    else:
        answer = _run_dvc("status", "--cloud", "--json", "--remote", remote.name)
        status = msgspec.json.decode(answer.strip() or "{}", type=dict[str, str])
    new = {path for path, state in status.items() if state == "new"}
    uploads = []
    for md5, paths in paths_of.items():
        content = find_cached_object(md5)
        if not new.isdisjoint(paths) and content.is_file():
            uploads.append(Upload(tuple(sorted(paths)), content.stat().st_size, content))
        new.difference_update(paths)
    # The others were added with `dvc add`: their hashes are in .dvc files, not in dvc.lock.
    uploads += [Upload((path,), Path(path).stat().st_size, None) for path in new if Path(path).is_file()]
    absent = sorted(path for path, state in status.items() if state == "missing")
    return sorted(uploads, key=lambda upload: upload.paths), absent


def _run_dvc(*arguments: str) -> str:
    """Return the output of a DVC command."""
    command = [sys.executable, "-m", "dvc", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        lines = ended.stderr.strip().splitlines() or ["it gave no reason"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        reason = hide_credentials_in(reason.removeprefix("ERROR: "))
        raise InputError(f"`dvc {' '.join(arguments)}` failed: {reason}")
    return ended.stdout


class _DirectoryEntry(msgspec.Struct, frozen=True):
    md5: str
    relpath: str


def _list_dvc_objects() -> Iterator[tuple[str, str]]:
    """Yield path and hash of each cached out, and of each file in cached folders."""
    in_git = set(run_git("ls-files", "-z").split("\0"))
    outs = [out for stage in read_lock().stages.values() for out in stage.outs]
    for out in outs:
        if not out.md5 or out.path in in_git:
            continue
        yield out.path, out.md5
        listing = find_cached_object(out.md5)
        if out.md5.endswith(".dir") and listing.is_file():
            for entry in msgspec.json.decode(listing.read_bytes(), type=list[_DirectoryEntry]):
                yield f"{out.path}/{entry.relpath}", entry.md5


def find_git_remote(branch: str) -> str | None:
    """Return the remote of `git push` by git's own rules: the branch's remote, `origin`, or the only one.

    A remote that is only fetched from is none of them.
    """
    lines = run_git("config", "--list").splitlines()
    config = dict(line.split("=", 1) for line in lines if "=" in line)
    named = run_git("remote").split()
    remotes = [name for name in named if config.get(f"remote.{name}.pushurl") != FETCH_ONLY]
    for key in (f"branch.{branch}.pushremote", "remote.pushdefault", f"branch.{branch}.remote"):
        if config.get(key) in remotes:
            return config[key]
    return "origin" if "origin" in remotes else remotes[0] if len(remotes) == 1 else None


def find_git_uploads(commits: list[str], scratch: Path) -> list[Upload]:
    """Return each file content of the commits that is missing on the remote.

    Args:
        commits: arguments for `git rev-list`.
        scratch: a temporary folder for versions that must be inspected.
    """
    listed = run_git("rev-list", "--objects", *commits).splitlines()
    named = dict(line.partition(" ")[::2] for line in listed)
    measured = run_git(
        "cat-file", "--batch-check=%(objecttype) %(objectsize) %(objectname)", text="\n".join(named)
    )
    sizes = {blob: int(size) for kind, size, blob in map(str.split, measured.splitlines()) if kind == "blob"}
    read = {blob for blob in sizes if name_kind(named[blob]) not in (PHOTOS, OTHER)}
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
