"""What all files of a library are: known from earlier scans, or read now, several at a time.

Walk a library's folders and judge all its files, unless the disk goes away meanwhile.

What a library holds, once every file in it has been judged: its photos, and its problems.
"""

import errno
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import msgspec

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import Photo, PhotoProblem, path_to_text, read_manifest
from vibe_photos.scan.files import BUFFER_BYTES, FileFinding, HashName, inspect_file
from vibe_photos.scan.stat_cache import Findings, StatCache
from vibe_photos.scan.walk import Folder, walk_folders
from vibe_photos.settings import Library

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


HOW_TO_SET_ROOT = "mount it, or set library.root in params.yaml to the folder of your photos"


@dataclass(frozen=True, slots=True)
class InspectedLibrary:
    """All folders, what their files are, and the folders that forbid looking into them."""

    folders: list[Folder]
    inspection: Inspection
    closed_folders: list[PhotoProblem]

    @property
    def is_reused(self) -> bool:
        """Tell whether earlier scans had found all of this."""
        return not self.inspection.read_files and not self.closed_folders

    @property
    def candidates(self) -> int:
        """How many files have a photo's extension."""
        return sum(len(folder.files) for folder in self.folders)

    @property
    def other_files(self) -> int:
        """How many files have none."""
        return sum(folder.other_files for folder in self.folders)


def inspect_library(library: Library, cache: StatCache, manifest: Path | None) -> InspectedLibrary:
    """Judge every file of a library, reading only what the cache does not know.

    Args:
        library: its root, extensions, folders to skip, and hash.
        cache: what earlier scans found.
        manifest: what an earlier scan wrote; photos that it lists are not taken for deleted when their
            folder forbids looking into it.

    Raises:
        LibraryError: the root does not exist or cannot be read, or became unreadable on the way.
    """
    root = os.fsencode(library.root)
    identity = _identify_root(library.root)
    folders = list(walk_folders(root, library.extensions, library.skip_folders))
    closed = [_judge_folder_error(folder, folder.error, manifest) for folder in folders if folder.error]
    inspection = inspect_folders(root, folders, library.content_hash, cache)
    if _identify_root(library.root) != identity:
        raise LibraryError(f"library.root {library.root} was unmounted during the scan: {HOW_TO_SET_ROOT}")
    return InspectedLibrary(folders, inspection, closed)


def list_places(manifest: Path | None) -> list[str]:
    """Return every path that a manifest lists; none where there is no manifest."""
    if manifest is None or not manifest.exists():
        return []
    return [place for photo in read_manifest(manifest) for place in (photo.rel_path, *photo.also_at)]


def _identify_root(root: str) -> tuple[int, int]:
    """Return which folder the root is; a mount that goes away leaves another one.

    Raises:
        LibraryError: it does not exist, is no folder or cannot be opened.
    """
    try:
        status = os.stat(root)
        with os.scandir(root):
            return status.st_dev, status.st_ino
    except FileNotFoundError:
        raise LibraryError(f"library.root {root} does not exist: {HOW_TO_SET_ROOT}") from None
    except OSError as error:
        raise LibraryError(f"library.root {root} cannot be read as a folder: {error.strerror}") from None


def _judge_folder_error(folder: Folder, error: OSError, manifest: Path | None) -> PhotoProblem:
    """A folder that forbids looking into it is a problem; anything else means that the disk is going.

    Raises:
        LibraryError: it did not merely forbid, or photos in it are listed: they are not deleted.
    """
    place = path_to_text(folder.path)
    is_listed = any(path.startswith(f"{place}/") for path in list_places(manifest))
    if isinstance(error, PermissionError) and folder.path and not is_listed:
        detail = f"{error.strerror}: what lies in it is not known"
        return PhotoProblem(rel_path=place, reason="closed_folder", detail=detail)
    raise LibraryError(
        f"the folder {place or '.'} of the photo library cannot be read: {error.strerror}. The manifest is "
        "left as it was. Mend the disk, mount or permissions, or name the folder in library.skip_folders, "
        "and run again."
    )


@dataclass(frozen=True, slots=True)
class LibraryContent:
    """Photos and problems, each sorted by `rel_path`."""

    photos: list[Photo]
    problems: list[PhotoProblem]


def gather_content(inspected: InspectedLibrary, cache: StatCache) -> LibraryContent:
    """Part the files into photos and problems; files with the same bytes are one photo.

    What did not change is taken from `cache`, by which `inspected` was made.

    Raises:
        LibraryError: two different photos have the same hash.
    """
    photos: dict[str, Photo] = {}
    further_places: dict[str, list[str]] = {}
    problems = list(inspected.closed_folders)
    for place, finding in sorted(_list_findings(inspected, cache), key=itemgetter(0)):
        image_id = finding.image_id
        if finding.reason:
            problems.append(PhotoProblem(rel_path=place, reason=finding.reason, detail=finding.detail))
        elif image_id not in photos:
            size_bytes = finding.stamp.size_bytes
            photos[image_id] = Photo(
                image_id=image_id, rel_path=place, bytes=size_bytes, format=finding.format
            )
        else:
            _check_collision(photos[image_id], place, finding)
            further_places.setdefault(image_id, []).append(place)
    for image_id, places in further_places.items():
        photos[image_id] = msgspec.structs.replace(photos[image_id], also_at=places)
    problems.sort(key=lambda problem: problem.rel_path)
    return LibraryContent(list(photos.values()), problems)


def _list_findings(inspected: InspectedLibrary, cache: StatCache) -> Iterator[tuple[str, FileFinding]]:
    """Yield each file's `rel_path` with what it is."""
    for folder in inspected.folders:
        changed = inspected.inspection.folders.get(folder.path)
        findings = cache.read_folder(folder.path) if changed is None else changed
        prefix = f"{path_to_text(folder.path)}/" if folder.path else ""
        for name, finding in findings.items():
            yield prefix + path_to_text(name), finding


def _check_collision(photo: Photo, place: str, finding: FileFinding) -> None:
    if photo.bytes != finding.stamp.size_bytes:
        raise LibraryError(
            f"two different photos have the same hash: {photo.rel_path} and {place}. Set "
            "library.content_hash to xxh3_128, or move one of them out of the library."
        )
