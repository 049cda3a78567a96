"""Near-duplicate groups of a whole library, from the perceptual hashes that `embed` wrote."""

from pathlib import Path

import msgspec
import numpy as np

from vibe_photos.library.near_duplicates import group_near_duplicates
from vibe_photos.library.photos import read_manifest
from vibe_photos.storage.jsonl import read_jsonl


class HashRecord(msgspec.Struct, frozen=True):
    """One line of `perceptual_hashes.jsonl`: 64 bits as 16 hex digits, null where a photo has no hash."""

    image_id: str
    perceptual_hash: str | None


def read_groups(photos: Path, hashes: Path, max_distance: int) -> dict[str, str]:
    """Return each photo's group, named by the group's first photo, in manifest order.

    A photo without a hash (undecodable, or too flat to compare) is a group of its own.

    Args:
        photos: the manifest.
        hashes: `perceptual_hashes.jsonl`.
        max_distance: bits of 64 by which two near-duplicates differ at most.
    """
    groups = {photo.image_id: photo.image_id for photo in read_manifest(photos)}
    known = [
        (record.image_id, int(record.perceptual_hash, 16))
        for record in read_jsonl(hashes, HashRecord)
        if record.perceptual_hash is not None and record.image_id in groups
    ]
    ids = [image_id for image_id, _ in known]
    firsts = group_near_duplicates(np.array([bits for _, bits in known], dtype=np.uint64), max_distance)
    groups.update((image_id, ids[first]) for image_id, first in zip(ids, firsts.tolist(), strict=True))
    return groups
