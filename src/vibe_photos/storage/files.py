"""Atomic writes: after a crash, a file or folder is either the complete old one or the complete new one."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import msgspec

_BUFFER_BYTES = 1 << 20


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

    On an error the temporary file is deleted and `path` is unchanged. Its name is short, because that of
    `path` may be as long as the file system allows.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{crc32(os.fsencode(path.name)):08x}.{os.getpid()}.tmp")
    try:
        yield temporary
        fsync_path(temporary)
        os.replace(temporary, path)
        fsync_path(path.parent)
    finally:
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
    write_bytes(path, msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")


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
