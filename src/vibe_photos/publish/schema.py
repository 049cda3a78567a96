"""The tables and views in an app's database, all in the schema `vibe_photos`; nothing else is changed."""

from typing import Literal

from vibe_photos.storage.postgres import Connection, fetch_one

VectorType = Literal["vector", "real[]"]
"""`vector` is pgvector's type; a server without that extension gets plain arrays."""

_TABLES = """
CREATE SCHEMA IF NOT EXISTS vibe_photos;
CREATE SEQUENCE vibe_photos.publication;
CREATE TABLE vibe_photos.label_version (
    version text PRIMARY KEY,
    publication bigint NOT NULL UNIQUE,
    content text NOT NULL,
    model text NOT NULL,
    photos bigint NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE vibe_photos.current_version (
    is_current boolean PRIMARY KEY DEFAULT true CHECK (is_current),
    version text NOT NULL REFERENCES vibe_photos.label_version
);
CREATE TABLE vibe_photos.label (
    version text NOT NULL REFERENCES vibe_photos.label_version ON DELETE CASCADE,
    key text NOT NULL,
    level text NOT NULL,
    parent text,
    PRIMARY KEY (version, key)
);
CREATE TABLE vibe_photos.label_assignment (
    version text NOT NULL,
    image_id text NOT NULL,
    label_key text NOT NULL,
    level text NOT NULL,
    source text NOT NULL,
    score double precision NOT NULL,
    threshold double precision,
    value boolean NOT NULL
) PARTITION BY LIST (version);
CREATE TABLE vibe_photos.embedding_model (
    model text PRIMARY KEY,
    content text NOT NULL,
    dim integer NOT NULL,
    photos bigint NOT NULL
);
CREATE VIEW vibe_photos.current_label AS
SELECT key, level, parent FROM vibe_photos.label
WHERE version = (SELECT version FROM vibe_photos.current_version);
CREATE VIEW vibe_photos.current_label_assignment AS
SELECT image_id, label_key, level, source, score, threshold, value FROM vibe_photos.label_assignment
WHERE version = (SELECT version FROM vibe_photos.current_version);
CREATE VIEW vibe_photos.current_photo_labels AS
SELECT
    image_id,
    max(label_key) FILTER (WHERE level = 'scene' AND value) AS scene,
    coalesce(
        array_agg(label_key ORDER BY label_key) FILTER (WHERE level = 'attribute' AND value), '{}'
    ) AS attributes,
    coalesce(
        array_agg(label_key ORDER BY label_key) FILTER (WHERE level = 'object' AND value), '{}'
    ) AS objects
FROM vibe_photos.current_label_assignment
GROUP BY image_id;
"""

_EMBEDDINGS = """
CREATE TABLE vibe_photos.image_embedding (
    image_id text NOT NULL,
    model text NOT NULL,
    dim integer NOT NULL,
    vector {vector_type} NOT NULL,
    PRIMARY KEY (model, image_id)
);
CREATE VIEW vibe_photos.current_image_embedding AS
SELECT image_id, model, dim, vector FROM vibe_photos.image_embedding
WHERE model = (
    SELECT model FROM vibe_photos.label_version JOIN vibe_photos.current_version USING (version)
);
"""


def has_table(connection: Connection, name: str) -> bool:
    """Return whether the schema has that table."""
    return bool(fetch_one(connection, "SELECT to_regclass(%s) IS NOT NULL", f"vibe_photos.{name}")[0])


def create_tables(connection: Connection, with_embeddings: bool) -> None:
    """Create missing tables in one transaction; existing ones are not changed, so no reader has to wait."""
    with connection.transaction():
        if not has_table(connection, "label_version"):
            connection.execute(_TABLES.encode())
        if with_embeddings and not has_table(connection, "image_embedding"):
            vector_type = find_vector_type(connection)
            if vector_type == "vector":
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(_EMBEDDINGS.format(vector_type=vector_type).encode())


def find_vector_type(connection: Connection) -> VectorType:
    """Return the type of vectors: that of an existing table, else the best that the server has."""
    if has_table(connection, "image_embedding"):
        query = (
            "SELECT udt_name = 'vector' FROM information_schema.columns WHERE table_schema = 'vibe_photos' "
            "AND table_name = 'image_embedding' AND column_name = 'vector'"
        )
    else:
        query = "SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'vector'"
    return "vector" if fetch_one(connection, query)[0] else "real[]"
