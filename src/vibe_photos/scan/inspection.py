"""Inspect every file of a library: use the cache of earlier scans, and read the others in threads.

If the disk goes away, the scan stops, so that its photos do not count as deleted. One folder that cannot be
read stops nothing: the photos that an earlier scan found in it are kept.
"""

import errno
import logging
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import HashName, PhotoProblem, path_to_text
from vibe_photos.scan.files import BUFFER_BYTES, FileFinding, inspect_file
from vibe_photos.scan.left_out import readable_extensions
from vibe_photos.scan.stat_cache import Findings, StatCache
from vibe_photos.scan.walk import Folder, walk_folders
from vibe_photos.settings import Library

_log = logging.getLogger(__name__)

HOW_TO_SET_ROOT = "mount it, or set library.root in params.yaml to the folder of your photos"

_THREADS = min(4, os.cpu_count() or 1)
_BATCH_FILES = 32
_SAVE_EVERY_SECONDS = 10.0
_DEVICE_GONE = {errno.ENODEV, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.ENETDOWN}
_MAX_IO_ERRORS = 10

FilePlace = tuple[bytes, bytes]
"""A file's folder, relative to the library's root, and its name."""


@dataclass(slots=True)
class Inspection:
    """All folders of a library that can be read, the findings for their files, and how much was read.

    `closed_folders` are those that cannot be read. `changed` has the findings of folders that differ from
    the cache; those of other folders are read from the cache when needed.
    """

    folders: list[Folder]
    closed_folders: list[PhotoProblem]
    changed: dict[bytes, Findings]
    read_files: int = 0
    read_bytes: int = 0
    io_errors: int = 0
    unsaved: set[bytes] = field(default_factory=set)

    def list_findings(self, cache: StatCache) -> Iterator[tuple[str, FileFinding]]:
        """Yield each file's `rel_path` and finding."""
        for folder in self.folders:
            changed = self.changed.get(folder.path)
            findings = cache.read_folder(folder.path) if changed is None else changed
            prefix = f"{path_to_text(folder.path)}/" if folder.path else ""
            for name, finding in findings.items():
                yield prefix + path_to_text(name), finding


def inspect_library(library: Library, cache: StatCache) -> Inspection:
    """Inspect every file of a library, reading only those that are not in the cache.

    Findings are saved in the cache every few seconds and at the end, also if the scan is stopped.

    Raises:
        LibraryError: the root does not exist or cannot be read, or became unreadable during the scan.
    """
    root = os.fsencode(library.root)
    identity = _identify_root(library.root)
    walked = list(walk_folders(root, readable_extensions(library.extensions), library.skip_names))
    closed = [_make_folder_problem(folder, error) for folder in walked if (error := _tell_error(folder))]
    folders = [folder for folder in walked if not folder.error]
    io_errors = sum(folder.error is not None and folder.error.errno == errno.EIO for folder in walked)
    changed = {
        folder.path: _find_known(folder, cache)
        for folder in folders
        if not cache.has_all(folder.path, folder.files)
    }
    inspection = Inspection(folders, closed, changed, io_errors=io_errors, unsaved=set(changed))
    try:
        _read_unknown_files(root, library.content_hash, inspection, cache)
    finally:
        _save(inspection, cache)
    if not closed:
        cache.forget_folders_except({folder.path for folder in folders})
    if _identify_root(library.root) != identity:
        raise LibraryError(f"library.root {library.root} was unmounted during the scan: {HOW_TO_SET_ROOT}")
    return inspection


def _identify_root(root: str) -> tuple[int, int]:
    """Return the identity of the root folder, which changes if its file system is unmounted.

    Raises:
        LibraryError: it does not exist, is not a folder or cannot be opened.
    """
    try:
        status = os.stat(root)
        with os.scandir(root):
            return status.st_dev, status.st_ino
    except FileNotFoundError:
        raise LibraryError(f"library.root {root} does not exist: {HOW_TO_SET_ROOT}") from None
    except OSError as error:
        raise LibraryError(f"library.root {root} cannot be read as a folder: {error.strerror}") from None


def _tell_error(folder: Folder) -> OSError | None:
    """Return why a folder cannot be read; None if it can, or was deleted since it was listed."""
    is_gone = folder.path and isinstance(folder.error, FileNotFoundError | NotADirectoryError)
    return None if is_gone else folder.error


def _make_folder_problem(folder: Folder, error: OSError) -> PhotoProblem:
    """Return a problem record for a folder that cannot be read.

    Raises:
        LibraryError: it is the root, or the disk went away.
    """
    place = path_to_text(folder.path)
    if folder.path and error.errno not in _DEVICE_GONE:
        detail = f"{error.strerror}: only photos that an earlier scan found in it are listed"
        return PhotoProblem(rel_path=place, reason="closed_folder", detail=detail)
    raise LibraryError(
        f"the folder {place or '.'} of the photo library cannot be read: {error.strerror}. The manifest is "
        "not changed. Fix the disk, mount or permissions, and run again."
    )


def _find_known(folder: Folder, cache: StatCache) -> Findings:
    """Return the cached findings of the files whose stamp is still the same."""
    cached = cache.read_folder(folder.path)
    stamped = ((name, stamp, cached.get(name)) for name, stamp in folder.files.items())
    return {name: finding for name, stamp, finding in stamped if finding and finding.stamp == stamp}


def _read_unknown_files(
    root: bytes, content_hash: HashName, inspection: Inspection, cache: StatCache
) -> None:
    unread = [
        (folder.path, name)
        for folder in inspection.folders
        if folder.path in inspection.changed
        for name in sorted(folder.files.keys() - inspection.changed[folder.path].keys())
    ]
    saved_at = time.monotonic()
    for (path, name), finding in _inspect_in_threads(root, unread, content_hash):
        inspection.changed[path][name] = finding
        inspection.unsaved.add(path)
        inspection.read_files += 1
        inspection.read_bytes += finding.stamp.size_bytes
        inspection.io_errors += finding.error_number == errno.EIO
        if finding.error_number in _DEVICE_GONE or inspection.io_errors > _MAX_IO_ERRORS:
            place = path_to_text(os.path.join(path, name))
            raise LibraryError(
                f"reading the photo library failed at {place}: {finding.detail}. The manifest is not "
                "changed. Check the disk, cable or mount of library.root and run again: files that were read "
                "are not read again. If the disk has bad sectors, move unreadable files out of the "
                "library."
            )
        if time.monotonic() - saved_at > _SAVE_EVERY_SECONDS:
            _save(inspection, cache)
            _log.info("read %d of %d files", inspection.read_files, len(unread))
            saved_at = time.monotonic()


def _inspect_in_threads(
    root: bytes, unread: list[FilePlace], content_hash: HashName
) -> Iterator[tuple[FilePlace, FileFinding]]:
    """Yield every file's finding in the given order; reading and hashing release the interpreter lock."""
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


def _save(inspection: Inspection, cache: StatCache) -> None:
    """Save the new findings in the cache, in the order of the folders' listings."""
    known = {}
    for folder in inspection.folders:
        if folder.path in inspection.unsaved:
            findings = inspection.changed[folder.path]
            known[folder.path] = {name: findings[name] for name in folder.files if name in findings}
    cache.write_folders(known)
    inspection.unsaved.clear()
