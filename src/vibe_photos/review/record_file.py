"""A large JSON Lines file of which only the offsets of lines are in memory; the fingerprint of a file."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import InputError

T = TypeVar("T")

_BLOCK = 4_096


class RecordFile(Generic[T]):
    """Reads the records of a file one at a time; no file is one without records.

    The file is kept open, so that the offsets stay valid when a repro replaces it.

    Raises:
        InputError: by the first reading of a line that is not a record.
    """

    def __init__(self, path: Path, kind: type[T]) -> None:
        self._path = path
        self._decoder = msgspec.json.Decoder(kind)
        self._descriptor = os.open(path, os.O_RDONLY) if path.exists() else -1

    def read_blocks(self) -> Iterator[tuple[NDArray[np.int64], Sequence[T]]]:
        """Yield the byte offsets of some thousand lines, int64 [n], and their records."""
        lines = self._read_lines()
        while block := list(islice(lines, _BLOCK)):
            offsets = np.array([offset for offset, _ in block], np.int64)
            yield offsets, [self._decode(line) for _, line in block]

    def read(self, offset: int) -> T:
        """Return the record whose line begins at an offset."""
        line = b""
        while b"\n" not in line and (block := os.pread(self._descriptor, _BLOCK, offset + len(line))):
            line += block
        return self._decode(line.partition(b"\n")[0])

    def _read_lines(self) -> Iterator[tuple[int, bytes]]:
        offset, rest = 0, b""
        while self._descriptor >= 0 and (block := os.pread(self._descriptor, 1 << 20, offset + len(rest))):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                if line:
                    yield offset, line
                offset += len(line) + 1

    def _decode(self, line: bytes) -> T:
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{self._path}: {error} in {line[:80]!r}") from None


def fingerprint(path: Path) -> tuple[int, ...]:
    """Return inode, size and modification time, which change when a file is replaced; empty without one."""
    if not path.exists():
        return ()
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns
