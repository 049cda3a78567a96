"""What all files of a library are: known from earlier scans, or read now, several at a time."""

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vibe_photos.errors import LibraryError
from vibe_photos.library.content_hash import BUFFER_BYTES, HashName
from vibe_photos.library.file_inspection import FileFinding, inspect_file
from vibe_photos.library.folder_walk import Folder
from vibe_photos.library.photos import path_to_text
from vibe_photos.library.stat_cache import Findings, StatCache

_log = logging.getLogger(__name__)

_THREADS = min(4, os.cpu_count() or 1)
_BATCH_FILES = 32
_SAVE_EVERY_SECONDS = 10.0
_DEVICE_GONE = {errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN}
_MAX_IO_ERRORS = 10

FilePlace = tuple[bytes, bytes]
"""A file's folder, relative to the library's root, and its name."""


@dataclass(slots=True)
class Inspection:
    """The findings of all folders, by folder and name, and what reading the unknown files cost."""

    folders: dict[bytes, Findings] = field(default_factory=dict)
    read_files: int = 0
    read_bytes: int = 0


def inspect_folders(
    root: bytes, folders: Sequence[Folder], content_hash: HashName, cache: StatCache
) -> Inspection:
    """Find out what every file of `folders` is, reading only those that the cache does not know.

    What was found is put into the cache every few seconds and at the end, also of a scan that is stopped.

    Raises:
        LibraryError: the device is gone, or gives errors for more than a few files.
    """
    inspection = Inspection()
    changed: set[bytes] = set()
    unread: list[FilePlace] = []
    for folder in folders:
        cached = cache.read_folder(folder.path)
        known, unknown = _match_findings(folder, cached)
        inspection.folders[folder.path] = known
        unread += [(folder.path, name) for name in unknown]
        if len(known) != len(cached):
            changed.add(folder.path)
    try:
        _read_files(root, unread, content_hash, inspection, changed, cache)
    finally:
        _save(inspection, changed, cache)
    cache.forget_folders_except(inspection.folders.keys())
    return inspection


def _match_findings(folder: Folder, cached: Findings) -> tuple[Findings, list[bytes]]:
    """Part a folder's files into those whose stamp is the cached one, and the names of the others."""
    known: Findings = {}
    unknown = []
    for name, stamp in folder.files.items():
        finding = cached.get(name)
        if finding is not None and finding.stamp == stamp:
            known[name] = finding
        else:
            unknown.append(name)
    return known, sorted(unknown)


def _read_files(
    root: bytes,
    unread: list[FilePlace],
    content_hash: HashName,
    inspection: Inspection,
    changed: set[bytes],
    cache: StatCache,
) -> None:
    io_errors = 0
    saved_at = time.monotonic()
    for (path, name), finding in _inspect_in_threads(root, unread, content_hash):
        inspection.folders[path][name] = finding
        inspection.read_files += 1
        inspection.read_bytes += finding.stamp.size_bytes
        changed.add(path)
        io_errors += finding.error_number == errno.EIO
        if finding.error_number in _DEVICE_GONE or io_errors > _MAX_IO_ERRORS:
            raise _device_error(path, name, finding)
        if time.monotonic() - saved_at > _SAVE_EVERY_SECONDS:
            _save(inspection, changed, cache)
            _log.info("read %d of %d files", inspection.read_files, len(unread))
            saved_at = time.monotonic()


def _save(inspection: Inspection, changed: set[bytes], cache: StatCache) -> None:
    cache.write_folders({path: inspection.folders[path] for path in sorted(changed)})
    changed.clear()


def _inspect_in_threads(
    root: bytes, unread: list[FilePlace], content_hash: HashName
) -> Iterator[tuple[FilePlace, FileFinding]]:
    """Yield every file's finding in the given order; reading and hashing leave the interpreter free."""

    def inspect_batch(start: int) -> list[FileFinding]:
        buffer = bytearray(BUFFER_BYTES)
        batch = unread[start : start + _BATCH_FILES]
        return [inspect_file(os.path.join(root, *place), content_hash, buffer) for place in batch]

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="scan") as pool:
        starts = range(0, len(unread), _BATCH_FILES)
        try:
            for start, findings in zip(starts, pool.map(inspect_batch, starts), strict=True):
                yield from zip(unread[start:], findings, strict=False)
        finally:
            pool.shutdown(cancel_futures=True)


def _device_error(path: bytes, name: bytes, finding: FileFinding) -> LibraryError:
    place = path_to_text(os.path.join(path, name))
    return LibraryError(
        f"reading the photo library broke off at {place}: {finding.detail}. The manifest is left as it was. "
        "Check the disk, cable or mount of library.root and run again: what was read is not read again. "
        "If the disk has bad places, move the files that it cannot read out of the library."
    )
