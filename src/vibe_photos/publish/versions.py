"""Versions of the labels in an app's database: publish, check, prune.

A version is written in one transaction, whose last step moves the pointer that the views read. If the process
is killed before that, the database is unchanged. Each version is its own partition, so that an old one can
become current again, and pruning is fast. All tables and views are in the schema `vibe_photos`; nothing else
in the database is changed.
"""

import logging
from pathlib import Path

import numpy as np

from vibe_photos.publish.publication import Publication, PublishedFile
from vibe_photos.storage.postgres import Connection, fetch_one
from vibe_photos.storage.sqlite import open_database

logger = logging.getLogger(__name__)

_LOCK = 0x76696265
"""The advisory lock for publishing: "vibe" in ASCII."""

_COLUMNS = "image_id, label_key, level, source, score, threshold, value"
_TYPES = ("text", "text", "text", "text", "float8", "float8", "bool")
_REAL_OID = 700

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


def publish(connection: Connection, publication: Publication) -> bool:
    """Write the version and make it the current one; return whether anything had to be written.

    The connection then holds the advisory lock until it ends. Errors are psycopg's, which `open_postgres`
    turns into a `DatabaseError`; then the database is unchanged.
    """
    if not fetch_one(connection, "SELECT pg_try_advisory_lock(%s)", _LOCK)[0]:
        logger.info("publish: another program is publishing into this database; waiting for it")
        fetch_one(connection, "SELECT pg_advisory_lock(%s)", _LOCK)
    _create_tables(connection, publication.vectors is not None)
    has_labels, has_vectors = is_published(connection, publication)
    with connection.transaction():
        if publication.vectors and not has_vectors:
            _write_vectors(connection, publication.model, publication.vectors)
        if not has_labels:
            _write_version(connection, publication)
        connection.execute(
            "INSERT INTO vibe_photos.current_version (version) VALUES (%s) "
            "ON CONFLICT (is_current) DO UPDATE SET version = excluded.version",
            (publication.version,),
        )
    return not (has_labels and has_vectors)


def is_published(connection: Connection, publication: Publication) -> tuple[bool, bool]:
    """Return whether the same labels, and the same vectors, are already published."""

    def has_content(table: str, key: str, name: str, content: str) -> bool:
        query = f"SELECT count(*) FROM vibe_photos.{table} WHERE {key} = %s AND content = %s"
        return _has_table(connection, table) and bool(fetch_one(connection, query, name, content)[0])

    labels, vectors = publication.labels, publication.vectors
    return (
        has_content("label_version", "version", publication.version, labels.content),
        vectors is None or has_content("embedding_model", "model", publication.model, vectors.content),
    )


def prune(connection: Connection, keep: int) -> list[str]:
    """Drop all but the last `keep` versions, and vectors that no version uses any more.

    The current version always stays. Returns the names of the dropped versions.
    """
    old = (
        "SELECT version, publication FROM vibe_photos.label_version "
        "WHERE version NOT IN (SELECT version FROM vibe_photos.current_version) "
        "ORDER BY publication DESC OFFSET %s"
    )
    with connection.transaction():
        rows = connection.execute(old, (keep - 1,)).fetchall()
        for version, number in rows:
            connection.execute(f"DROP TABLE {_name_partition(number)}".encode())
            connection.execute("DELETE FROM vibe_photos.label_version WHERE version = %s", (version,))
        for table in ("image_embedding", "embedding_model"):
            if rows and _has_table(connection, table):
                used = "SELECT model FROM vibe_photos.label_version"
                connection.execute(f"DELETE FROM vibe_photos.{table} WHERE model NOT IN ({used})".encode())
    return [version for version, _ in rows]


def _create_tables(connection: Connection, with_embeddings: bool) -> None:
    """Create missing tables in one transaction; existing ones are not changed, so no reader has to wait."""
    with connection.transaction():
        if not _has_table(connection, "label_version"):
            connection.execute(_TABLES.encode())
        if with_embeddings and not _has_table(connection, "image_embedding"):
            vector_type = _find_vector_type(connection)
            if vector_type == "vector":
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
            connection.execute(_EMBEDDINGS.format(vector_type=vector_type).encode())


def _find_vector_type(connection: Connection) -> str:
    """Return the column type of vectors: that of an existing table, else the best that the server has.

    That is pgvector's `vector`; a server without that extension gets plain arrays.
    """
    if _has_table(connection, "image_embedding"):
        query = (
            "SELECT udt_name = 'vector' FROM information_schema.columns WHERE table_schema = 'vibe_photos' "
            "AND table_name = 'image_embedding' AND column_name = 'vector'"
        )
    else:
        query = "SELECT count(*) > 0 FROM pg_available_extensions WHERE name = 'vector'"
    return "vector" if fetch_one(connection, query)[0] else "real[]"


