"""A model's vectors in PostgreSQL, once for all versions of the labels: what is the same stays untouched."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from vibe_photos.publish.publication import VectorFile
from vibe_photos.publish.schema import VectorType, find_vector_type
from vibe_photos.storage.postgres import Connection
from vibe_photos.storage.sqlite import open_database

_REAL_OID = 700


def write_vectors(connection: Connection, model: str, vectors: VectorFile) -> None:
    """Make the model's rows those of `embeddings.sqlite`."""
    vector_type = find_vector_type(connection)
    columns = f"image_id text PRIMARY KEY, dim integer, vector {vector_type}"
    connection.execute(f"CREATE TEMP TABLE incoming ({columns}) ON COMMIT DROP".encode())
    _copy_rows(connection, vectors.path, vector_type)
    connection.execute(
        "DELETE FROM vibe_photos.image_embedding AS old WHERE model = %s "
        "AND NOT EXISTS (SELECT FROM incoming WHERE incoming.image_id = old.image_id)",
        (model,),
    )
    connection.execute(
        "INSERT INTO vibe_photos.image_embedding AS old (image_id, model, dim, vector) "
        "SELECT image_id, %s, dim, vector FROM incoming ON CONFLICT (model, image_id) "
        "DO UPDATE SET dim = excluded.dim, vector = excluded.vector WHERE old.vector <> excluded.vector",
        (model,),
    )
    connection.execute(
        "INSERT INTO vibe_photos.embedding_model VALUES (%s, %s, %s, %s) ON CONFLICT (model) DO UPDATE SET "
        "content = excluded.content, dim = excluded.dim, photos = excluded.photos",
        (model, vectors.content, vectors.dim, vectors.photos),
    )


def to_pgvector(vector: bytes) -> bytes:
    """Return a float32 little-endian vector as pgvector receives it: length, reserved, big-endian floats."""
    values = np.frombuffer(vector, dtype="<f4")
    return np.array([len(values), 0], dtype=">i2").tobytes() + values.astype(">f4").tobytes()


def to_real_array(vector: bytes) -> bytes:
    """Return a float32 little-endian vector as PostgreSQL receives a `real[]`: each item with its length."""
    values = np.frombuffer(vector, dtype="<f4")
    header = np.array([1, 0, _REAL_OID, len(values), 1], dtype=">i4")
    items = np.empty(len(values), dtype=[("bytes", ">i4"), ("value", ">f4")])
    items["bytes"], items["value"] = 4, values
    return header.tobytes() + items.tobytes()


def _copy_rows(connection: Connection, embeddings: Path, vector_type: VectorType) -> None:
    to_field: Callable[[bytes], bytes] = to_pgvector if vector_type == "vector" else to_real_array
    with (
        open_database(embeddings) as source,
        connection.cursor() as cursor,
        cursor.copy("COPY incoming (image_id, dim, vector) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        # bytea: sent as the bytes are, which are the binary form of the column's own type.
        copy.set_types(("text", "int4", "bytea"))
        for image_id, dim, vector in source.execute("SELECT image_id, dim, vector FROM image_embedding"):
            copy.write_row((image_id, dim, to_field(vector)))
