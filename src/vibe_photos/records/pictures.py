"""The pictures of a library, past and present (`data/library/pictures.jsonl`): which ids are one picture.

An `image_id` is of a file's bytes, so a rating or a tag that a program writes into a photo gives it
another id. Its coded picture stays. Answers, vectors and people's labels follow that.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import msgspec

from vibe_photos.records.keyed_hash import permanent_number
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl


class KnownPicture(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One photo that a scan has seen.

    `picture` is the hash of its coded picture without metadata: for people it is the same photo, whatever its
    turn and its colour profile. `rendering` is a hash of those two (empty if there is nothing to apply): only
    with the same one is it the same photo for the teacher and the encoder.
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
        """Return the other ids under which exactly this picture was seen, turned and coloured alike."""
        looks = {(one.picture, one.rendering) for one in self._renderings.get(image_id, ())}
        return [
            other
            for other in self._group_of.get(image_id, ())
            if other != image_id
            and any((one.picture, one.rendering) in looks for one in self._renderings[other])
        ]

    def find_same(self, image_id: str) -> list[str]:
        """Return all ids of this picture, its own first, whatever its turn and colours."""
        return [image_id, *(other for other in self._group_of.get(image_id, ()) if other != image_id)]

    def find_earlier(self, library: Collection[str]) -> dict[str, list[str]]:
        """Return, for photos of the library, the ids that their picture had and that are not in the library.

        People's work under those ids belongs to the photo. If the library has a picture several times, that
        is the one that was seen first.
        """
        present = set(library)
        earlier = {}
        for ids in {id(group): group for group in self._group_of.values()}.values():
            heir = next((image_id for image_id in ids if image_id in present), None)
            gone = [image_id for image_id in ids if image_id not in present]
            if heir is not None and gone:
                earlier[heir] = gone
        return earlier

    def find_current_ids(self, library: Collection[str]) -> dict[str, str]:
        """Return the photo to which people's work under each earlier id belongs; see `find_earlier`."""
        return {gone: heir for heir, ids in self.find_earlier(library).items() for gone in ids}

    def find_first_ids(self, library: Collection[str]) -> dict[str, str]:
        """Return the id by which each photo of the library draws its permanent random numbers.

        It is the first id that its picture had, so that a rating moves no photo in the sample, between folds
        or halves. Of several photos with the same picture only one has it; the others have their own.
        """
        first = {image_id: image_id for image_id in library}
        for heir in self.find_earlier(library):
            first[heir] = self._group_of[heir][0]
        return first

    def number(self, library: Collection[str], seed: int) -> dict[str, float]:
        """Return the permanent random numbers of the photos of the library (`permanent_number`)."""
        return {
            image_id: permanent_number(seed, one) for image_id, one in self.find_first_ids(library).items()
        }

    def sort_by_age(self, library: Collection[str]) -> list[str]:
        """Return the photos of the library in the order in which scans first saw their pictures.

        A rewritten file keeps its picture's place, and new photos come last. Photos that no scan has recorded
        come behind them, by id.
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
    """Return the file that belongs to a manifest."""
    return manifest.with_name("pictures.jsonl")


def read_pictures(manifest: Path) -> Pictures:
    """Read the pictures that belong to a manifest; none if no scan has written the file yet.

    Raises:
        InputError: a line is malformed.
    """
    path = pictures_path(manifest)
    return Pictures(read_jsonl(path, KnownPicture) if path.exists() else ())
