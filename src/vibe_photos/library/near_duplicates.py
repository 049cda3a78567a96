"""Photos that show nearly the same: perceptual hashes, and the groups that they form."""

from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
from PIL import Image

FEATURELESS = 0
"""The hash of a picture with nothing in it (a blank page, a black frame): it resembles no other."""

_EDGE_PX = 32
_FREQUENCIES = 8
_MIN_CONTRAST = 2.0

Hashes = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]


def perceptual_hash(image: Image.Image) -> int:
    """Return the 64-bit DCT hash of a picture; nearly equal pictures differ in few bits.

    Brightness is averaged down to 32 x 32, its cosine transform is taken, and each of the 8 x 8 lowest
    frequencies gives a bit: is it above their median? (Zauner 2010, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", section 3.2.1; here the first row and column, which hold horizons
    and lines of text, take part too.) The highest bit stands for the constant term, which says only how
    bright a picture is: it is always set. The transform is in whole numbers, so that every processor
    finds the same bits.

    A picture whose 32 x 32 brightness varies by less than two of 255 levels (standard deviation) is
    `FEATURELESS`: its bits would be noise. No other picture has that hash.
    """
    grey = image.convert("L").resize((_EDGE_PX, _EDGE_PX), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(grey, dtype=np.int64)
    if pixels.std() < _MIN_CONTRAST:
        return FEATURELESS
    coefficients = (_COSINES @ pixels @ _COSINES.T).ravel()[1:]
    bits = coefficients > np.median(coefficients)
    return int("1" + "".join("1" if bit else "0" for bit in bits), 2)


def group_near_duplicates(hashes: Hashes, max_distance: int) -> Labels:
    """Group the pictures whose hashes differ in at most `max_distance` bits, directly or through others.

    Returns, for each of the n hashes (uint64), the smallest index of its group (int64). Featureless
    pictures stay alone.

    Not all pairs are compared: the 64 bits are cut into `max_distance + 2` bands, and two hashes that
    near agree in at least two whole bands (the pigeonhole principle), so only those that agree in some
    two are. A million hashes take seconds up to a distance of about 8; beyond, bands get short.
    """
    labels = np.arange(len(hashes), dtype=np.int64)
    comparable = np.flatnonzero(hashes != FEATURELESS)
    distinct, first, inverse = np.unique(hashes[comparable], return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    groups = _group_distinct(distinct[order], max_distance)
    labels[comparable] = comparable[first[order][groups[rank[inverse]]]]
    return labels


def _group_distinct(hashes: Hashes, max_distance: int) -> Labels:
    """Group hashes that are all different; the label is the smallest index of the group."""
    labels = np.arange(len(hashes), dtype=np.int64)
    if max_distance == 0:
        return labels
    for pair in combinations(_cut_bands(max_distance + 2), 2):
        keys = hashes & np.uint64(pair[0] | pair[1])
        order = np.argsort(keys)
        labels = _join_equal_keys(keys[order], hashes[order], order, labels, max_distance)
    return labels


def _join_equal_keys(
    keys: Hashes, hashes: Hashes, order: Labels, labels: Labels, max_distance: int
) -> Labels:
    """Compare each hash with those behind it in key order, for as long as their keys are equal."""
    left = np.flatnonzero(keys[:-1] == keys[1:])
    step = 1
    while len(left):
        right = left + step
        is_near = np.bitwise_count(hashes[left] ^ hashes[right]) <= max_distance
        labels = _join_pairs(labels, order[left[is_near]], order[right[is_near]])
        step += 1
        left = left[left + step < len(keys)]
        left = left[keys[left] == keys[left + step]]
    return labels


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


def _scaled_cosines() -> npt.NDArray[np.int64]:
    """The first rows of the cosine transform (DCT-II), times 4096 and rounded."""
    positions = (2 * np.arange(_EDGE_PX) + 1) * np.pi / (2 * _EDGE_PX)
    cosines = np.cos(np.outer(np.arange(_FREQUENCIES), positions))
    return np.asarray(np.rint(4096 * cosines), dtype=np.int64)


_COSINES = _scaled_cosines()
