"""List every folder of a library once, with its files."""

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

    `files` are those with a photo's extension, each with its stamp (None for a broken link). `other_files`
    counts the others, `skipped_folders` the folders that match a pattern to skip. `error` is why the folder
    cannot be listed; then everything else is empty.
    """

    path: bytes
    files: dict[bytes, FileStamp | None] = field(default_factory=dict)
    folders: list[bytes] = field(default_factory=list)
    linked_folders: list[bytes] = field(default_factory=list)
    other_files: int = 0
    skipped_folders: int = 0
    error: OSError | None = None


def walk_folders(root: bytes, extensions: Sequence[str], skip_folders: Sequence[str]) -> Iterator[Folder]:
    """Yield every folder from `root` down, each once, even if several links lead to it.

    Extensions (any case) and names of folders to skip are shell patterns. Links to folders are followed after
    all real folders, so that a photo's path is its real one. Folders are identified by device and inode, so
    loops of links end. The order depends only on names.
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
    # A link to itself, or into a folder without permission.
    except OSError:
        return False


def match_extensions(patterns: Sequence[str]) -> NamePredicate:
    """Return a predicate: has a file name one of the extensions, in any case? A leading dot is allowed."""
    matches = match_names([pattern.lower().removeprefix(".") for pattern in patterns])
    known: dict[bytes, bool] = {}

    def has_extension(name: bytes) -> bool:
        _, dot, extension = name.rpartition(b".")
        if extension not in known:
            known[extension] = matches(extension.lower())
        return bool(dot) and known[extension]

    return has_extension


def match_names(patterns: Sequence[str]) -> NamePredicate:
    """Return a predicate: does a whole name match one of the shell patterns, case-sensitively?"""
    either = re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns) or r"(?!)")
    return lambda name: either.match(os.fsdecode(name)) is not None
