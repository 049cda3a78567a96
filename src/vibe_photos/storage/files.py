"""Atomic writes: after a crash, a file or folder is either the complete old one or the complete new one."""

import errno
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import msgspec

from vibe_photos.errors import StoreError

_BUFFER_BYTES = 1 << 20


class _DiskFull(StoreError):
    """Names files that could not be written; of temporary ones, their caller names what they are for."""


def fsync_path(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; after the block, fsync it and rename it to `path`.

    On an error the temporary file is deleted and `path` is unchanged.

    Raises:
        StoreError: the disk is full.
    """
    with replace_together(path) as (temporary,):
        yield temporary


@contextmanager
def replace_together(*paths: Path) -> Iterator[list[Path]]:
    """Yield a temporary path next to each of `paths`; after the block, fsync all of them, then rename them.

    On an error the temporary files are deleted. Renaming needs no room on the disk, so a full one leaves all
    of `paths` as they were; after a power cut during the renaming, some may be new and others old.

    Raises:
        StoreError: the disk is full.
    """
    # The name is short, because that of `path` may be as long as the file system allows.
    names = (f".{crc32(os.fsencode(path.name)):08x}.{os.getpid()}.tmp" for path in paths)
    temporaries = [path.with_name(name) for path, name in zip(paths, names, strict=True)]
    try:
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        yield temporaries
        for temporary in temporaries:
            fsync_path(temporary)
        for temporary, path in zip(temporaries, paths, strict=True):
            os.replace(temporary, path)
        for folder in {path.parent for path in paths}:
            fsync_path(folder)
    except (OSError, _DiskFull) as error:
        if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise _DiskFull(
            f"{' and '.join(map(str, paths))} cannot be written: the disk is full. What was there before is "
            "unchanged: free some space and run the same command again"
        ) from None
    finally:
        for temporary in temporaries:
            temporary.unlink(missing_ok=True)


@contextmanager
def open_atomically(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing; it replaces `path` in one step if the block ends without an error."""
    with replace_atomically(path) as temporary, temporary.open("wb", buffering=_BUFFER_BYTES) as file:
        yield file


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` in one step."""
    with open_atomically(path) as file:
        file.write(data)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` by `value` as indented JSON in the given key order, with a final newline."""
    write_bytes(path, format_json(value))


def round_metric(value: float | None) -> float | None:
    """Round to the 4 decimals of every metrics file and plot; None and NaN (a share of nothing) give None.

    First to 12 decimals: a figure that lies half-way, as 27/32 does, is otherwise rounded up or down by the
    last bit of a sum, which another processor may compute differently. Zero has no sign, for the same reason.
    """
    return None if value is None or math.isnan(value) else round(round(float(value), 12), 4) + 0.0


def format_json(value: Any) -> bytes:
    """Return `value` as indented JSON in the given key order, with a final newline."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace `folder` by one with these files; on an error the old folder is kept or restored."""
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    replaced = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    try:
        for name, content in sorted(files.items()):
            write_bytes(temporary / name, content)
        if folder.exists():
            folder.rename(replaced)
        try:
            temporary.rename(folder)
        except OSError:
            if replaced.exists():
                replaced.rename(folder)
            raise
        fsync_path(folder.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(replaced, ignore_errors=True)
