"""Near-duplicate groups: photos whose perceptual hashes differ in few bits, and chains of them."""

from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from vibe_photos.records.photos import FEATURELESS, HashRecord, read_manifest
from vibe_photos.storage.jsonl import read_jsonl

Hashes = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]

_FEW_PICTURES = 200_000
"""Up to so many, two equal bands leave few candidates; beyond, a third is worth its many combinations."""

_KNUTH = np.uint64(0x9E3779B97F4A7C15)


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


def group_near_duplicates(hashes: Hashes, max_distance: int) -> Labels:
    """Group pictures that are near, directly or through others.

    Two pictures are near when the hash of the one as a whole differs in at most `max_distance` bits from
    any of the other's: so the one may be a crop of the other, or both may be whole. Windows are not compared
    with windows; among so many pairs some would be near by chance.

    Args:
        hashes: uint64 [n, windows], the whole first, as `perceptual_hashes` returns them.
        max_distance: bits of 64.

    Returns, for each picture, the smallest index of its group (int64 [n]). Featureless pictures stay alone.

    Not all pairs are compared: the 64 bits are cut into `max_distance + 2` bands, and two hashes that
    near agree in at least two whole bands (the pigeonhole principle), so only those that agree in some
    two are; of very many pictures three of `max_distance + 3`. At a distance of 6, 100,000 pictures take
    seconds and a million take minutes.
    """
    labels = np.arange(len(hashes), dtype=np.int64)
    comparable = np.flatnonzero(hashes[:, 0] != FEATURELESS)
    _, first, inverse = np.unique(hashes[comparable, 0], return_index=True, return_inverse=True)
    groups = _group_distinct(hashes[comparable[first]], max_distance)
    smallest = first.copy()
    np.minimum.at(smallest, groups, first)
    labels[comparable] = comparable[smallest[groups[inverse]]]
    return labels


def _group_distinct(hashes: Hashes, max_distance: int) -> Labels:
    """Group pictures that all differ as a whole; the label is one index of the group."""
    labels = np.arange(len(hashes), dtype=np.int64)
    windows = np.ascontiguousarray(hashes.T)
    equal_bands, key_bits = (2, 16) if len(hashes) <= _FEW_PICTURES else (3, 20)
    for bands in combinations(_cut_bands(max_distance + equal_bands), equal_bands):
        mask = np.uint64(sum(bands))
        keys = _shorten(windows[0] & mask, key_bits)
        order = np.argsort(keys)
        starts = np.append(0, np.cumsum(np.bincount(keys, minlength=1 << key_bits)))
        for window in windows:
            wanted = _shorten(window & mask, key_bits)
            left = np.flatnonzero((starts[wanted] < starts[wanted + 1]) & (window != FEATURELESS))
            position, end = starts[wanted[left]], starts[wanted[left] + 1]
            while len(left):
                right = order[position]
                is_near = np.bitwise_count(window[left] ^ windows[0][right]) <= max_distance
                labels = _join_pairs(labels, left[is_near], right[is_near])
                is_left = position + 1 < end
                left, position, end = left[is_left], position[is_left] + 1, end[is_left]
    return labels


def _shorten(bits: Hashes, key_bits: int) -> Labels:
    """Return a number below 2**key_bits, equal for equal bits (multiplicative hashing, Knuth 6.4)."""
    return ((bits * _KNUTH) >> np.uint64(64 - key_bits)).astype(np.int64)


def _join_pairs(labels: Labels, a: Labels, b: Labels) -> Labels:
    """Make one group of the groups of `a[i]` and `b[i]`, for all i; labels point to the smallest member."""
    while True:
        roots_a, roots_b = labels[a], labels[b]
        apart = roots_a != roots_b
        if not apart.any():
            return labels
        a, b, roots_a, roots_b = a[apart], b[apart], roots_a[apart], roots_b[apart]
        np.minimum.at(labels, np.maximum(roots_a, roots_b), np.minimum(roots_a, roots_b))
        while np.any(labels != (above := labels[labels])):
            labels = above


def _cut_bands(count: int) -> list[int]:
    """Cut 64 bits into `count` bands as equal as can be, as masks."""
    edges = [64 * i // count for i in range(count + 1)]
    return [(1 << high) - (1 << low) for low, high in pairwise(edges)]
