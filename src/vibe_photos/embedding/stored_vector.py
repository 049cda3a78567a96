"""A vector as an app keeps it in a database, in any of the usual forms, as one of unit norm."""

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.embedding.vectors import Vectors, to_unit_norm
from vibe_photos.errors import DecodeError

_BYTE_TYPES = {2: "<f2", 4: "<f4", 8: "<f8"}
_MAX_NORM_ERROR = 1e-6
"""A float32 vector of unit norm is never farther from it; what is nearer stays as it is, bit for bit."""


def decode_vector(value: object, dim: int) -> NDArray[np.float64]:
    """Return the numbers of a stored vector, float64 [dim].

    Args:
        value: bytes (float16, float32 or float64, little-endian; their number says which), text (a JSON
            list, which is also how pgvector writes), or a list of numbers (`real[]`).
        dim: how many numbers there must be.

    Raises:
        DecodeError: `reason` is `damaged`, `wrong_dim` or `not_finite`.
    """
    numbers = _read_bytes(value, dim) if isinstance(value, bytes) else _read_list(value)
    if len(numbers) != dim:
        raise DecodeError("wrong_dim", f"the stored vector has {len(numbers)} numbers, not {dim}")
    if not np.isfinite(numbers).all():
        raise DecodeError("not_finite", "the stored vector holds NaN or infinity")
    return numbers


def normalise(numbers: NDArray[np.float64]) -> tuple[Vectors, bool]:
    """Return a vector as float32 [dim] of unit norm, and whether it had to be scaled.

    Raises:
        DecodeError: `no_direction`: all its numbers are zero.
    """
    norm = float(np.linalg.norm(numbers))
    if norm == 0.0:
        raise DecodeError("no_direction", "the stored vector is zero")
    if abs(norm - 1.0) <= _MAX_NORM_ERROR:
        return numbers.astype(np.float32), False
    return to_unit_norm(numbers[np.newaxis])[0], True


def _read_bytes(value: bytes, dim: int) -> NDArray[np.float64]:
    kind = _BYTE_TYPES.get(len(value) // dim)
    if kind is None or len(value) % dim:
        raise DecodeError("wrong_dim", f"{len(value)} stored bytes are no vector of {dim} numbers")
    return np.frombuffer(value, dtype=kind).astype(np.float64)


def _read_list(value: object) -> NDArray[np.float64]:
    try:
        if isinstance(value, str):
            # Not JSON, but how NaN is written: as null it is told apart from damage.
            value = msgspec.json.decode(value.replace("NaN", "null"), type=list[float | None])
        numbers = msgspec.convert(value, list[float | None])
    except msgspec.MsgspecError as error:
        raise DecodeError("damaged", f"the stored vector cannot be read: {error}") from None
    return np.array(numbers, dtype=np.float64)
