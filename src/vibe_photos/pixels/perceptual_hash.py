"""Perceptual hashes that find near-duplicates: of a photo, its crops, its turns and its framed part."""

from itertools import product
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos import pixels
from vibe_photos.records.photos import FEATURELESS

HASHES_VERSION = 2
"""Increase it when the hashes of any picture change: stored hashes of another version are not used."""

SHORT_EDGE_PX = 384
"""Every photo is decoded to at least this size, so that hashes do not depend on the encoder."""

_EDGE_PX = 32
_FREQUENCIES = 8
_CUTS = ((0, 32), (2, 32), (0, 30), (2, 30))
"""The pixels of an edge that a window keeps: all 32, or without 1/16 at one end or at both."""

_CENTRE = (3, 29)
"""The pixels of both edges that the centre keeps: about a tenth is cut off every side."""

_MIN_CONTRAST = 2.0

_FRAME_EDGE_PX = 256
_BACKGROUND_LEVELS = 10
"""A pixel whose grey level differs at most this much from the corners belongs to the background."""

_BAR_SHARE = 0.8
"""A row or column with at least this share of background is a bar (it may contain a clock)."""

_MAX_BACKGROUND_INSIDE = 0.5
"""A box with a larger share of background is a page of text or a drawing, not a framed photo."""

_MIN_BOX_PX = 48

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Box = tuple[int, int, int, int]


def hash_recipe() -> str:
    """Return the version of perceptual hashes; it changes with the pixels and the code that make them."""
    return f"dct64-{SHORT_EDGE_PX}px-hashes{HASHES_VERSION}-pixels{pixels.PIXELS_VERSION}"


def hashes_file(store: Path) -> Path:
    """Return the file of the store with perceptual hashes of the current version."""
    return store / "perceptual_hashes" / f"{hash_recipe()}.sqlite"


def cover_short_edge(width: int, height: int) -> tuple[int, int]:
    """Return the size at which a photo's shorter edge is `SHORT_EDGE_PX`; a smaller photo's own."""
    shrink = min(1.0, SHORT_EDGE_PX / min(width, height))
    return ceil(width * shrink), ceil(height * shrink)


def perceptual_hashes(image: Image.Image) -> Hashes:
    """Return a picture's 64-bit DCT hashes, uint64 [25]; the first is of the whole picture.

    Nearly equal pictures differ in few bits, but a crop of 5 % per side already changes a dozen bits, and a
    mirrored picture half of them. So these versions are hashed too; the whole hash of a near-duplicate is
    close to one of them (measured in docs/decisions/5-near-duplicates.md):

    - 15 windows with 1/16 cut off at any of the sides, and the centre, with 3/32 cut off at every side.
    - 7 turns: mirrored, turned by 90, 180 or 270 degrees, or both. Their coefficients are those of the whole
      with other signs, some with rows and columns swapped, so they need no transform.
    - the picture inside a plain frame (a screenshot with bars), `FEATURELESS` if there is no frame.

    The method: shrink the brightness to 32 x 32, take the cosine transform, and give each of the 8 x 8 lowest
    frequencies a bit: whether it is above their median (Zauner 2010, "Implementation and Benchmarking of
    Perceptual Image Hash Functions", section 3.2.1; but the first row and column, which describe horizons and
    lines of text, are included). The highest bit belongs to the constant term, the mean brightness, and is
    always set. All numbers are integers below 2**53, so every processor finds the same bits.

    A window whose standard deviation is below two of 255 levels is `FEATURELESS`, because its bits would be
    noise. If the whole is featureless, all hashes are.
    """
    grey = image.convert("L")
    pixels = _shrink(grey, _EDGE_PX)
    has_contrast = np.array([pixels[rows, columns].std() >= _MIN_CONTRAST for rows, columns in _WINDOWS])
    if not has_contrast[0]:
        return np.full(HASHES_PER_PHOTO, FEATURELESS, dtype=np.uint64)
    by_cut = (_COSINES @ pixels @ _COSINES.T).reshape(len(_CUTS) + 1, _FREQUENCIES, len(_CUTS) + 1, -1)
    by_cut = by_cut.swapaxes(1, 2)
    windows = np.concatenate([by_cut[:-1, :-1].reshape(-1, _FREQUENCIES, _FREQUENCIES), by_cut[-1:, -1]])
    hashes = np.where(has_contrast, _hash_coefficients(windows), np.uint64(FEATURELESS))
    turns = np.array([signs * (windows[0].T if swapped else windows[0]) for swapped, signs in _TURNS])
    return np.concatenate([hashes, _hash_coefficients(turns), _hash_framed(grey)])


def find_framed(pixels: Floats) -> Box | None:
    """Return the box (left, top, right, bottom) of the picture inside a plain frame, or None.

    The frame has the grey level of the four corners. It may contain a line of text, like a phone's status
    bar. A page of text is not a framed picture: inside its margins it is mostly background. `pixels` is the
    brightness, 0 to 255 [height, width].
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
    """Return the first row that is not a bar and the one after the last; (0, 0) if all are bars."""
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
    """Return the brightness of a picture, or of a box in it, shrunk to a square."""
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
"""Mirroring changes the sign of the coefficients of odd frequencies."""

_TURNS = [
    (swapped, rows[:, None] * columns)
    for swapped, rows, columns in product((False, True), (np.ones(8), _MIRROR), (np.ones(8), _MIRROR))
][1:]
"""The seven turns: whether rows and columns are swapped, and the sign of each coefficient."""

HASHES_PER_PHOTO = len(_WINDOWS) + len(_TURNS) + 1
