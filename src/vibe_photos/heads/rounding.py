"""Where numbers are rounded once, so that they are the same bytes on every processor.

Matrix products in floating point differ in their last bits between processors, libraries and thread counts.
A fit in float64 (`fit`) is good to about 12 digits everywhere. Rounded to far fewer, it is the same number
everywhere, but for one tie in about ten thousand heads. What follows from the rounded weights is exact:
`exact_logits` rounds its factors so that every sum of their products fits into a float64, whatever the order
of summation. Probabilities and logits leave a stage with six decimals (`round_figures`).
"""

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Floats

DECIMALS = 6
"""Of logits, margins, probabilities and calibrations that leave a stage."""

_HEAD_BITS = 18
_FACTOR_BITS = 26


def round_head(weight: Floats, bias: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Round a fitted weight [labels, dim] and bias [labels] to what is stored, as float32.

    A label's numbers become multiples of 2**-18 of their length (as a power of two): a logit of a unit vector
    changes by about 2e-6 of that length.
    """
    rounded = _round_to_bits(np.column_stack([weight, bias]), _HEAD_BITS).astype(np.float32)
    return rounded[:, :-1], rounded[:, -1]


def exact_logits(
    vectors: NDArray[np.float32], weight: NDArray[np.float32], bias: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return `vectors @ weight.T + bias`, float64 [n, labels], the same bits however it is computed.

    Args:
        vectors: unit-norm vectors [n, dim]; taken as multiples of 2**-26.
        weight: [labels, dim]; taken as multiples of 2**-26 of each row's length (as a power of two).
        bias: [labels].

    A sum of products is then a multiple of 2**-52 of the row's length, and by Cauchy and Schwarz no larger
    than that length: float64 holds it without rounding.
    """
    scale = 2.0**_FACTOR_BITS
    factors = np.rint(vectors * scale) / scale
    return np.asarray(factors @ _round_to_bits(weight, _FACTOR_BITS).T + bias)


def round_figures(values: Floats) -> Floats:
    """Round logits, margins or probabilities to `DECIMALS`."""
    return np.round(values, DECIMALS)


def _round_to_bits(rows: Floats, bits: int) -> NDArray[np.float64]:
    """Round rows to multiples of 2**-bits of the power of two above their length."""
    wide = rows.astype(np.float64)
    exponents = np.frexp(np.linalg.norm(wide, axis=1, keepdims=True))[1]
    return np.asarray(np.ldexp(np.rint(np.ldexp(wide, bits - exponents)), exponents - bits))
