"""Photos that show nearly the same: perceptual hashes, and the groups that they form."""

from itertools import combinations, pairwise, product

import numpy as np
import numpy.typing as npt
from PIL import Image

FEATURELESS = 0
"""The hash of a picture with nothing in it (a blank page, a black frame): it resembles no other."""

_EDGE_PX = 32
_FREQUENCIES = 8
_CUTS = ((0, 32), (2, 32), (0, 30), (2, 30))
"""What of an edge's 32 pixels a window keeps: all, or without the 1/16 at one end or at both."""

_MIN_CONTRAST = 2.0

_FEW_PICTURES = 200_000
"""Up to so many, two equal bands leave few candidates; beyond, a third is worth its many combinations."""

_KNUTH = np.uint64(0x9E3779B97F4A7C15)

Hashes = npt.NDArray[np.uint64]
Labels = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def perceptual_hashes(image: Image.Image) -> Hashes:
    """Return the 64-bit DCT hashes of a picture and of its 15 windows, uint64 [16]; the first is the whole.

    Nearly equal pictures differ in few bits, but a crop of 5 % a side already turns a dozen. So a picture
    is also hashed as somebody would see it who cut 1/16 off any of its sides: a twin that was cropped by
    about as much is near one of these windows (measured in docs/decisions/5-near-duplicates.md).

    Brightness is averaged down to 32 x 32, the window's cosine transform is taken, and each of the 8 x 8
    lowest frequencies gives a bit: is it above their median? (Zauner 2010, "Implementation and Benchmarking
    of Perceptual Image Hash Functions", section 3.2.1; here the first row and column, which hold horizons
    and lines of text, take part too.) The highest bit stands for the constant term, which says only how
    bright a picture is: it is always set. All numbers are whole and below 2**53, so that every processor
    finds the same bits.

    What varies by less than two of 255 levels (standard deviation) is `FEATURELESS`: its bits would be
    noise. No other window has that hash, and where the whole is featureless all windows are.
    """
    grey = image.convert("L").resize((_EDGE_PX, _EDGE_PX), Image.Resampling.BILINEAR, reducing_gap=3.0)
    pixels = np.asarray(grey, dtype=np.float64)
    has_contrast = np.array([pixels[rows, columns].std() >= _MIN_CONTRAST for rows, columns in _WINDOWS])
    if not has_contrast[0]:
        return np.full(len(_WINDOWS), FEATURELESS, dtype=np.uint64)
    coefficients = (_COSINES @ pixels @ _COSINES.T).reshape(len(_CUTS), _FREQUENCIES, len(_CUTS), -1)
    by_window = coefficients.swapaxes(1, 2).reshape(len(_WINDOWS), -1)
    bits = by_window > np.median(by_window[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = True
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return np.where(has_contrast, hashes, np.uint64(FEATURELESS))


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
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    groups = _group_distinct(hashes[comparable[first[order]]], max_distance)
    labels[comparable] = comparable[first[order][groups[rank[inverse]]]]
    return labels


def _group_distinct(hashes: Hashes, max_distance: int) -> Labels:
    """Group pictures that differ as a whole; the label is the smallest index of the group."""
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


def _scaled_cosines(start: int, stop: int) -> Floats:
    """The first rows of the cosine transform (DCT-II) of some pixels, times 4096, rounded; 0 at others."""
    cosines = np.zeros((_FREQUENCIES, _EDGE_PX))
    positions = (2 * np.arange(stop - start) + 1) * np.pi / (2 * (stop - start))
    cosines[:, start:stop] = np.rint(4096 * np.cos(np.outer(np.arange(_FREQUENCIES), positions)))
    return cosines


_COSINES = np.vstack([_scaled_cosines(*cut) for cut in _CUTS])
_WINDOWS = [(slice(*rows), slice(*columns)) for rows, columns in product(_CUTS, _CUTS)]
