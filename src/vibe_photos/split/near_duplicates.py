"""The near-duplicate groups of a library."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_photos.pixels.near_duplicates import (
    Hashes,
    cut_large_groups,
    find_large,
    find_neighbours,
    group_near_duplicates,
)
from vibe_photos.records.photos import HashRecord, read_manifest
from vibe_photos.records.pictures import Pictures
from vibe_photos.storage.jsonl import read_jsonl

_ALWAYS_ONE_GROUP = 20
"""Groups of up to this many photos are never split, even in a small library."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """The near-duplicates of a library.

    Attributes:
        groups: the name of every photo's group, in manifest order: the first id of the photo that scans saw
            first.
        image_ids: the photos that can be compared, n of them.
        hashes: their perceptual hashes, uint64 [n, hashes].
        max_distance: the most bits of 64 in which two near-duplicates differ.
        cut: how many photos were in groups that were split because they were too large.
    """

    groups: dict[str, str]
    image_ids: list[str]
    hashes: Hashes
    max_distance: int
    cut: int = 0

    def with_neighbours(self, image_ids: set[str]) -> set[str]:
        """Return photos of the library with their direct near-duplicates."""
        rows = [row for row, image_id in enumerate(self.image_ids) if image_id in image_ids]
        near = find_neighbours(self.hashes, rows, self.max_distance)
        return (image_ids & self.groups.keys()) | {self.image_ids[row] for row in np.flatnonzero(near)}


def read_near_duplicates(
    photos: Path, hashes: Path, pictures: Pictures, max_distance: int, folds: int
) -> NearDuplicates:
    """Find the near-duplicates of a library.

    A photo without hashes (undecodable), or without enough contrast, is its own group. A group of more than
    half a fold is split, see `cut_large_groups`.

    Folds and halves are drawn by a group's name. Named by its first path, a group could move from `tune` to
    `score` when a photo is renamed; named by the lowest id or number, it would with every second photo that
    joins another one. The photo that was seen first stays so, whatever is renamed, rated or added: a name
    changes only if that photo goes or another joins two groups.

    Args:
        photos: the manifest.
        hashes: `perceptual_hashes.jsonl`.
        pictures: what scans have seen.
        max_distance: the most bits of 64 in which two near-duplicates differ.
        folds: number of folds.
    """
    groups = pictures.find_first_ids([photo.image_id for photo in read_manifest(photos)])
    record_of = {record.image_id: record for record in read_jsonl(hashes, HashRecord)}
    ids = [image_id for image_id in pictures.sort_by_first_seen(groups) if image_id in record_of]
    names, stacked = [groups[image_id] for image_id in ids], _stack_hashes([record_of[one] for one in ids])
    whole = group_near_duplicates(stacked, max_distance)
    largest = max(_ALWAYS_ONE_GROUP, len(groups) // (2 * folds))
    cut = int(np.count_nonzero(find_large(whole, largest)))
    firsts = cut_large_groups(stacked, whole, max_distance, largest)
    groups.update((image_id, names[first]) for image_id, first in zip(ids, firsts.tolist(), strict=True))
    return NearDuplicates(groups, ids, stacked, max_distance, cut)


def _stack_hashes(records: list[HashRecord]) -> Hashes:
    """Return the records' hashes, uint64 [n, hashes]."""
    joined = bytes.fromhex("".join(record.perceptual_hash for record in records))
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(len(records), -1 if records else 1)
