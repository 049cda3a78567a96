"""A vector as an app keeps it in a database, in any of the usual forms, as one of unit norm.

An app's table `image_embedding(image_id, model, dim, vector)`, in SQLite or PostgreSQL, by its address.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import DatabaseError, DecodeError
from vibe_photos.storage.postgres import SCHEMES, open_postgres
from vibe_photos.storage.sqlite import open_database
from vibe_photos.storage.vectors import Vectors, to_unit_norm

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


SQLITE = "sqlite:///"

ReadVectors: TypeAlias = Callable[[Sequence[str]], list[tuple[str, int, object]]]
"""From image ids to the rows of those that have a vector: `(image_id, dim, vector as stored)`."""

_MODELS = "SELECT model, count(*) FROM image_embedding GROUP BY model ORDER BY model"
_ROWS = "SELECT image_id, dim, vector FROM image_embedding WHERE model = {} AND image_id "


@contextmanager
def open_vector_table(url: str, model: str) -> Iterator[ReadVectors]:
    """Open the table for reading the vectors of one model.

    Args:
        url: `sqlite:///FILE` or `postgresql://...`.
        model: what the table's column `model` must say.

    Raises:
        DatabaseError: the database cannot be reached, has no such table, or no vector of that model.
        InputError: the SQLite file is missing or is no database.
    """
    if url.startswith(SQLITE):
        opened = _open_sqlite(Path(url.removeprefix(SQLITE)))
    elif url.startswith(SCHEMES):
        opened = _open_postgres(url)
    else:
        raise DatabaseError(f"an address begins with {SQLITE} or {SCHEMES[0]}, and this one does not")
    with opened as (ask, placeholder, is_any):
        models: dict[str, int] = dict(ask(_MODELS, ()))
        if model not in models:
            has = ", ".join(f"{name} ({count})" for name, count in models.items()) or "no vectors at all"
            raise DatabaseError(
                f"image_embedding has no vectors of {model!r} (embedder.source_model); it has {has}"
            )
        query = _ROWS.format(placeholder) + is_any
        yield lambda image_ids: ask(query, (model, image_ids))


_Ask: TypeAlias = Callable[[str, tuple[Any, ...]], list[Any]]


@contextmanager
def _open_sqlite(path: Path) -> Iterator[tuple[_Ask, str, str]]:
    with open_database(path) as connection:

        def ask(query: str, values: tuple[Any, ...]) -> list[Any]:
            flat = [json.dumps(value) if isinstance(value, list) else value for value in values]
            return connection.execute(query, flat).fetchall()

        try:
            yield ask, "?", "IN (SELECT value FROM json_each(?))"
        except sqlite3.DatabaseError as error:
            raise DatabaseError(f"{path}: {error}") from None


@contextmanager
def _open_postgres(url: str) -> Iterator[tuple[_Ask, str, str]]:
    with open_postgres(url) as connection:
        yield (
            lambda query, values: connection.execute(query.encode(), values).fetchall(),
            "%s",
            "= ANY(%s)",
        )
