"""Rounding that makes numbers the same bytes on every processor.

Floating-point matrix products differ in their last bits between processors, libraries and thread counts. A
fit in float64 (`fit`) has about 12 correct digits. Rounded to far fewer, it is the same everywhere, except
for about one head in ten thousand, where a number is close to a tie. Results of the rounded weights are
exact: `exact_logits` rounds its factors so that every sum of products fits into a float64 in any order of
summation. Stages write probabilities and logits with six decimals (`round_figures`).
"""

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Floats

DECIMALS = 6
"""Of logits, margins, probabilities and calibrations that a stage writes."""

_HEAD_BITS = 18
_FACTOR_BITS = 26


def round_head(weight: Floats, bias: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Round a fitted weight [labels, dim] and bias [labels] for storage, as float32.

    A label's numbers become multiples of 2**-18 of their norm (rounded up to a power of two). This changes
    the logit of a unit vector by about 2e-6 of that norm.
    """
    rounded = _round_to_bits(np.column_stack([weight, bias]), _HEAD_BITS).astype(np.float32)
    return rounded[:, :-1], rounded[:, -1]


def exact_logits(
    vectors: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return `vectors @ weight.T + bias`, float64 [n, labels], with the same bits on every processor.

    Args:
        vectors: unit-norm vectors [n, dim]; rounded to multiples of 2**-26.
        weight: [labels, dim]; rounded to multiples of 2**-26 of each row's norm (as a power of two).
        bias: [labels].

    A sum of products is then a multiple of 2**-52 of the row's norm, and by the Cauchy-Schwarz inequality not
    larger than that norm, so float64 represents it exactly.
    """
    scale = 2.0**_FACTOR_BITS
    factors = np.rint(vectors * scale) / scale
    return np.asarray(factors @ _round_to_bits(weight, _FACTOR_BITS).T + bias)


def round_figures(values: Floats) -> Floats:
    """Round logits, margins or probabilities to `DECIMALS`."""
    return np.round(values, DECIMALS)


def _round_to_bits(rows: Floats, bits: int) -> NDArray[np.float64]:
    """Round rows to multiples of 2**-bits of the power of two above their norm."""
    wide = rows.astype(np.float64)
    exponents = np.frexp(np.linalg.norm(wide, axis=1, keepdims=True))[1]
    return np.asarray(np.ldexp(np.rint(np.ldexp(wide, bits - exponents)), exponents - bits))
