"""Photos that show nearly the same: perceptual hashes, and the groups that they form."""

from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.records.photos import FEATURELESS

_EDGE_PX = 32
_FREQUENCIES = 8
_CUTS = ((0, 32), (2, 32), (0, 30), (2, 30))
"""What of an edge's 32 pixels a window keeps: all, or without the 1/16 at one end or at both."""

_MIN_CONTRAST = 2.0

Hashes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]


def perceptual_hashes(image: Image.Image) -> Hashes:
    """Return the 64-bit DCT hashes of a picture and of its 15 windows, uint64 [16]; the first is the whole.

    Nearly equal pictures differ in few bits, but a crop of 5 % a side already changes a dozen. So a picture
    is also hashed with 1/16 cut off any of its sides: a twin that was cropped by about as much is near one
    of these windows (measured in docs/decisions/5-near-duplicates.md).

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


def _scaled_cosines(start: int, stop: int) -> Floats:
    """The first rows of the cosine transform (DCT-II) of some pixels, times 4096, rounded; 0 at others."""
    cosines = np.zeros((_FREQUENCIES, _EDGE_PX))
    positions = (2 * np.arange(stop - start) + 1) * np.pi / (2 * (stop - start))
    cosines[:, start:stop] = np.rint(4096 * np.cos(np.outer(np.arange(_FREQUENCIES), positions)))
    return cosines


_COSINES = np.vstack([_scaled_cosines(*cut) for cut in _CUTS])
_WINDOWS = [(slice(*rows), slice(*columns)) for rows, columns in product(_CUTS, _CUTS)]
