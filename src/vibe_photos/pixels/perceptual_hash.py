"""Perceptual hashes: numbers that nearly equal photos share, whatever their size, crop, turn or frame."""

from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.records.photos import FEATURELESS

_EDGE_PX = 32
_FREQUENCIES = 8
_CUTS = ((0, 32), (2, 32), (0, 30), (2, 30), (3, 32), (0, 29), (3, 29))
"""What of an edge's 32 pixels a window keeps: all, or without 1/16 or 3/32 at one end or at both."""

_WINDOWS = [*product((0, 1, 2, 3), repeat=2), *list(product((0, 4, 5, 6), repeat=2))[1:]]
"""Rows and columns of each window, as places in `_CUTS`; the whole comes first."""

_MIN_CONTRAST = 2.0

_FRAMED_PX = 256
"""A frame is looked for in a picture of at most about twice as many pixels an edge."""

_FRAME_TOLERANCE = 8
_FRAME_LINE = 0.9
_FRAME_SHARE = 0.75

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


def perceptual_hashes(image: Image.Image) -> Hashes:
    """Return the 64-bit hashes of a picture, of its 30 windows, and of what a frame encloses, uint64 [32].

    Nearly equal pictures differ in few bits, but a crop of 5 % a side already changes a dozen. So a picture
    is also hashed with 1/16 or 3/32 cut off any of its sides: a twin that was cropped by about as much is
    near one of these windows. A screenshot of a photo is hashed without its bars too; where there are none,
    that hash is `FEATURELESS`. (Measured in docs/decisions/5-near-duplicates.md.)

    Brightness is averaged down to 32 x 32, the window's cosine transform is taken, and each of the 8 x 8
    lowest frequencies gives a bit: is it above 0? (After Zauner 2010, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", section 3.2.1. The threshold there is the median. With 0, mirroring
    and turning a picture only flips and transposes bits.) Row r and column c of the frequencies are bit
    63 - (8 r + c). The highest bit stands for the constant term, which says only how bright a picture is: it
    is always set. All numbers are whole and below 2**53, so that every processor finds the same bits.

    What varies by less than two of 255 levels (standard deviation) is `FEATURELESS`: its bits would be
    noise. No other window has that hash, and where the whole is featureless all windows are.
    """
    grey = image.convert("L")
    hashes = _hash_windows(_shrink(grey))
    box = _find_framed(grey)
    if box is None or hashes[0] == FEATURELESS:
        return np.append(hashes, np.uint64(FEATURELESS))
    return np.append(hashes, _hash_windows(_shrink(grey.crop(box)))[0])


def _hash_windows(pixels: Floats) -> Hashes:
    """Return the hashes of the whole and of the windows of 32 x 32 pixels, uint64 [31]."""
    slices = [(slice(*_CUTS[rows]), slice(*_CUTS[columns])) for rows, columns in _WINDOWS]
    has_contrast = np.array([pixels[window].std() >= _MIN_CONTRAST for window in slices])
    if not has_contrast[0]:
        return np.full(len(_WINDOWS), FEATURELESS, dtype=np.uint64)
    coefficients = (_COSINES @ pixels @ _COSINES.T).reshape(len(_CUTS), _FREQUENCIES, len(_CUTS), -1)
    rows, columns = zip(*_WINDOWS, strict=True)
    bits = coefficients.swapaxes(1, 2)[rows, columns].reshape(len(_WINDOWS), -1) > 0
    bits[:, 0] = True
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    return np.where(has_contrast, hashes, np.uint64(FEATURELESS))


def _find_framed(grey: Image.Image) -> tuple[int, int, int, int] | None:
    """Return the box in pixels that bars of one colour enclose, None where there are no such bars.

    A bar is a run of rows, or of columns, in which most pixels have the colour of the frame; icons and a
    line of text may stand in it. The box is the longest run of other rows, and of other columns there.
    """
    factor = max(1, max(grey.size) // _FRAMED_PX)
    pixels = np.asarray(grey.reduce(factor) if factor > 1 else grey).astype(np.int16)
    height, width = pixels.shape
    for lines in (pixels, pixels.T):
        middle = np.sort(lines, axis=1)[:, lines.shape[1] // 2]
        is_even = np.abs(lines - middle[:, None]) <= _FRAME_TOLERANCE
        is_flat = is_even.sum(axis=1) >= _FRAME_LINE * lines.shape[1]
        if is_flat.sum() < lines.shape[0] / 10:
            continue
        is_frame = np.abs(pixels - np.bincount(middle[is_flat]).argmax()) <= _FRAME_TOLERANCE
        rows = _longest_run(is_frame.sum(axis=1) < _FRAME_SHARE * width)
        inside = is_frame[slice(*rows)]
        columns = _longest_run(inside.sum(axis=0) < _FRAME_SHARE * len(inside))
        kept = (rows[1] - rows[0], columns[1] - columns[0])
        if kept == (height, width) or kept[0] < height // 5 or kept[1] < width // 5:
            continue
        return (columns[0] * factor, rows[0] * factor, columns[1] * factor, rows[1] * factor)
    return None


def _longest_run(flags: Flags) -> tuple[int, int]:
    """Return where the longest run of true flags begins and ends (exclusive); (0, 0) where none is true."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    if not len(edges):
        return (0, 0)
    longest = np.argmax(edges[1::2] - edges[::2])
    return int(edges[2 * longest]), int(edges[2 * longest + 1])


def _shrink(grey: Image.Image) -> Floats:
    """Return the brightness at 32 x 32 pixels, float64 in 0..255."""
    small = grey.resize((_EDGE_PX, _EDGE_PX), Image.Resampling.BILINEAR, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float64)


def _scaled_cosines(start: int, stop: int) -> Floats:
    """The first rows of the cosine transform (DCT-II) of some pixels, times 4096, rounded; 0 at others."""
    cosines = np.zeros((_FREQUENCIES, _EDGE_PX))
    positions = (2 * np.arange(stop - start) + 1) * np.pi / (2 * (stop - start))
    cosines[:, start:stop] = np.rint(4096 * np.cos(np.outer(np.arange(_FREQUENCIES), positions)))
    return cosines


_COSINES = np.vstack([_scaled_cosines(*cut) for cut in _CUTS])
