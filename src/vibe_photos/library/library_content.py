"""What a library holds, once every file in it has been judged: its photos, and its problems."""

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter

import msgspec

from vibe_photos.errors import LibraryError
from vibe_photos.library.file_inspection import FileFinding
from vibe_photos.library.library_inspection import InspectedLibrary
from vibe_photos.library.photos import Photo, PhotoProblem, path_to_text
from vibe_photos.library.stat_cache import StatCache


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
