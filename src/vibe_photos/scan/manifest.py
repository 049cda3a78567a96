"""The lists of a library's photos (each content once) and problems."""

from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path

import msgspec

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import HASH_DIGITS, HashName, Photo, PhotoProblem, read_manifest
from vibe_photos.scan.files import FileFinding, FileStamp

HOW_TO_SET_ROOT = "mount it, or set library.root in params.yaml to the folder of your photos"


def list_content(findings: Iterable[tuple[str, FileFinding]]) -> tuple[list[Photo], list[PhotoProblem]]:
    """Divide files into photos and problems, each sorted by `rel_path`; the same bytes are one photo.

    Args:
        findings: each file's `rel_path` and finding, in any order.

    Raises:
        LibraryError: two different photos have the same hash.
    """
    photos: dict[str, Photo] = {}
    further_places: dict[str, list[str]] = {}
    problems: list[PhotoProblem] = []
    for place, finding in sorted(findings, key=itemgetter(0)):
        image_id, size_bytes = finding.image_id, finding.stamp.size_bytes
        if finding.reason:
            problems.append(PhotoProblem(rel_path=place, reason=finding.reason, detail=finding.detail))
        elif image_id not in photos:
            photo = Photo(image_id=image_id, rel_path=place, bytes=size_bytes, format=finding.format)
            photos[image_id] = photo
        elif photos[image_id].bytes != size_bytes:
            raise LibraryError(
                f"two different photos have the same hash: {photos[image_id].rel_path} and {place}. Set "
                "library.content_hash to xxh3_128, or move one of them out of the library."
            )
        else:
            further_places.setdefault(image_id, []).append(place)
    for image_id, places in further_places.items():
        photos[image_id] = msgspec.structs.replace(photos[image_id], also_at=places)
    return list(photos.values()), problems


def keep_places(
    earlier: bytes, closed_folders: Iterable[str], content_hash: HashName
) -> Iterator[tuple[str, FileFinding]]:
    """Yield the places in folders that cannot be read now, as an earlier manifest lists them.

    Ids of another hash are left out, and so is a manifest that is damaged.
    """
    prefixes = tuple(f"{folder}/" for folder in closed_folders)
    try:
        photos = msgspec.json.Decoder(Photo).decode_lines(earlier)
    except msgspec.DecodeError:
        return
    for photo in photos if prefixes else ():
        if len(photo.image_id) == HASH_DIGITS[content_hash]:
            stamp = FileStamp(photo.bytes, 0, 0, 0)
            for place in (photo.rel_path, *photo.also_at):
                if place.startswith(prefixes):
                    yield place, FileFinding(stamp, image_id=photo.image_id, format=photo.format)


def list_places(manifest: Path) -> list[str]:
    """Return every path in a manifest; none if it does not exist."""
    if not manifest.exists():
        return []
    return [place for photo in read_manifest(manifest) for place in (photo.rel_path, *photo.also_at)]
