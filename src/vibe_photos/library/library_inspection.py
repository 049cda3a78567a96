"""Walk a library's folders and judge all its files, unless the disk goes away meanwhile."""

import os
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.errors import LibraryError
from vibe_photos.library.folder_inspection import Inspection, inspect_folders
from vibe_photos.library.folder_walk import Folder, walk_folders
from vibe_photos.library.photos import PhotoProblem, path_to_text, read_manifest
from vibe_photos.library.stat_cache import StatCache
from vibe_photos.settings import Library

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
