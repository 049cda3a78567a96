"""From a folder to the manifest of its photos: every file is accounted for.

A file with a photo's extension ends as a photo, as a further place (`also_at`) of a photo with the same
bytes, or as a problem with a reason; every other file is counted. The sums are logged.
"""

import logging
import os
from pathlib import Path

import msgspec

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import Photo, PhotoProblem
from vibe_photos.scan.inspection import (
    HOW_TO_SET_ROOT,
    InspectedLibrary,
    LibraryContent,
    gather_content,
    inspect_library,
    list_places,
)
from vibe_photos.scan.stat_cache import StatCache, open_stat_cache
from vibe_photos.settings import Library
from vibe_photos.storage.jsonl import write_jsonl

_log = logging.getLogger(__name__)


def scan_library(library: Library, manifest: Path, problems: Path, store: Path) -> None:
    """Write the manifest of the library's photos, and its problems beside it.

    Unchanged files are not read again, and an unchanged library gives the same bytes. When the root does
    not exist, a manifest that an earlier scan of it left is kept, with a warning: a disk that is not
    mounted has not lost its photos.

    Raises:
        LibraryError: the root does not exist and there is no manifest of it, it has no photos, or it
            became unreadable during the scan. Nothing is written then.
    """
    if not os.path.lexists(library.root):
        _keep_manifest(library, manifest, store)
        return
    with open_stat_cache(store, os.fsencode(library.root), library.content_hash) as cache:
        inspected = inspect_library(library, cache, manifest)
        earlier, earlier_problems = _read_bytes(manifest), _read_bytes(problems)
        is_written = problems.exists() and cache.is_outcome(library.root, earlier, earlier_problems)
        if is_written and inspected.is_reused:
            _log_sums(library.root, inspected, earlier.count(b"\n"), earlier_problems.count(b"\n"))
            return
        content = _gather_photos(library.root, inspected, cache, manifest)
        write_jsonl(manifest, content.photos)
        write_jsonl(problems, content.problems)
        cache.remember_outcome(library.root, _read_bytes(manifest), _read_bytes(problems))
    _log_changes(earlier, content.photos)


def find_photos(library: Library, store: Path) -> LibraryContent:
    """Return what the library holds, writing nothing but the stat cache in `store`.

    Raises:
        LibraryError: the root does not exist, has no photos, or became unreadable during the scan.
    """
    with open_stat_cache(store, os.fsencode(library.root), library.content_hash) as cache:
        inspected = inspect_library(library, cache, manifest=None)
        return _gather_photos(library.root, inspected, cache, manifest=None)


def _gather_photos(
    root: str, inspected: InspectedLibrary, cache: StatCache, manifest: Path | None
) -> LibraryContent:
    content = gather_content(inspected, cache)
    _log_sums(root, inspected, len(content.photos), len(content.problems))
    if not content.photos:
        raise _no_photos_error(root, content.problems, manifest)
    return content


def _keep_manifest(library: Library, manifest: Path, store: Path) -> None:
    if not manifest.exists():
        raise LibraryError(
            f"library.root {library.root} does not exist: {HOW_TO_SET_ROOT}; in a clone without the photos, "
            "`dvc pull scan` fetches their list"
        )
    with open_stat_cache(store, os.fsencode(library.root), library.content_hash) as cache:
        roots = cache.roots_of_manifest(manifest.read_bytes())
    if roots and library.root not in roots:
        raise LibraryError(
            f"library.root {library.root} does not exist, and {manifest} is of another library "
            f"({', '.join(sorted(roots))}): {HOW_TO_SET_ROOT}"
        )
    _log.warning("library.root %s does not exist: %s is kept; %s", library.root, manifest, HOW_TO_SET_ROOT)


def _no_photos_error(root: str, problems: list[PhotoProblem], manifest: Path | None) -> LibraryError:
    unusable = f"; {len(problems)} files cannot be used" if problems else ""
    unusable += f", the first is {problems[0].rel_path}: {problems[0].detail}" if problems else ""
    if listed := list_places(manifest):
        return LibraryError(
            f"no photos in library.root {root}{unusable}; but {manifest} lists {len(listed)}, and is left as "
            f"it was. If the disk is not mounted, {HOW_TO_SET_ROOT}; if the photos are gone for good, delete "
            f"{manifest}."
        )
    return LibraryError(
        f"no photos in library.root {root}{unusable}. Set it in params.yaml to the folder of your photos, "
        "and library.extensions to their extensions."
    )


def _read_bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _log_sums(root: str, inspected: InspectedLibrary, photos: int, problems: int) -> None:
    """Say where every file ended: photos, further places, problems and others add up to all files."""
    closed = len(inspected.closed_folders)
    file_problems = problems - closed
    read = inspected.inspection.read_files
    _log.info(
        "scanned %s: %d files = %d photos + %d further places of the same bytes + %d problems + %d without a "
        "photo's extension; %d read (%.1f MB), %d known from earlier scans; %d folders, %d of them closed, "
        "%d skipped",
        root,
        inspected.candidates + inspected.other_files,
        photos,
        inspected.candidates - photos - file_problems,
        file_problems,
        inspected.other_files,
        read,
        inspected.inspection.read_bytes / 1e6,
        inspected.candidates - read,
        len(inspected.folders),
        closed,
        sum(folder.skipped_folders for folder in inspected.folders),
    )


def _log_changes(earlier: bytes, photos: list[Photo]) -> None:
    """Say how many photos came and went since `earlier` was written; losing most is worth a warning."""
    try:
        before = {photo.image_id for photo in msgspec.json.Decoder(Photo).decode_lines(earlier)}
    except msgspec.DecodeError:
        return
    now = {photo.image_id for photo in photos}
    gone = len(before - now)
    if before and before != now:
        level = logging.WARNING if 2 * gone > len(before) else logging.INFO
        _log.log(level, "since the last scan %d photos are new and %d are gone", len(now - before), gone)
