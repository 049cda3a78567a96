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
    """What was found in the folders that changed, by folder and name, and what reading it cost.

    A folder that is not here is as the cache has it.
    """

    folders: dict[bytes, Findings] = field(default_factory=dict)
    read_files: int = 0
    read_bytes: int = 0
    io_errors: int = 0
    unsaved: set[bytes] = field(default_factory=set)


def inspect_folders(
    root: bytes, folders: Sequence[Folder], content_hash: HashName, cache: StatCache
) -> Inspection:
    """Find out what every file of `folders` is, reading only those that the cache does not know.

    What was found is put into the cache every few seconds and at the end, also of a scan that is stopped.

    Raises:
        LibraryError: the device is gone, or gives errors for more than a few files.
    """
    changed = [folder for folder in folders if not cache.has_all(folder.path, folder.files)]
    inspection = Inspection({folder.path: _find_known(folder, cache) for folder in changed})
    inspection.unsaved.update(inspection.folders)
    unread = [
        (folder.path, name)
        for folder in changed
        for name in sorted(folder.files.keys() - inspection.folders[folder.path].keys())
    ]
    saved_at = time.monotonic()
    try:
        for place, finding in _inspect_in_threads(root, unread, content_hash):
            _add_finding(inspection, place, finding)
            if time.monotonic() - saved_at > _SAVE_EVERY_SECONDS:
                _save(changed, inspection, cache)
                _log.info("read %d of %d files", inspection.read_files, len(unread))
                saved_at = time.monotonic()
    finally:
        _save(changed, inspection, cache)
    cache.forget_folders_except({folder.path for folder in folders})
    return inspection


def _find_known(folder: Folder, cache: StatCache) -> Findings:
    """Return the cached findings of the files whose stamp is still the same."""
    cached = cache.read_folder(folder.path)
    stamped = ((name, stamp, cached.get(name)) for name, stamp in folder.files.items())
    return {name: finding for name, stamp, finding in stamped if finding and finding.stamp == stamp}


def _add_finding(inspection: Inspection, place: FilePlace, finding: FileFinding) -> None:
    path, name = place
    inspection.folders[path][name] = finding
    inspection.unsaved.add(path)
    inspection.read_files += 1
    inspection.read_bytes += finding.stamp.size_bytes
    inspection.io_errors += finding.error_number == errno.EIO
    if finding.error_number in _DEVICE_GONE or inspection.io_errors > _MAX_IO_ERRORS:
        raise _device_error(path, name, finding)


def _save(changed: Sequence[Folder], inspection: Inspection, cache: StatCache) -> None:
    """Put into the cache what is known by now, in the order of the folders' listings."""
    known = {}
    for folder in changed:
        if folder.path not in inspection.unsaved:
            continue
        findings = inspection.folders[folder.path]
        known[folder.path] = {name: findings[name] for name in folder.files if name in findings}
    cache.write_folders(known)
    inspection.unsaved.clear()


def _inspect_in_threads(
    root: bytes, unread: list[FilePlace], content_hash: HashName
) -> Iterator[tuple[FilePlace, FileFinding]]:
    """Yield every file's finding in the given order; reading and hashing leave the interpreter free."""
    batches = [unread[start : start + _BATCH_FILES] for start in range(0, len(unread), _BATCH_FILES)]

    def inspect_batch(batch: list[FilePlace]) -> list[FileFinding]:
        buffer = bytearray(BUFFER_BYTES)
        return [inspect_file(os.path.join(root, *place), content_hash, buffer) for place in batch]

    with ThreadPoolExecutor(_THREADS, thread_name_prefix="scan") as pool:
        try:
            for batch, findings in zip(batches, pool.map(inspect_batch, batches), strict=True):
                yield from zip(batch, findings, strict=True)
        finally:
            pool.shutdown(cancel_futures=True)


def _device_error(path: bytes, name: bytes, finding: FileFinding) -> LibraryError:
    place = path_to_text(os.path.join(path, name))
    return LibraryError(
        f"reading the photo library broke off at {place}: {finding.detail}. The manifest is left as it was. "
        "Check the disk, cable or mount of library.root and run again: what was read is not read again. "
        "If the disk has bad places, move the files that it cannot read out of the library."
    )
