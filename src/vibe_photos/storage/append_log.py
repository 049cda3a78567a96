"""An append-only file of lines: one writer, whole lines, nothing lost by a crash."""

import fcntl
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from vibe_photos.errors import StoreError
from vibe_photos.storage.files import fsync_path

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 1 << 16


class AppendLog:
    """An append-only file of lines with one writer at a time.

    Opening takes an OS lock (released even if the process is killed). If a crash left an incomplete last
    line, that is moved to `<name>.torn`. A line is safe once `sync` has returned after `append`.

    Raises:
        StoreError: another process holds the log, or it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._broken_by: OSError | None = None
        try:
            self._descriptor = _open_locked(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}") from None
        try:
            self._size_bytes = self._repair_tail()
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, line: bytes) -> int:
        """Write one line (given without its end) in one write; return the offset where it starts.

        Raises:
            StoreError: the disk is full or fails; the log is unchanged and accepts no more lines.
        """
        if b"\n" in line:
            raise ValueError("a line holds no line end")
        self._refuse_if_broken()
        offset = self._size_bytes
        try:
            self._write(line + b"\n")
        except OSError as error:
            try:
                os.ftruncate(self._descriptor, offset)
            except OSError:
                logger.warning("%s ends in half a line; the next run moves it to a .torn file", self.path)
            raise self._broken(error) from None
        self._size_bytes += len(line) + 1
        return offset

    def sync(self) -> None:
        """Wait until everything appended so far is on disk. May run in another thread than `append`.

        Raises:
            StoreError: the disk failed. Lines since the last sync may be lost, and the log accepts no more:
                after a failed fsync, a second one may succeed without having written the data.
        """
        self._refuse_if_broken()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._broken(error) from None

    @property
    def is_broken(self) -> bool:
        """Whether the disk failed: the log accepts no more lines until it is opened again."""
        return self._broken_by is not None

    def is_in_place(self) -> bool:
        """Return whether the path is still the open file, complete; false if closed.

        Git replaces files: lines appended to the old file would be lost.
        """
        if self._descriptor < 0 or not _is_at(self.path, self._descriptor):
            return False
        return os.fstat(self._descriptor).st_size >= self._size_bytes

    def read_line(self, offset: int) -> bytes:
        """Return the line that starts at `offset`, without its end."""
        parts: list[bytes] = []
        while block := os.pread(self._descriptor, 4096, offset):
            line, end, _ = block.partition(b"\n")
            parts.append(line)
            if end:
                break
            offset += len(block)
        return b"".join(parts)

    def close(self) -> None:
        """Release the lock, without fsync; an empty file is deleted, because git would show it."""
        if self._descriptor >= 0:
            if os.fstat(self._descriptor).st_size == 0 and _is_at(self.path, self._descriptor):
                self.path.unlink()
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written < len(data):  # the disk is full: the next write raises the reason
            rest = os.write(self._descriptor, data[written:])
            if written + rest < len(data):
                raise OSError(0, "the line could only be written in part")

    def _broken(self, error: OSError) -> StoreError:
        self._broken_by = self._broken_by or error
        return StoreError(
            f"{self.path} cannot be written: {self._broken_by.strerror}. Everything written before is safe; "
            "free some space or fix the disk, then run the same again"
        )

    def _refuse_if_broken(self) -> None:
        if self._broken_by:
            raise self._broken(self._broken_by)

    def _repair_tail(self) -> int:
        """Move an incomplete last line to `<name>.torn`; return the size of the whole lines in bytes."""
        size_bytes = os.fstat(self._descriptor).st_size
        whole_bytes = _end_of_last_line(self._descriptor, size_bytes)
        if whole_bytes < size_bytes:
            torn = self.path.with_name(self.path.name + ".torn")
            with torn.open("ab") as file:
                file.write(os.pread(self._descriptor, size_bytes - whole_bytes, whole_bytes) + b"\n")
            fsync_path(torn)
            fsync_path(torn.parent)
            os.ftruncate(self._descriptor, whole_bytes)
            os.fsync(self._descriptor)
            logger.warning("%s ended in half a line; it was moved to %s", self.path, torn.name)
        return whole_bytes


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield `(offset, line without its end)` of a log's whole lines; needs no lock."""
    offset = 0
    with path.open("rb", buffering=1 << 20) as file:
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield offset, line[:-1]
            offset += len(line)


def _open_locked(path: Path) -> int:
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(path, descriptor):  # else the previous holder has just deleted its empty log
                fsync_path(path.parent)
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise StoreError(f"{path} is held by another run; wait for its end or stop it") from None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _end_of_last_line(descriptor: int, size_bytes: int) -> int:
    end = size_bytes
    while end > 0:
        start = max(0, end - _BLOCK_BYTES)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
