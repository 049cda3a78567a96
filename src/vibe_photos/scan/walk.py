"""Every folder of a library, once, and what lies in it."""

import fnmatch
import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from vibe_photos.scan.files import FileStamp, take_stamp

NamePredicate = Callable[[bytes], bool]


@dataclass(slots=True)
class Folder:
    """One folder: its path is bytes relative to the library's root (the root is `b""`), names are bytes.

    `files` have a photo's extension, with what the system says of them (None if it says nothing: a
    link to nowhere). `other_files` counts those without, `skipped_folders` the folders that a pattern
    leaves out. `error` is why the folder cannot be listed; then everything else is empty.
    """

    path: bytes
    files: dict[bytes, FileStamp | None] = field(default_factory=dict)
    folders: list[bytes] = field(default_factory=list)
    linked_folders: list[bytes] = field(default_factory=list)
    other_files: int = 0
    skipped_folders: int = 0
    error: OSError | None = None


def walk_folders(root: bytes, extensions: Sequence[str], skip_folders: Sequence[str]) -> Iterator[Folder]:
    """Yield every folder from `root` down, each once however many links lead to it.

    Extensions (any case) and names of folders to skip are shell patterns. Links to folders are followed
    after all real folders, so that a photo's path is its real one, and loops of links end: a folder is
    known by device and inode. The order depends on names alone.
    """
    is_photo, is_skipped = match_extensions(extensions), match_names(skip_folders)
    real, linked, seen = [b""], deque[bytes](), set[tuple[int, int]]()
    while real or linked:
        path = real.pop() if real else linked.popleft()
        try:
            status = os.stat(os.path.join(root, path))
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            folder = _list_folder(root, path, is_photo, is_skipped)
        except OSError as error:
            folder = Folder(path, error=error)
        real.extend(sorted(folder.folders, reverse=True))
        linked.extend(sorted(folder.linked_folders))
        yield folder


def _list_folder(root: bytes, path: bytes, is_photo: NamePredicate, is_skipped: NamePredicate) -> Folder:
    folder = Folder(path)
    with os.scandir(os.path.join(root, path)) as entries:
        for entry in entries:
            if _is_folder(entry):
                if is_skipped(entry.name):
                    folder.skipped_folders += 1
                else:
                    into = folder.linked_folders if entry.is_symlink() else folder.folders
                    into.append(os.path.join(path, entry.name))
            elif not is_photo(entry.name):
                folder.other_files += 1
            else:
                try:
                    folder.files[entry.name] = take_stamp(entry.stat())
                except OSError:
                    folder.files[entry.name] = None
    return folder


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    # A link to itself, or to where nobody may look.
    except OSError:
        return False


def match_extensions(patterns: Sequence[str]) -> NamePredicate:
    """Return whether a file's name has one of the extensions, in any case; a leading dot is allowed."""
    matches = match_names([pattern.lower().removeprefix(".") for pattern in patterns])
    known: dict[bytes, bool] = {}

    def has_extension(name: bytes) -> bool:
        _, dot, extension = name.rpartition(b".")
        if extension not in known:
            known[extension] = matches(extension.lower())
        return bool(dot) and known[extension]

    return has_extension


def match_names(patterns: Sequence[str]) -> NamePredicate:
    """Return whether a name fits one of the shell patterns, whole and in its own case."""
    either = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")
    return lambda name: either.match(os.fsdecode(name)) is not None
