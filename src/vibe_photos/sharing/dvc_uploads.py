"""What `dvc push` would upload: DVC says what a remote lacks, `dvc.lock` and the cache say the rest."""

import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.lineage import find_cached_object, read_lock
from vibe_photos.sharing.addresses import hide_credentials
from vibe_photos.sharing.git_uploads import run_git
from vibe_photos.sharing.upload import Upload


class Remote(msgspec.Struct, frozen=True):
    """Where `dvc push` goes; `url` is without credentials."""

    name: str
    url: str


@dataclass(frozen=True, slots=True)
class DvcUploads:
    """What `dvc push` would upload, and the outs that are neither here nor on the remote."""

    uploads: list[Upload]
    absent: list[str]


class _DirectoryEntry(msgspec.Struct, frozen=True):
    md5: str
    relpath: str


def find_remote(name: str | None) -> Remote | None:
    """Return the remote of that name, or the default one; None where no default is set.

    Raises:
        InputError: DVC refuses, or knows no remote of that name.
    """
    lines = run_dvc("config", "--list").splitlines()
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


def find_dvc_uploads(remote: Remote | None) -> DvcUploads:
    """Return what `dvc push` would upload to a remote; without one, what it would to an empty one.

    A content that several paths have is uploaded once.

    Raises:
        InputError: DVC refuses, cannot reach the remote, or `dvc.lock` cannot be read.
    """
    paths_of: dict[str, list[str]] = defaultdict(list)
    for path, md5 in _list_objects():
        paths_of[md5].append(path)
    status = _ask_status(remote) if remote else dict.fromkeys(chain(*paths_of.values()), "new")
    new = {path for path, state in status.items() if state == "new"}
    uploads = []
    for md5, paths in paths_of.items():
        content = find_cached_object(md5)
        if not new.isdisjoint(paths) and content.is_file():
            uploads.append(Upload(tuple(sorted(paths)), content.stat().st_size, content))
        new.difference_update(paths)
    # What is left was added with `dvc add`: DVC keeps its hash beside it, not in dvc.lock.
    uploads += [Upload((path,), Path(path).stat().st_size, None) for path in new if Path(path).is_file()]
    absent = [path for path, state in status.items() if state == "missing"]
    return DvcUploads(sorted(uploads, key=lambda upload: upload.paths), sorted(absent))


def run_dvc(*arguments: str) -> str:
    """Return what a DVC command prints.

    Raises:
        InputError: it ends with an error, which is told.
    """
    command = [sys.executable, "-m", "dvc", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        words = ended.stderr.strip().splitlines() or ["it gave no reason"]
        reason = next((line for line in words if line.startswith("ERROR")), words[-1])
        raise InputError(f"`dvc {' '.join(arguments)}` failed: {reason.removeprefix('ERROR: ')}")
    return ended.stdout


def _list_objects() -> Iterator[tuple[str, str]]:
    """Yield path and hash of each out that DVC caches, of a folder also those of the files in it."""
    in_git = set(run_git("ls-files", "-z").split("\0"))
    for stage in read_lock().stages.values():
        for out in stage.outs:
            if out.md5 and out.path not in in_git:
                yield out.path, out.md5
                yield from _list_folder(out.path, out.md5)


def _list_folder(path: str, md5: str) -> Iterator[tuple[str, str]]:
    listing = find_cached_object(md5)
    if md5.endswith(".dir") and listing.is_file():
        for entry in msgspec.json.decode(listing.read_bytes(), type=list[_DirectoryEntry]):
            yield f"{path}/{entry.relpath}", entry.md5


def _ask_status(remote: Remote) -> dict[str, str]:
    """Return DVC's word on each file that is not the same in the cache and on the remote."""
    answer = run_dvc("status", "--cloud", "--json", "--remote", remote.name)
    return msgspec.json.decode(answer.strip() or "{}", type=dict[str, str])
