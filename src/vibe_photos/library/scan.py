"""From a folder to the manifest of its photos: every file is accounted for.

A file with a photo's extension ends as a photo, as a further place (`also_at`) of a photo with the same
bytes, or as a problem with a reason; every other file is counted. The sums are logged.
"""

import logging
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

from vibe_photos.errors import LibraryError
from vibe_photos.library.file_inspection import FileFinding
from vibe_photos.library.folder_inspection import Inspection, inspect_folders
from vibe_photos.library.folder_walk import Folder, walk_folders
from vibe_photos.library.photos import Photo, PhotoProblem, path_to_text, read_manifest
from vibe_photos.library.stat_cache import open_stat_cache
from vibe_photos.settings import Library
from vibe_photos.storage.jsonl import write_jsonl

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LibraryContent:
    """What a library holds: photos and problems, each sorted by `rel_path`."""

    photos: list[Photo]
    problems: list[PhotoProblem]


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
    listed = {place for photo in _read_earlier(manifest) for place in (photo.rel_path, *photo.also_at)}
    content = find_photos(library, store, listed)
    write_jsonl(manifest, content.photos)
    write_jsonl(problems, content.problems)
    with open_stat_cache(store, os.fsencode(library.root), library.content_hash) as cache:
        cache.remember_manifest(manifest.read_bytes(), library.root)
    _log_changes(listed, content)


def find_photos(library: Library, store: Path, listed: Collection[str] = ()) -> LibraryContent:
    """Return what the library holds, writing nothing but the stat cache in `store`.

    `listed` are the places that an earlier manifest lists: photos under a folder that can no longer be
    opened are an error when they are among them.

    Raises:
        LibraryError: as `scan_library`, but that a root which does not exist is always one.
    """
    root = os.fsencode(library.root)
    identity = _identify_root(library.root)
    folders = list(walk_folders(root, library.extensions, library.skip_folders))
    unreadable = [_judge_folder_error(folder, listed) for folder in folders if folder.error]
    with open_stat_cache(store, root, library.content_hash) as cache:
        inspection = inspect_folders(root, folders, library.content_hash, cache)
    if _identify_root(library.root) != identity:
        raise LibraryError(
            f"library.root {library.root} was replaced or unmounted during the scan: run again"
        )
    photos, file_problems = _part_findings(inspection)
    _log_sums(library.root, folders, inspection, photos, file_problems, unreadable)
    if not photos:
        raise _no_photos_error(library.root, listed, file_problems)
    return LibraryContent(photos, sorted(file_problems + unreadable, key=lambda problem: problem.rel_path))


def _keep_manifest(library: Library, manifest: Path, store: Path) -> None:
    what_to_do = "mount it, or set library.root in params.yaml to the folder of your photos"
    if not manifest.exists():
        raise LibraryError(f"library.root {library.root} does not exist: {what_to_do}")
    with open_stat_cache(store, os.fsencode(library.root), library.content_hash) as cache:
        roots = cache.roots_of_manifest(manifest.read_bytes())
    if roots and library.root not in roots:
        others = ", ".join(sorted(roots))
        raise LibraryError(
            f"library.root {library.root} does not exist, and {manifest} is of another library "
            f"({others}): {what_to_do}"
        )
    _log.warning(
        "library.root %s does not exist: keeping %s as it is; %s", library.root, manifest, what_to_do
    )


def _read_earlier(manifest: Path) -> list[Photo]:
    return read_manifest(manifest) if manifest.exists() else []


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
        raise LibraryError(
            f"library.root {root} does not exist: mount it, or set library.root in params.yaml to the "
            "folder of your photos"
        ) from None
    except OSError as error:
        raise LibraryError(f"library.root {root} cannot be read as a folder: {error.strerror}") from None


