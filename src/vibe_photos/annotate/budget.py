"""Which photos the teacher is asked about: all, or as many as `annotate.budget` says.

They are those with the lowest permanent random numbers: a simple random sample of the library, to which a
larger budget only adds. With `annotate.bursts: once`, a photo is represented by a near-duplicate with a lower
number, and is not asked about. Asked and represented photos together are a simple random sample too.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from vibe_photos.errors import DecodeError, LibraryError
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.near_duplicates import Hashes, find_leaders
from vibe_photos.pixels.perceptual_hash import (
    HASHES_PER_PHOTO,
    cover_short_edge,
    hashes_file,
    perceptual_hashes,
)
from vibe_photos.records.photos import FEATURELESS, Photo, photo_path, read_manifest, verified
from vibe_photos.records.pictures import Pictures, number_photos
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.saved_work import SavedWork, open_saved_work

logger = logging.getLogger(__name__)

_BATCH_PHOTOS = 256


@dataclass(frozen=True, slots=True)
class ChosenPhotos:
    """The photos that the teacher is asked about, and those that a near-duplicate represents.

    `asked`: ids, None for all photos. `represented`: by id, the photo that is asked about in its place.
    """

    manifest: Path
    asked: frozenset[str] | None = None
    represented: Mapping[str, Photo] = field(default_factory=dict)

    def read_asked(self) -> Iterator[Photo]:
        """Yield the photos that are asked about, in manifest order, one at a time."""
        return (photo for photo in self.read_all() if photo.image_id not in self.represented)

    def read_all(self) -> Iterator[Photo]:
        """Yield the photos that are asked about or represented, in manifest order."""
        for photo in read_jsonl(self.manifest, Photo):
            if self.asked is None or photo.image_id in self.asked or photo.image_id in self.represented:
                yield photo


def choose_photos(settings: Settings, store: Path) -> ChosenPhotos:
    """Choose photos by the settings; perceptual hashes for `bursts: once` are kept in the store.

    Raises:
        LibraryError: photos have to be hashed, and the photo folder is missing.
        StoreError: the file of hashes is damaged or locked.
    """
    manifest, annotate = settings.paths.photos, settings.annotate
    if annotate.bursts == "once":
        return _choose_once(settings, store)
    if annotate.budget is None:
        return ChosenPhotos(manifest)
    number_of = number_photos(settings)
    return ChosenPhotos(manifest, frozenset(sorted(number_of, key=number_of.__getitem__)[: annotate.budget]))


def find_unanswered(image_ids: Iterable[str], answered: Set[str], pictures: Pictures) -> set[str]:
    """Return the first of these ids for each picture that has no answer under any id (`answered`)."""
    unanswered: set[str] = set()
    for image_id in image_ids:
        copies = pictures.find_copies(image_id)
        if image_id not in answered and answered.isdisjoint(copies) and unanswered.isdisjoint(copies):
            unanswered.add(image_id)
    return unanswered


def _choose_once(settings: Settings, store: Path) -> ChosenPhotos:
    manifest, number_of = settings.paths.photos, number_photos(settings)
    photos = sorted(read_manifest(manifest), key=lambda one: number_of[one.image_id])
    wanted = looked_at = min(settings.annotate.budget or len(photos), len(photos))
    with open_saved_work(hashes_file(store)) as saved:
        while True:
            hashes = _read_hashes(photos[:looked_at], saved, settings)
            leaders = find_leaders(hashes, settings.split.max_hash_distance).tolist()
            represented = {
                photos[row].image_id: photos[leader] for row, leader in enumerate(leaders) if row != leader
            }
            still_wanted = wanted - (looked_at - len(represented))
            if not still_wanted or looked_at == len(photos):
                break
            looked_at = min(len(photos), looked_at + still_wanted)
    logger.info(
        "annotate: %d of %d photos are asked, and represent %d near-duplicates",
        *(looked_at - len(represented), len(photos), len(represented)),
    )
    asked = frozenset(photo.image_id for photo in photos[:looked_at]) - represented.keys()
    return ChosenPhotos(manifest, asked, represented)


def _read_hashes(photos: Sequence[Photo], saved: SavedWork, settings: Settings) -> Hashes:
    """Return perceptual hashes, uint64 [photos, hashes]; `FEATURELESS` for photos that cannot be decoded."""
    known = saved.image_ids()
    missing = [photo for photo in photos if photo.image_id not in known]
    root = Path(settings.library.root)
    if missing and not root.is_dir():
        raise LibraryError(
            f"{root} is not a folder on this machine, and annotate.bursts: once needs the pixels of "
            f"{len(missing)} photos; mount it, or set library.root"
        )
    if missing:
        logger.info("annotate: %d photos are hashed, to find near-duplicates", len(missing))
    hash_one = partial(_hash_photo, root, settings.annotate.max_pixels)
    with ThreadPoolExecutor(settings.annotate.workers) as pool:
        for start in range(0, len(missing), _BATCH_PHOTOS):
            some = missing[start : start + _BATCH_PHOTOS]
            hashed = zip(some, pool.map(hash_one, some), strict=True)
            saved.add((photo.image_id, found) for photo, found in hashed if found)
    hashes = np.full((len(photos), HASHES_PER_PHOTO), FEATURELESS, np.uint64)
    row_of = {photo.image_id: row for row, photo in enumerate(photos)}
    for image_id, found in saved.read(row_of):
        hashes[row_of[image_id]] = np.frombuffer(found, ">u8")
    return hashes


def _hash_photo(root: Path, max_pixels: int, photo: Photo) -> bytes:
    """Return a photo's hashes, empty if it cannot be decoded or has changed since the scan."""
    path = photo_path(root, photo)
    try:
        with verified(path, photo):
            image = decode_photo(path, max_pixels=max_pixels, needed_size=cover_short_edge)
        return perceptual_hashes(image).astype(">u8").tobytes()
    except DecodeError:
        return b""
