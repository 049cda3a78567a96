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
from vibe_photos.storage.jsonl import read_jsonl

_ALWAYS_ONE_GROUP = 20
"""Groups of up to this many photos are never split, even in a small library."""


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """The near-duplicates of a library.

    Attributes:
        groups: the group of every photo, named by its first photo, in manifest order.
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


def read_near_duplicates(photos: Path, hashes: Path, max_distance: int, folds: int) -> NearDuplicates:
    """Find the near-duplicates of a library.

    A photo without hashes (undecodable), or without enough contrast, is its own group. A group of more than
    half a fold is split, see `cut_large_groups`.

    Args:
        photos: the manifest.
        hashes: `perceptual_hashes.jsonl`.
        max_distance: the most bits of 64 in which two near-duplicates differ.
        folds: number of folds.
    """
    groups = {photo.image_id: photo.image_id for photo in read_manifest(photos)}
    records = [record for record in read_jsonl(hashes, HashRecord) if record.image_id in groups]
    ids, stacked = [record.image_id for record in records], _stack_hashes(records)
    whole = group_near_duplicates(stacked, max_distance)
    largest = max(_ALWAYS_ONE_GROUP, len(groups) // (2 * folds))
    cut = int(np.count_nonzero(find_large(whole, largest)))
    firsts = cut_large_groups(stacked, whole, max_distance, largest)
    groups.update((image_id, ids[first]) for image_id, first in zip(ids, firsts.tolist(), strict=True))
    return NearDuplicates(groups, ids, stacked, max_distance, cut)


def _stack_hashes(records: list[HashRecord]) -> Hashes:
    """Return the records' hashes, uint64 [n, hashes]."""
    joined = bytes.fromhex("".join(record.perceptual_hash for record in records))
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(len(records), -1 if records else 1)
