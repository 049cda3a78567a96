"""Near-duplicates: pictures whose perceptual hashes differ in few bits, and groups that they connect.

In all functions `max_distance` is a number of bits out of 64.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt

from vibe_photos.records.photos import FEATURELESS

Hashes = npt.NDArray[np.uint64]
"""The hashes of n pictures, uint64 [n, hashes], the whole first, as `perceptual_hashes` returns them."""

Labels = npt.NDArray[np.int64]

_FEW_PICTURES = 200_000
"""Up to this many, matching two bands gives few candidates; above, matching three is faster."""

_KNUTH = np.uint64(0x9E3779B97F4A7C15)


def find_neighbours(hashes: Hashes, rows: Sequence[int], max_distance: int) -> npt.NDArray[np.bool_]:
    """Return which pictures are direct near-duplicates of those in given rows, bool [n]."""
    is_comparable = hashes != FEATURELESS
    near = np.zeros(len(hashes), dtype=np.bool_)
    for row in rows:
        is_window_near = np.bitwise_count(hashes ^ hashes[row, 0]) <= max_distance
        is_whole_near = np.bitwise_count(hashes[:, :1] ^ hashes[row]) <= max_distance
        if is_comparable[row, 0]:
            near |= (is_window_near & is_comparable).any(axis=1)
        near |= (is_whole_near & is_comparable[row] & is_comparable[:, :1]).any(axis=1)
    return near


def group_near_duplicates(hashes: Hashes, max_distance: int) -> Labels:
    """Group pictures that are near, directly or through others (connected components).

    Two pictures are near if the whole hash of one differs in at most `max_distance` bits from any hash of the
    other, which may be of a crop, a turn or the framed part. Crops are not compared with crops: among so many
    pairs some would be near by chance.

    Returns, for each picture, the smallest index of its group (int64 [n]). Featureless pictures stay alone.

    Not all pairs are compared: the 64 bits are cut into `max_distance + 2` bands. Two near hashes are equal
    in at least two bands (the pigeonhole principle), so only such pairs are compared; for very many pictures
    three bands of `max_distance + 3`. At a distance of 6, 100,000 pictures take seconds, a million minutes.
    """
    labels = np.arange(len(hashes), dtype=np.int64)
    comparable = np.flatnonzero(hashes[:, 0] != FEATURELESS)
    _, first, inverse = np.unique(hashes[comparable, 0], return_index=True, return_inverse=True)
    groups = _group_distinct(hashes[comparable[first]], max_distance)
    smallest = first.copy()
    np.minimum.at(smallest, groups, first)
    labels[comparable] = comparable[smallest[groups[inverse]]]
    return labels


def find_leaders(hashes: Hashes, max_distance: int) -> Labels:
    """Return, for each picture, the one that stands for it: the first earlier one near it, else itself.

    Only pictures that stand for themselves stand for others, and what comes later changes nothing.
    """
    leaders = np.arange(len(hashes), dtype=np.int64)
    groups = group_near_duplicates(hashes, max_distance)
    order = np.argsort(groups, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        is_open = np.ones(len(rows), np.bool_)
        for place in range(len(rows)) if len(rows) > 1 else ():
            if is_open[place]:
                near = find_neighbours(hashes[rows], [place], max_distance) & is_open
                leaders[rows[near]] = rows[place]
                is_open &= ~near
                is_open[place] = False
    return leaders


def cut_large_groups(hashes: Hashes, groups: Labels, max_distance: int, largest: int) -> Labels:
    """Split groups of more than `largest` pictures, so that a long chain does not fill a fold.

    They are grouped again at smaller and smaller distances until they are small enough, so the nearest
    pictures stay together. A group that is too large at distance 0 is split in the pictures' order.

    `groups` (int64 [n]) were made by `group_near_duplicates` at `max_distance`; `largest` is at least 1.
    """
    groups = groups.copy()
    for distance in reversed(range(max_distance)):
        rows = np.flatnonzero(find_large(groups, largest))
        if not len(rows):
            return groups
        groups[rows] = rows[group_near_duplicates(hashes[rows], distance)]
    for group in np.unique(groups[find_large(groups, largest)]):
        rows = np.flatnonzero(groups == group)
        groups[rows] = rows[np.arange(len(rows)) // largest * largest]
    return groups


def find_large(groups: Labels, largest: int) -> npt.NDArray[np.bool_]:
    """Return which pictures are in a group of more than `largest`, bool [n]."""
    return np.bincount(groups, minlength=len(groups))[groups] > largest


def _group_distinct(hashes: Hashes, max_distance: int) -> Labels:
    """Group pictures with distinct whole hashes; the label is one index of the group."""
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
    """Merge the groups of `a[i]` and `b[i]`, for all i; labels point to the smallest member."""
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
    """Return masks that cut 64 bits into `count` bands of nearly equal width."""
    edges = [64 * i // count for i in range(count + 1)]
    return [(1 << high) - (1 << low) for low, high in pairwise(edges)]
