"""Number of threads, and rounding float64 results to the same float32 on every processor."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt

from vibe_photos.storage.vectors import Vectors

_STEPS = 2.0**23
"""A float64 vector of unit norm is rounded to multiples of 1/_STEPS before it becomes float32.

The demo's float64 vectors differ by up to 5e-16 between processors. A difference changes the stored float32
only if it crosses a rounding boundary. Boundaries of float32 are very close together near zero; these are
1.2e-7 apart everywhere, so a number crosses one only if it is within 5e-16 of it: a probability of about 1e-8
per number. For up to 280 numbers the norm stays within 1e-6 of 1, like that of any stored vector.
"""


def count_threads() -> int:
    """Return `OMP_NUM_THREADS` if it is set, as numeric libraries do, else one thread per core.

    Ray sets it for each worker, so that several workers on one machine share its cores.
    """
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]
    return int(wanted) if wanted.isdigit() and int(wanted) else os.cpu_count() or 1


def to_rounded_unit_norm(features: npt.NDArray[Any]) -> Vectors:
    """Scale float64 rows [n, dim] to unit norm and round them to the same float32 on every processor.

    Only sums in a fixed order, divisions and roots are used, which IEEE 754 defines exactly. A row without a
    direction (all zero, or not finite) becomes NaN.
    """
    lengths = np.sqrt(np.square(features).sum(axis=1, keepdims=True))
    has_direction = np.isfinite(lengths) & (lengths > 0)
    unit = np.divide(features, lengths, out=np.full_like(features, np.nan), where=has_direction)
    return np.asarray(np.rint(unit * _STEPS) / _STEPS, dtype=np.float32)
