"""Classic features: gradients (HOG), colour and texture; nothing needs to be downloaded.

Sizes and weights were chosen by cross-validation on 347 real photos with a logistic regression: scene
accuracy 0.65, instead of 0.61 with the same histograms neither centred nor weighted.
"""

from math import cos, pi, sin
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.pixels.decode import resize
from vibe_photos.storage.vectors import Vectors, to_unit_norm

_INPUT_PX = 256
_GRADIENT_PX = 128
_GRADIENT_CELL_PX = 16
_DIRECTIONS = 9
_DIRECTION_STARTS = [
    (round(cos(step * pi / _DIRECTIONS), 12), round(sin(step * pi / _DIRECTIONS), 12))
    for step in range(1, _DIRECTIONS)
]
"""Cosine and sine of the start angle of each direction except the first.

They are rounded, because their last bits differ between math libraries.
"""
_MOST_OF_A_BLOCK, _EPSILON = 0.2, 1e-5
_COLOUR_BINS = (8, 4, 4)
_TEXTURES = ((32, 1), (64, 1), (128, 2), (256, 2))
"""Edge in pixels, and number of rows and columns of cells."""
_TEXTURE_CODES = 59
_WEIGHTS = (1.0, 0.7, 2.0)
"""Gradients, colour, texture."""

Block = npt.NDArray[np.float64]


class HogEncoder:
    """Histograms of gradients, HSV colours and local binary patterns, each block of unit norm, weighted."""

    def __init__(self, model: str) -> None:
        """Take the model's name; the dimension is found with a blank picture."""
        self.model = model
        self.dim = len(self.preprocess(Image.new("RGB", (_INPUT_PX, _INPUT_PX))))

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the square to which every photo is resized."""
        return _INPUT_PX, _INPUT_PX

    def preprocess(self, image: Image.Image) -> npt.NDArray[Any]:
        """Return the features, float64 [dim]; all computation is here, so that it runs in threads."""
        square = resize(image, (_INPUT_PX, _INPUT_PX))
        pyramid = {_INPUT_PX // factor: square.reduce(factor) for factor in (1, 2, 4, 8)}
        grey = {edge: np.asarray(level.convert("L")) for edge, level in pyramid.items()}
        blocks = (
            _describe_gradients(grey[_GRADIENT_PX]),
            _describe_colour(pyramid[_GRADIENT_PX]),
            np.concatenate([_describe_texture(grey[edge], cells) for edge, cells in _TEXTURES]),
        )
        weighted = [weight * _centre(block) for weight, block in zip(_WEIGHTS, blocks, strict=True)]
        return np.concatenate(weighted)

    def encode(self, batch: npt.NDArray[Any]) -> Vectors:
        """Return the features as vectors, float32 [n, dim] of unit norm."""
        return to_unit_norm(batch)


def _describe_gradients(grey: npt.NDArray[np.uint8]) -> Block:
    """Return histograms of oriented gradients (Dalal and Triggs 2005, blocks by L2-Hys), square-rooted.

    As in scikit-image, but without arctangents: their last bits differ between processors, so a gradient on
    the border of two directions could be counted in either. Here only sums, products, quotients and roots are
    used, which IEEE 754 defines exactly.
    """
    roots = np.sqrt(grey.astype(np.float64))
    down, right = np.zeros_like(roots), np.zeros_like(roots)
    down[1:-1] = roots[2:] - roots[:-2]
    right[:, 1:-1] = roots[:, 2:] - roots[:, :-2]
    magnitude = np.sqrt(down * down + right * right)
    # Opposite gradients have the same direction. The direction's index is the number of start angles passed.
    sign = np.where((down < 0) | ((down == 0) & (right < 0)), -1.0, 1.0)
    direction = sum((down * x - right * y) * sign >= 0 for x, y in _DIRECTION_STARTS)
    n_cells = len(grey) // _GRADIENT_CELL_PX
    cell = np.arange(len(grey)) // _GRADIENT_CELL_PX
    codes = (cell[:, None] * n_cells + cell) * _DIRECTIONS + direction
    counts = np.bincount(codes.ravel(), magnitude.ravel(), n_cells * n_cells * _DIRECTIONS)
    cells = counts.reshape(n_cells, n_cells, _DIRECTIONS) / _GRADIENT_CELL_PX**2
    corners = [cells[i : n_cells - 1 + i, j : n_cells - 1 + j] for i in (0, 1) for j in (0, 1)]
    blocks = np.concatenate(corners, axis=2)
    blocks = np.minimum(_normalise(blocks), _MOST_OF_A_BLOCK)
    return np.asarray(np.sqrt(_normalise(blocks)).ravel())


def _normalise(blocks: Block) -> Block:
    """Scale each block, the last axis, to nearly unit norm; a block without gradients stays zero."""
    return np.asarray(blocks / np.sqrt(np.square(blocks).sum(axis=2, keepdims=True) + _EPSILON**2))


def _describe_colour(image: Image.Image) -> Block:
    """Return HSV histograms of the four quarters, square-rooted (Hellinger)."""
    hsv = np.asarray(image.convert("HSV"), dtype=np.int64)
    hue, saturation, value = (hsv[..., i] * bins // 256 for i, bins in enumerate(_COLOUR_BINS))
    codes = (hue * _COLOUR_BINS[1] + saturation) * _COLOUR_BINS[2] + value
    return _count_by_cell(codes, 2, int(np.prod(_COLOUR_BINS)))


def _describe_texture(grey: npt.NDArray[np.uint8], cells: int) -> Block:
    """Return histograms of uniform local binary patterns (Ojala et al. 2002, 8 neighbours, radius 1)."""
    from skimage.feature import local_binary_pattern

    codes = np.asarray(local_binary_pattern(grey, 8, 1, "nri_uniform"), dtype=np.int64)  # type: ignore[no-untyped-call]
    counts = _count_by_cell(codes, cells, _TEXTURE_CODES)
    return counts / _length(counts)


def _count_by_cell(codes: npt.NDArray[np.int64], cells: int, n_codes: int) -> Block:
    """Count each code in each of `cells` x `cells` parts; return the roots of the counts."""
    edge = len(codes) // cells
    parts = codes.reshape(cells, edge, cells, edge).swapaxes(1, 2).reshape(cells * cells, -1)
    return np.asarray(np.sqrt(np.concatenate([np.bincount(part, minlength=n_codes) for part in parts])))


def _centre(block: Block) -> Block:
    """Subtract the mean and scale to unit norm (a constant block to zeros)."""
    centred: Block = block - block.mean()
    length = _length(centred)
    return centred / length if length > 0 else centred


def _length(block: Block) -> float:
    """Return the Euclidean norm, summed in NumPy's fixed order; BLAS's order depends on the processor."""
    return float(np.sqrt(np.square(block).sum()))
