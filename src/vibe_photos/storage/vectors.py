"""The photos' vectors in one SQLite file: the table, reading and writing it."""

import sqlite3
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vibe_photos.errors import InputError
from vibe_photos.storage.sqlite import create_database, open_database

Vectors = npt.NDArray[np.float32]
"""Rows of unit norm, float32 [n, dim]."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS image_embedding(
    image_id TEXT NOT NULL PRIMARY KEY, model TEXT NOT NULL, dim INTEGER NOT NULL, vector BLOB NOT NULL);
"""
"""`vector` is `dim` float32, little-endian, of unit norm; one file holds the rows of one model."""

_ROWS_AT_A_TIME = 256
"""Under a megabyte at 768 float32, so that the rows stay in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of one model: `vectors` is float32 [n, dim] of unit norm; row i is of `image_ids[i]`."""

    image_ids: list[str]
    vectors: Vectors
    model: str


def to_unit_norm(features: npt.NDArray[Any]) -> Vectors:
    """Scale the rows of `features` [n, dim] to length 1, computed in float64.

    A row without a direction (all zero, or not finite) becomes NaN.
    """
    wide = features.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    has_direction = np.isfinite(lengths) & (lengths > 0)
    unit = np.divide(wide, lengths, out=np.full_like(wide, np.nan), where=has_direction)
    return np.asarray(unit, dtype=np.float32)


def read_embeddings(path: Path, image_ids: Container[str] | None = None) -> Embeddings:
    """Read a file of vectors, in the order in which it was written.

    `image_ids` limits the photos; None reads all. Besides the result, only a few hundred rows are in memory.

    Raises:
        InputError: the file is missing, is not such a database, or has rows of several models or lengths.
    """
    with _open_embeddings(path) as connection:
        (n,) = connection.execute("SELECT count(*) FROM image_embedding").fetchone()
        kinds = connection.execute("SELECT DISTINCT model, dim FROM image_embedding").fetchall()
        if len(kinds) > 1:
            models = ", ".join(sorted(model for model, _ in kinds))
            raise InputError(f"{path} holds vectors of several models ({models})")
        model, dim = kinds[0] if kinds else ("", 0)
        ids: list[str] = []
        vectors = np.empty((n, dim), dtype=np.float32)  # unwritten pages take no memory
        cursor = connection.execute("SELECT image_id, vector FROM image_embedding ORDER BY rowid")
        while block := cursor.fetchmany(_ROWS_AT_A_TIME):
            rows = [row for row in block if image_ids is None or row[0] in image_ids]
            start = len(ids)
            ids.extend(image_id for image_id, _ in rows)
            joined = b"".join(vector for _, vector in rows)
            vectors[start : len(ids)] = np.frombuffer(joined, dtype="<f4").reshape(len(rows), dim)
        return Embeddings(ids, vectors[: len(ids)], model)


def read_image_ids(path: Path) -> list[str]:
    """Return the image ids of a file of vectors, in its order; errors as `read_embeddings`."""
    with _open_embeddings(path) as connection:
        return [row[0] for row in connection.execute("SELECT image_id FROM image_embedding ORDER BY rowid")]


@contextmanager
def _open_embeddings(path: Path) -> Iterator[sqlite3.Connection]:
    with open_database(path) as connection:
        try:
            yield connection
        except (sqlite3.DatabaseError, ValueError) as error:
            raise InputError(f"{path} is not an embeddings file: {error}") from None


def write_embeddings(path: Path, embeddings: Embeddings) -> None:
    """Replace `path` by a file with these vectors, in their order."""
    blobs = (row.tobytes() for row in embeddings.vectors.astype("<f4", copy=False))
    write_rows(path, embeddings.model, zip(embeddings.image_ids, blobs, strict=True))


def write_rows(path: Path, model: str, rows: Iterable[tuple[str, bytes]]) -> None:
    """Replace `path` by a file with these `(image_id, float32 little-endian vector)` rows."""
    with create_database(path, SCHEMA) as connection:
        connection.executemany(
            "INSERT INTO image_embedding VALUES (?, ?, ?, ?)",
            ((image_id, model, len(vector) // 4, vector) for image_id, vector in rows),
        )