def _has_table(connection: Connection, name: str) -> bool:
    return bool(fetch_one(connection, "SELECT to_regclass(%s) IS NOT NULL", f"vibe_photos.{name}")[0])


def _write_version(connection: Connection, publication: Publication) -> None:
    """Write a version with its rows and label tree, replacing older content of that version."""
    from psycopg import sql

    (number,) = fetch_one(connection, "SELECT nextval('vibe_photos.publication')")
    table, version = _name_partition(number), sql.Literal(publication.version)
    connection.execute(f"CREATE TABLE {table} (LIKE vibe_photos.label_assignment)".encode())
    # With the constraint, PostgreSQL need not scan the rows when the partition is attached.
    rules = "ALTER TABLE {} ALTER version SET DEFAULT {}, ADD CONSTRAINT one_version CHECK (version = {})"
    connection.execute(sql.SQL(rules).format(sql.SQL(table), version, version))
    _copy_labels(connection, publication.labels.path, table)
    # Built once at the end, the indexes take a fraction of the time.
    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (image_id, label_key)".encode())
    connection.execute(f"CREATE INDEX ON {table} (label_key, image_id) WHERE value".encode())
    replaced = connection.execute(
        "SELECT publication FROM vibe_photos.label_version WHERE version = %s", (publication.version,)
    ).fetchone()
    _write_tree(connection, publication, number)
    if replaced:
        connection.execute(f"DROP TABLE {_name_partition(replaced[0])}".encode())
    attach = "ALTER TABLE vibe_photos.label_assignment ATTACH PARTITION {} FOR VALUES IN ({})"
    connection.execute(sql.SQL(attach).format(sql.SQL(table), version))


def _name_partition(number: int) -> str:
    return f"vibe_photos.label_assignment_{number}"


def _copy_labels(connection: Connection, labels: Path, table: str) -> None:
    with (
        open_database(labels) as source,
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        copy.set_types(_TYPES)
        for *row, value in source.execute(f"SELECT {_COLUMNS} FROM label_assignment"):
            copy.write_row((*row, value == 1))


def _write_tree(connection: Connection, publication: Publication, number: int) -> None:
    """Write the version itself, and its label tree."""
    labels, version = publication.labels, publication.version
    connection.execute(
        "INSERT INTO vibe_photos.label_version (version, publication, content, model, photos) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (version) DO UPDATE SET publication = excluded.publication, "
        "content = excluded.content, model = excluded.model, photos = excluded.photos, "
        "published_at = excluded.published_at",
        (version, number, labels.content, publication.model, labels.photos),
    )
    connection.execute("DELETE FROM vibe_photos.label WHERE version = %s", (version,))
    with open_database(labels.path) as source, connection.cursor() as cursor:
        rows = source.execute("SELECT ?, key, level, parent FROM label", (version,))
        cursor.executemany("INSERT INTO vibe_photos.label VALUES (%s, %s, %s, %s)", rows)


def _write_vectors(connection: Connection, model: str, vectors: PublishedFile) -> None:
    """Replace the model's rows by those of `embeddings.sqlite`; equal rows are not changed."""
    vector_type = _find_vector_type(connection)
    columns = f"image_id text PRIMARY KEY, dim integer, vector {vector_type}"
    connection.execute(f"CREATE TEMP TABLE incoming ({columns}) ON COMMIT DROP".encode())
    to_field = _to_pgvector if vector_type == "vector" else _to_real_array
    with (
        open_database(vectors.path) as source,
        connection.cursor() as cursor,
        cursor.copy("COPY incoming (image_id, dim, vector) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        # bytea is sent unchanged: here the bytes are already in the binary format of the column's type.
        copy.set_types(("text", "int4", "bytea"))
        for image_id, dim, vector in source.execute("SELECT image_id, dim, vector FROM image_embedding"):
            copy.write_row((image_id, dim, to_field(vector)))
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
        "INSERT INTO vibe_photos.embedding_model (model, content, dim, photos) "
        "SELECT %s, %s, max(dim), count(*) FROM incoming ON CONFLICT (model) DO UPDATE SET "
        "content = excluded.content, dim = excluded.dim, photos = excluded.photos",
        (model, vectors.content),
    )


def _to_pgvector(vector: bytes) -> bytes:
    """Return a float32 vector in pgvector's binary format: length, reserved, big-endian floats."""
    values = np.frombuffer(vector, dtype="<f4")
    return np.array([len(values), 0], dtype=">i2").tobytes() + values.astype(">f4").tobytes()


def _to_real_array(vector: bytes) -> bytes:
    """Return a float32 vector in the binary format of `real[]`: each item with its length."""
    values = np.frombuffer(vector, dtype="<f4")
    header = np.array([1, 0, _REAL_OID, len(values), 1], dtype=">i4")
    items = np.empty(len(values), dtype=[("bytes", ">i4"), ("value", ">f4")])
    items["bytes"], items["value"] = 4, values
    return header.tobytes() + items.tobytes()
