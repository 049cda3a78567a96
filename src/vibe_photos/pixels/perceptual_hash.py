"""Photos that show nearly the same: perceptual hashes of a photo, its crops, its turns and what it frames."""

from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.records.photos import FEATURELESS

HASHES_VERSION = 2
"""Goes up whenever the hashes of some picture change: stored hashes of another version are not used."""

_EDGE_PX = 32
_FREQUENCIES = 8
_CUTS = ((0, 32), (2, 32), (0, 30), (2, 30))
"""What of an edge's 32 pixels a window keeps: all, or without the 1/16 at one end or at both."""

_CENTRE = (3, 29)
"""What the centre keeps of both edges: about a tenth is cut off every side."""

_MIN_CONTRAST = 2.0

_FRAME_EDGE_PX = 256
_BACKGROUND_LEVELS = 10
"""A pixel whose level is at most so far from the corners' belongs to the background."""

_BAR_SHARE = 0.8
"""A row or column with at least this share of background is a bar; a clock in it does not matter."""

_MAX_BACKGROUND_INSIDE = 0.5
"""A box with more background in it is a page of text or a drawing, not a photo in a frame."""

_MIN_BOX_PX = 48

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]


def perceptual_hashes(image: Image.Image) -> Hashes:
    """Return the 64-bit DCT hashes by which a picture finds its near-duplicates, uint64 [25].

    The whole is the first. Nearly equal pictures differ in few bits, but a crop of 5 % a side already changes
    a dozen, and a mirrored picture half of them. So these are hashed too, and a twin's whole is near one of
    them (measured in docs/decisions/5-near-duplicates.md):

    - 15 windows: without 1/16 at any of the sides; and the centre, without 3/32 at every side.
    - 7 turns: mirrored, turned by quarters, or both. Each has the whole's coefficients with other signs, rows
      and columns swapped for some, so that they cost no transform.
    - what a plain frame encloses: the photo in a screenshot with bars, `FEATURELESS` where there is none.

    Brightness is averaged down to 32 x 32, the window's cosine transform is taken, and each of the 8 x 8
    lowest frequencies gives a bit: is it above their median? (Zauner 2010, "Implementation and Benchmarking
    of Perceptual Image Hash Functions", section 3.2.1; here the first row and column, which hold horizons
    and lines of text, take part too.) The highest bit stands for the constant term, which says only how
    bright a picture is: it is always set. All numbers are whole and below 2**53, so that every processor
    finds the same bits.

    What varies by less than two of 255 levels (standard deviation) is `FEATURELESS`: its bits would be
    noise. No other window has that hash, and where the whole is featureless all hashes are.
    """
    grey = image.convert("L")
    pixels = _shrink(grey, _EDGE_PX)
    has_contrast = np.array([pixels[rows, columns].std() >= _MIN_CONTRAST for rows, columns in _WINDOWS])
    if not has_contrast[0]:
        return np.full(len(_WINDOWS) + len(_TURNS) + 1, FEATURELESS, dtype=np.uint64)
    by_cut = (_COSINES @ pixels @ _COSINES.T).reshape(len(_CUTS) + 1, _FREQUENCIES, len(_CUTS) + 1, -1)
    by_cut = by_cut.swapaxes(1, 2)
    windows = np.concatenate([by_cut[:-1, :-1].reshape(-1, _FREQUENCIES, _FREQUENCIES), by_cut[-1:, -1]])
    hashes = np.where(has_contrast, _hash_coefficients(windows), np.uint64(FEATURELESS))
    turns = np.array([signs * (windows[0].T if swapped else windows[0]) for swapped, signs in _TURNS])
    return np.concatenate([hashes, _hash_coefficients(turns), _hash_framed(grey)])


def find_framed(pixels: Floats) -> Box | None:
    """Return the box (left, top, right, bottom) of the picture that a plain frame encloses, or None.

    The frame has the level of the four corners. It may hold a line of text, as a phone's status bar does.
    A page of text is no such picture: most of it, inside its margins, is background.

    Args:
        pixels: brightness, 0 to 255 [height, width].
    """
    corners = pixels[[0, 0, -1, -1], [0, -1, 0, -1]]
    if np.ptp(corners) > _BACKGROUND_LEVELS:
        return None
    is_background = np.abs(pixels - corners.mean()) <= _BACKGROUND_LEVELS
    top, bottom = _find_ends(is_background)
    left, right = _find_ends(is_background[top:bottom].T)
    is_whole = (bottom - top, right - left) == pixels.shape
    if is_whole or min(bottom - top, right - left) < _MIN_BOX_PX:
        return None
    is_photo = is_background[top:bottom, left:right].mean() <= _MAX_BACKGROUND_INSIDE
    return (left, top, right, bottom) if is_photo else None


def _find_ends(is_background: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first row that is no bar and the one after the last; (0, 0) where all are bars."""
    if not is_background.size:
        return 0, 0
    rows = np.flatnonzero(is_background.mean(axis=1) < _BAR_SHARE)
    return (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)


def _hash_framed(grey: Image.Image) -> Hashes:
    """Return the hash of the picture within a plain frame, uint64 [1]."""
    box = find_framed(_shrink(grey, _FRAME_EDGE_PX))
    if box is not None:
        scale_x, scale_y = grey.width / _FRAME_EDGE_PX, grey.height / _FRAME_EDGE_PX
        inside = (box[0] * scale_x, box[1] * scale_y, box[2] * scale_x, box[3] * scale_y)
        pixels = _shrink(grey, _EDGE_PX, inside)
        if pixels.std() >= _MIN_CONTRAST:
            whole = _COSINES[:_FREQUENCIES]
            return _hash_coefficients((whole @ pixels @ whole.T)[None])
    return np.array([FEATURELESS], dtype=np.uint64)


def _shrink(grey: Image.Image, edge_px: int, box: tuple[float, float, float, float] | None = None) -> Floats:
    """Return a picture's brightness, or that of a box of it, averaged down to a square."""
    small = grey.resize((edge_px, edge_px), Image.Resampling.BILINEAR, box=box, reducing_gap=3.0)
    return np.asarray(small, dtype=np.float64)


def _hash_coefficients(coefficients: Floats) -> Hashes:
    """Return the hash of each picture's coefficients (float64 [n, 8, 8]), uint64 [n]."""
    flat = coefficients.reshape(len(coefficients), -1)
    bits = flat > np.median(flat[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = True
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def _scaled_cosines(start: int, stop: int) -> Floats:
    """The first rows of the cosine transform (DCT-II) of some pixels, times 4096, rounded; 0 at others."""
    cosines = np.zeros((_FREQUENCIES, _EDGE_PX))
    positions = (2 * np.arange(stop - start) + 1) * np.pi / (2 * (stop - start))
    cosines[:, start:stop] = np.rint(4096 * np.cos(np.outer(np.arange(_FREQUENCIES), positions)))
    return cosines


_COSINES = np.vstack([_scaled_cosines(*cut) for cut in (*_CUTS, _CENTRE)])
_WINDOWS = [(slice(*rows), slice(*columns)) for rows, columns in (*product(_CUTS, _CUTS), (_CENTRE, _CENTRE))]

_MIRROR = (-1.0) ** np.arange(_FREQUENCIES)
"""A mirrored picture's coefficients: those of odd frequencies change their sign."""

_TURNS = [
    (swapped, rows[:, None] * columns)
    for swapped, rows, columns in product((False, True), (np.ones(8), _MIRROR), (np.ones(8), _MIRROR))
][1:]
"""The seven turns besides the whole: are rows and columns swapped, and each coefficient's sign."""
