"""Rows from the pipeline's SQLite files into PostgreSQL's binary COPY, a few at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash

from vibe_photos.publish.schema import VectorType
from vibe_photos.storage.postgres import Connection
from vibe_photos.storage.sqlite import open_database

_LABEL_TYPES = ("text", "text", "text", "text", "float8", "float8", "bool")
_REAL_OID = 700
_CHUNK_BYTES = 1 << 20


def hash_file(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes; the pipeline's files have the same bytes for the same rows."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def copy_labels(connection: Connection, labels: Path, table: str) -> int:
    """Copy every row of `label_assignment` of `labels.sqlite` into a table; return how many."""
    columns = "image_id, label_key, level, source, score, threshold, value"
    count = 0
    with (
        open_database(labels) as source,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types(_LABEL_TYPES)
        for *row, value in source.execute(f"SELECT {columns} FROM label_assignment"):
            copy.write_row((*row, value == 1))
            count += 1
    return count


def copy_vectors(connection: Connection, embeddings: Path, table: str, vector_type: VectorType) -> int:
    """Copy `(image_id, dim, vector)` of `embeddings.sqlite` into a table; return how many."""
    to_field: Callable[[bytes], bytes] = to_pgvector if vector_type == "vector" else to_real_array
    count = 0
    with (
        open_database(embeddings) as source,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} (image_id, dim, vector) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        # bytea: sent as the bytes are, which are the binary form of the column's own type.
        copy.set_types(("text", "int4", "bytea"))
        for image_id, dim, vector in source.execute("SELECT image_id, dim, vector FROM image_embedding"):
            copy.write_row((image_id, dim, to_field(vector)))
            count += 1
    return count


def to_pgvector(vector: bytes) -> bytes:
    """Return a float32 little-endian vector as pgvector receives it: length, reserved, big-endian floats."""
    values = np.frombuffer(vector, dtype="<f4")
    return np.array([len(values), 0], dtype=">i2").tobytes() + values.astype(">f4").tobytes()


def to_real_array(vector: bytes) -> bytes:
    """Return a float32 little-endian vector as `array_recv` takes a `real[]`: each item with its length."""
    values = np.frombuffer(vector, dtype="<f4")
    header = np.array([1, 0, _REAL_OID, len(values), 1], dtype=">i4")
    items = np.empty(len(values), dtype=[("bytes", ">i4"), ("value", ">f4")])
    items["bytes"], items["value"] = 4, values
    return header.tobytes() + items.tobytes()
