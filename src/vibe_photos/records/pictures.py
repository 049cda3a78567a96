"""Which ids are the same picture, for all photos that scans have seen (`data/library/pictures.jsonl`).

An `image_id` is a hash of a file's bytes, so a program that writes a rating or a tag into a photo changes its
id. The coded picture stays the same, so answers, vectors and people's labels belong to that.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from vibe_photos.records.photos import Photo, permanent_number
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl


class KnownPicture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One photo that a scan has seen.

    `picture` is a hash of its coded picture: people see the same photo, whatever the orientation and the
    colour profile. `rendering` is a hash of those two (empty if there is nothing to apply): the teacher and
    the encoder see the same photo only if both hashes are equal.
    """

    image_id: str
    picture: str
    rendering: str = ""


class Pictures:
    """All photos that scans have seen, in the order in which they were first seen."""

    def __init__(self, known: Iterable[KnownPicture] = ()) -> None:
        self.records: dict[KnownPicture, None] = dict.fromkeys(known)
        self._renderings: dict[str, list[KnownPicture]] = defaultdict(list)
        self._group_of: dict[str, list[str]] = {}
        first_with: dict[str, str] = {}
        for one in self.records:
            self._renderings[one.image_id].append(one)
            own = self._group_of.setdefault(one.image_id, [one.image_id])
            group = self._group_of[first_with.setdefault(one.picture, one.image_id)]
            if group is not own:
                group += own
                self._group_of.update(dict.fromkeys(own, group))

    def find_copies(self, image_id: str) -> list[str]:
        """Return the other ids with the same picture and the same rendering."""
        renderings = {(one.picture, one.rendering) for one in self._renderings.get(image_id, ())}
        return [
            other
            for other in self._group_of.get(image_id, ())
            if other != image_id
            and any((one.picture, one.rendering) in renderings for one in self._renderings[other])
        ]

    def find_all_ids(self, image_id: str) -> list[str]:
        """Return all ids of this picture in any rendering, `image_id` first."""
        return [image_id, *(other for other in self._group_of.get(image_id, ()) if other != image_id)]

    def find_earlier_ids(self, library: Collection[str]) -> dict[str, list[str]]:
        """Return, for photos of the library, the ids that their picture had and that are not in the library.

        People's work under those ids belongs to the photo. If several photos have the picture, it belongs
        to the one that was seen first.
        """
        present = set(library)
        earlier = {}
        for ids in {id(group): group for group in self._group_of.values()}.values():
            present_id = next((image_id for image_id in ids if image_id in present), None)
            earlier_ids = [image_id for image_id in ids if image_id not in present]
            if present_id is not None and earlier_ids:
                earlier[present_id] = earlier_ids
        return earlier

    def find_current_ids(self, library: Collection[str]) -> dict[str, str]:
        """Return the present id for each earlier id; the inverse of `find_earlier_ids`."""
        return {
            earlier_id: present_id
            for present_id, ids in self.find_earlier_ids(library).items()
            for earlier_id in ids
        }

    def find_first_ids(self, library: Collection[str]) -> dict[str, str]:
        """Return the id from which the permanent random numbers of each photo are made.

        It is the first id of its picture, so a rating moves no photo into another sample, fold or half. If
        several photos have the same picture, only one gets the first id; the others keep their own.
        """
        first = {image_id: image_id for image_id in library}
        for present_id in self.find_earlier_ids(library):
            first[present_id] = self._group_of[present_id][0]
        return first

    def number(self, library: Collection[str], seed: int) -> dict[str, float]:
        """Return the permanent random numbers of the photos of the library (`permanent_number`)."""
        return {
            image_id: permanent_number(seed, one) for image_id, one in self.find_first_ids(library).items()
        }

    def sort_by_first_seen(self, library: Collection[str]) -> list[str]:
        """Return the library's photos in the order in which scans first saw their pictures.

        A rewritten file keeps its place. Photos that no scan has recorded come last, by id.
        """
        first = self.find_first_ids(library)
        places = {image_id: place for place, image_id in enumerate(self._renderings)}
        return sorted(library, key=lambda image_id: (places.get(first[image_id], len(places)), image_id))


def number_photos(settings: Settings) -> dict[str, float]:
    """Return the permanent random numbers of all photos of the manifest, in its order."""
    manifest = settings.paths.photos
    ids = [photo.image_id for photo in read_jsonl(manifest, Photo)]
    return read_pictures(manifest).number(ids, settings.sample.seed)


def pictures_path(manifest: Path) -> Path:
    """Return the path of `pictures.jsonl`, beside the manifest."""
    return manifest.with_name("pictures.jsonl")


def read_pictures(manifest: Path) -> Pictures:
    """Read the pictures that belong to a manifest; none if no scan has written the file yet.

    Raises:
        InputError: a line is malformed.
    """
    path = pictures_path(manifest)
    return Pictures(read_jsonl(path, KnownPicture) if path.exists() else ())
