"""The shape in which all vectors are kept: unit norm, float32."""

from typing import Any

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
"""Rows of unit norm, float32 [n, dim]."""


def to_unit_norm(features: npt.NDArray[Any]) -> Vectors:
    """Scale the rows of `features` [n, dim] to length 1, reckoned in float64.

    A row without a direction (all zero, or not finite) becomes NaN, so that nobody takes it for a vector.
    """
    wide = features.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    has_direction = np.isfinite(lengths) & (lengths > 0)
    unit = np.divide(wide, lengths, out=np.full_like(wide, np.nan), where=has_direction)
    return np.asarray(unit, dtype=np.float32)