def _judge_folder_error(folder: Folder, listed: Collection[str]) -> PhotoProblem:
    """A folder that forbids looking into it is a problem; anything else means that the disk is going.

    Raises:
        LibraryError: it did not merely forbid, or photos in it are listed: they are not deleted.
    """
    place = path_to_text(folder.path)
    detail = folder.error.strerror if folder.error else ""
    is_listed = any(path.startswith(f"{place}/") for path in listed)
    if isinstance(folder.error, PermissionError) and folder.path and not is_listed:
        return PhotoProblem(
            rel_path=place, reason="unreadable_folder", detail=f"{detail}: its files are not known"
        )
    raise LibraryError(
        f"the folder {place or '.'} of the photo library cannot be read: {detail}. The manifest is left as "
        "it was. Mend the disk, mount or permissions, or name the folder in library.skip_folders, and run again."
    )


def _part_findings(inspection: Inspection) -> tuple[list[Photo], list[PhotoProblem]]:
    """Part the files into photos and problems, each sorted by `rel_path`; the same bytes are one photo."""
    found = sorted(_with_places(inspection), key=itemgetter(0))
    problems = [
        PhotoProblem(rel_path=place, reason=finding.reason, detail=finding.detail)
        for place, finding in found
        if finding.reason
    ]
    places: dict[str, list[str]] = {}
    first: dict[str, FileFinding] = {}
    for place, finding in found:
        if not finding.reason:
            places.setdefault(finding.image_id, []).append(place)
            same = first.setdefault(finding.image_id, finding)
            if same.stamp.size_bytes != finding.stamp.size_bytes:
                raise _collision_error(places[finding.image_id])
    photos = [
        Photo(
            image_id=image_id,
            rel_path=at[0],
            also_at=at[1:],
            bytes=first[image_id].stamp.size_bytes,
            format=first[image_id].format,
        )
        for image_id, at in places.items()
    ]
    return photos, problems


def _with_places(inspection: Inspection) -> Iterable[tuple[str, FileFinding]]:
    for folder, findings in inspection.folders.items():
        prefix = f"{path_to_text(folder)}/" if folder else ""
        for name, finding in findings.items():
            yield prefix + path_to_text(name), finding


def _collision_error(places: list[str]) -> LibraryError:
    return LibraryError(
        f"two different photos have the same hash: {places[0]} and {places[-1]}. Set library.content_hash to "
        "xxh3_128, or move one of them out of the library."
    )


def _no_photos_error(root: str, listed: Collection[str], problems: list[PhotoProblem]) -> LibraryError:
    broken = (
        f" ({len(problems)} files cannot be used, the first is {problems[0].rel_path}: " if problems else ""
    )
    broken += f"{problems[0].detail})" if problems else ""
    if listed:
        return LibraryError(
            f"no photos in library.root {root}{broken}, but the manifest lists {len(listed)}: is the disk "
            "mounted? The manifest is left as it was; delete it if the photos are gone for good."
        )
    return LibraryError(
        f"no photos in library.root {root}{broken}: set it in params.yaml to the folder of your photos, and "
        "library.extensions to their extensions"
    )


def _log_sums(
    root: str,
    folders: list[Folder],
    inspection: Inspection,
    photos: list[Photo],
    problems: list[PhotoProblem],
    unreadable: list[PhotoProblem],
) -> None:
    further = sum(len(photo.also_at) for photo in photos)
    other = sum(folder.other_files for folder in folders)
    files = sum(len(folder.files) for folder in folders) + other
    _log.info(
        "scanned %s: %d files = %d photos + %d further places of the same bytes + %d problems + %d without a "
        "photo's extension; read %d files (%.1f MB), known from earlier scans %d; folders: %d, "
        "unreadable %d, skipped %d",
        root,
        files,
        len(photos),
        further,
        len(problems),
        other,
        inspection.read_files,
        inspection.read_bytes / 1e6,
        files - other - inspection.read_files,
        len(folders),
        len(unreadable),
        sum(folder.skipped_folders for folder in folders),
    )


def _log_changes(listed: Collection[str], content: LibraryContent) -> None:
    """Say what the manifest gained and lost; losing most of it is worth a warning."""
    now = {place for photo in content.photos for place in (photo.rel_path, *photo.also_at)}
    gone = len(set(listed) - now)
    level = logging.WARNING if gone * 2 > len(listed) else logging.INFO
    if listed and (gone or len(now) != len(listed)):
        _log.log(
            level,
            "since the last scan: %d places of photos are new, %d are gone",
            len(now - set(listed)),
            gone,
        )
