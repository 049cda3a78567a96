"""List every folder of a library once, with its files."""

import fnmatch
import os
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from vibe_photos.scan.files import FileStamp, take_stamp

NamePredicate = Callable[[bytes], str | None]
"""Which of several patterns matches a whole name; None if none does."""

_WILDCARDS = set("*?[")

NameKind = Literal["photo", "cut", "other"]


@dataclass(slots=True)
class Folder:
    """One folder: its path is bytes relative to the library's root (the root is `b""`), names are bytes.

    `files` are those that may be photos by their names, each with its stamp (None for a broken link). The
    others are counted in `other_files`, by ending; `examples` has one name for each ending. `raw_beside`
    counts those of them that are RAW files beside a photo of the same name. `skipped` counts folders and
    files by the pattern that they match. `error` is why the folder cannot be listed; then everything else is
    empty.
    """

    path: bytes
    files: dict[bytes, FileStamp | None] = field(default_factory=dict)
    folders: list[bytes] = field(default_factory=list)
    linked_folders: list[bytes] = field(default_factory=list)
    other_files: Counter[str] = field(default_factory=Counter)
    raw_beside: Counter[str] = field(default_factory=Counter)
    examples: dict[str, bytes] = field(default_factory=dict)
    skipped: Counter[str] = field(default_factory=Counter)
    error: OSError | None = None


RAW_ENDINGS = frozenset(
    re.findall(
        r"\w+",
        "3fr ari arw bay cr2 cr3 crw dcr dng erf fff iiq k25 kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl "
        "sr2 srf srw x3f",
    )
)


def walk_folders(root: bytes, extensions: Sequence[str], skip_names: Sequence[str]) -> Iterator[Folder]:
    """Yield every folder from `root` down, each once, even if several links lead to it.

    Extensions, and names of folders and files to skip, are shell patterns, in any case. Links to folders are
    followed after all real folders, so that a photo's path is its real one. Folders are identified by device
    and inode, so loops of links end. The order depends only on names.
    """
    tell_kind, find_skipped = match_extensions(extensions), match_names(skip_names)
    real, linked, seen = [b""], deque[bytes](), set[tuple[int, int]]()
    while real or linked:
        path = real.pop() if real else linked.popleft()
        try:
            status = os.stat(os.path.join(root, path))
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            folder = _list_folder(root, path, tell_kind, find_skipped)
        except OSError as error:
            folder = Folder(path, error=error)
        real.extend(sorted(folder.folders, reverse=True))
        linked.extend(sorted(folder.linked_folders))
        yield folder


def _list_folder(
    root: bytes, path: bytes, tell_kind: Callable[[bytes], NameKind], find_skipped: NamePredicate
) -> Folder:
    folder, others = Folder(path), list[bytes]()
    with os.scandir(os.path.join(root, path)) as entries:
        for entry in entries:
            if (pattern := find_skipped(entry.name)) is not None:
                folder.skipped[pattern] += 1
            elif _is_folder(entry):
                into = folder.linked_folders if entry.is_symlink() else folder.folders
                into.append(os.path.join(path, entry.name))
            elif (kind := tell_kind(entry.name)) == "other":
                others.append(entry.name)
            else:
                try:
                    folder.files[entry.name] = take_stamp(entry.stat())
                except OSError:
                    if kind == "photo":
                        folder.files[entry.name] = None
                    else:
                        others.append(entry.name)
    raw = [name for name in others if get_ending(name) in RAW_ENDINGS]
    stems = {_get_stem(name) for name in folder.files} if raw else set[bytes]()
    folder.raw_beside.update(get_ending(name) for name in raw if _get_stem(name) in stems)
    for name in sorted(others):
        ending = get_ending(name)
        folder.other_files[ending] += 1
        folder.examples.setdefault(ending, name)
    return folder


def _is_folder(entry: os.DirEntry[bytes]) -> bool:
    try:
        return entry.is_dir()
    # A link to itself, or into a folder without permission.
    except OSError:
        return False


def _get_stem(name: bytes) -> bytes:
    return name.rpartition(b".")[0].lower()


def get_ending(name: bytes) -> str:
    """Return what follows the last dot of a name, in lower case; empty if there is none."""
    _, dot, ending = name.rpartition(b".")
    return os.fsdecode(ending).lower() if dot else ""


def match_extensions(patterns: Sequence[str]) -> Callable[[bytes], NameKind]:
    """Return a function that tells what a name's ending says, in any case.

    `photo`: it is one of the extensions (a leading dot is allowed). `cut`: it is the beginning of one, or
    there is none: Google Takeout cuts long names, and old Macs had no extensions. Otherwise `other`.
    """
    patterns = [pattern.lower().removeprefix(".") for pattern in patterns]
    find = match_names(patterns)
    beginnings = {pattern[:length] for pattern in patterns for length in range(len(pattern))}
    known: dict[bytes, NameKind] = {}

    def tell_kind(name: bytes) -> NameKind:
        _, dot, cased = name.rpartition(b".")
        ending = cased if dot else b""
        if ending not in known:
            is_photo = find(ending) is not None
            is_cut = os.fsdecode(ending).lower() in beginnings
            known[ending] = "photo" if is_photo else "cut" if is_cut else "other"
        return known[ending]

    return tell_kind


def match_names(patterns: Sequence[str]) -> NamePredicate:
    """Return a function that says which of the shell patterns matches a whole name, in any case."""
    plain = {os.fsencode(pattern).lower(): pattern for pattern in patterns if not _WILDCARDS & set(pattern)}
    others = [pattern for pattern in patterns if _WILDCARDS & set(pattern)]
    either = re.compile(
        b"|".join(b"(%s)" % os.fsencode(fnmatch.translate(pattern)) for pattern in others) or rb"(?!)",
        re.IGNORECASE,
    ).match

    def find(name: bytes) -> str | None:
        found = either(name)
        return others[(found.lastindex or 1) - 1] if found else plain.get(name.lower())

    return find
