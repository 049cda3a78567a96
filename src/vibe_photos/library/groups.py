"""Near-duplicate groups of a whole library, from the perceptual hashes that `embed` wrote."""

from pathlib import Path

import msgspec
import numpy as np

from vibe_photos.library.near_duplicates import Hashes, group_near_duplicates
from vibe_photos.library.photos import read_manifest
from vibe_photos.storage.jsonl import read_jsonl


class HashRecord(msgspec.Struct, frozen=True):
    """A line of `perceptual_hashes.jsonl`: 16 hex digits for each of a photo's hashes, the whole first."""

    image_id: str
    perceptual_hash: str


def read_groups(photos: Path, hashes: Path, max_distance: int) -> dict[str, str]:
    """Return each photo's group, named by the group's first photo, in manifest order.

    A photo without hashes (undecodable), or too flat to compare, is a group of its own.

    Args:
        photos: the manifest.
        hashes: `perceptual_hashes.jsonl`.
        max_distance: bits of 64 by which two near-duplicates differ at most.
    """
    groups = {photo.image_id: photo.image_id for photo in read_manifest(photos)}
    records = [record for record in read_jsonl(hashes, HashRecord) if record.image_id in groups]
    ids = [record.image_id for record in records]
    firsts = group_near_duplicates(_stack_hashes(records), max_distance)
    groups.update((image_id, ids[first]) for image_id, first in zip(ids, firsts.tolist(), strict=True))
    return groups


def _stack_hashes(records: list[HashRecord]) -> Hashes:
    """Return the records' hashes, uint64 [n, windows]."""
    joined = bytes.fromhex("".join(record.perceptual_hash for record in records))
    return np.frombuffer(joined, dtype=">u8").astype(np.uint64).reshape(len(records), -1 if records else 1)
