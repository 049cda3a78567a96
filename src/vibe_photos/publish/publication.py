"""Labels, and embeddings where asked, into an app's database: a new version is seen when it is whole.

All of a version is written in one transaction, whose last act moves the pointer that the views read. Who is
killed before that leaves the database as it was. Versions stay beside each other, each a partition of its
own, so that an old one can be gone back to, and is dropped in no time when it is pruned.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.publish.label_space import read_label_space, read_model
from vibe_photos.publish.rows import copy_labels, copy_vectors, hash_file
from vibe_photos.publish.schema import create_tables, find_vector_type, has_table, try_lock, wait_for_lock
from vibe_photos.settings import Settings
from vibe_photos.storage.postgres import Connection, fetch_one
from vibe_photos.storage.sqlite import open_database

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Publication:
    """What is to be published: the version's name, its files and what they hold.

    `content` and `embeddings_content` are hashes of the files; `embeddings` is None where labels go alone.
    """

    version: str
    model: str
    photos: int
    rows: int
    labels: Path
    content: str
    embeddings: Path | None
    embeddings_content: str
    vectors: int
    dim: int


def read_publication(settings: Settings, version: str | None, with_embeddings: bool) -> Publication:
    """Return what the last `dvc repro` left to publish.

    Raises:
        InputError: the labels or embeddings are missing.
        HeadError: a head is missing, and no version is named.
    """
    paths = settings.paths
    embeddings = paths.embeddings / "embeddings.sqlite" if with_embeddings else None
    photos, rows = _count(paths.labels, "SELECT count(DISTINCT image_id), count(*) FROM label_assignment")
    query = "SELECT count(*), coalesce(max(dim), 0) FROM image_embedding"
    vectors, dim = _count(embeddings, query) if embeddings else (0, 0)
    return Publication(
        version=version or read_label_space(settings).version(),
        model=read_model(paths),
        photos=photos,
        rows=rows,
        labels=paths.labels,
        content=hash_file(paths.labels),
        embeddings=embeddings,
        embeddings_content=hash_file(embeddings) if embeddings else "",
        vectors=vectors,
        dim=dim,
    )


def publish(connection: Connection, publication: Publication) -> bool:
    """Write the version and make it the current one; return whether anything had to be written.

    Raises:
        DatabaseError: by way of `open_postgres`: the database is as it was before.
    """
    if not try_lock(connection):
        logger.info("publish: somebody else is publishing into this database; waiting for them")
        wait_for_lock(connection)
    create_tables(connection, publication.embeddings is not None)
    has_labels, has_vectors = is_published(connection, publication)
    with connection.transaction():
        if not has_vectors:
            _write_vectors(connection, publication)
        if not has_labels:
            _write_version(connection, publication)
        connection.execute(
            "INSERT INTO vibe_photos.current_version (version) VALUES (%s) "
            "ON CONFLICT (is_current) DO UPDATE SET version = excluded.version",
            (publication.version,),
        )
    return not (has_labels and has_vectors)


def is_published(connection: Connection, publication: Publication) -> tuple[bool, bool]:
    """Tell whether the labels, and the embeddings, are there as they would be written."""
    has_labels = has_table(connection, "label_version") and _has_content(
        connection, "label_version", "version", publication.version, publication.content
    )
    has_vectors = publication.embeddings is None or (
        has_table(connection, "image_embedding")
        and _has_content(
            connection, "embedding_model", "model", publication.model, publication.embeddings_content
        )
    )
    return has_labels, has_vectors


def prune(connection: Connection, keep: int) -> list[str]:
    """Drop all but the `keep` versions published last, and vectors of which no version is left.

    The current version always stays. Returns the names of those that went.
    """
    old = (
        "SELECT version, publication FROM vibe_photos.label_version "
        "WHERE version NOT IN (SELECT version FROM vibe_photos.current_version) "
        "ORDER BY publication DESC OFFSET %s"
    )
    with connection.transaction():
        rows = connection.execute(old, (keep - 1,)).fetchall()
        for version, publication in rows:
            connection.execute(f"DROP TABLE {_partition(publication)}".encode())
            connection.execute("DELETE FROM vibe_photos.label_version WHERE version = %s", (version,))
        for table in ("image_embedding", "embedding_model"):
            if rows and has_table(connection, table):
                used = "SELECT model FROM vibe_photos.label_version"
                connection.execute(f"DELETE FROM vibe_photos.{table} WHERE model NOT IN ({used})".encode())
    return [version for version, _ in rows]


def _write_version(connection: Connection, publication: Publication) -> None:
    """Write a version's rows into a partition of their own, and attach it in place of an older one."""
    from psycopg import sql

    (number,) = fetch_one(connection, "SELECT nextval('vibe_photos.publication')")
    table, version = _partition(number), sql.Literal(publication.version)
    connection.execute(f"CREATE TABLE {table} (LIKE vibe_photos.label_assignment)".encode())
    # With the check the rows need not be read again when the partition is attached.
    rules = "ALTER TABLE {} ALTER version SET DEFAULT {}, ADD CONSTRAINT one_version CHECK (version = {})"
    connection.execute(sql.SQL(rules).format(sql.SQL(table), version, version))
    copy_labels(connection, publication.labels, table)
    # Built once over all rows, the indexes take a fraction of the time.
    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (image_id, label_key)".encode())
    connection.execute(f"CREATE INDEX ON {table} (label_key, image_id) WHERE value".encode())
    replaced = connection.execute(
        "SELECT publication FROM vibe_photos.label_version WHERE version = %s", (publication.version,)
    ).fetchone()
    _write_label_tree(connection, publication, number)
    if replaced:
        connection.execute(f"DROP TABLE {_partition(replaced[0])}".encode())
    attach = "ALTER TABLE vibe_photos.label_assignment ATTACH PARTITION {} FOR VALUES IN ({})"
    connection.execute(sql.SQL(attach).format(sql.SQL(table), version))


def _write_label_tree(connection: Connection, publication: Publication, number: int) -> None:
    connection.execute(
        "INSERT INTO vibe_photos.label_version (version, publication, content, model, photos) "
        "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (version) DO UPDATE SET publication = excluded.publication, "
        "content = excluded.content, model = excluded.model, photos = excluded.photos, "
        "published_at = excluded.published_at",
        (publication.version, number, publication.content, publication.model, publication.photos),
    )
    connection.execute("DELETE FROM vibe_photos.label WHERE version = %s", (publication.version,))
    with open_database(publication.labels) as source, connection.cursor() as cursor:
        rows = source.execute("SELECT ?, key, level, parent FROM label", (publication.version,))
        cursor.executemany("INSERT INTO vibe_photos.label VALUES (%s, %s, %s, %s)", rows)


def _write_vectors(connection: Connection, publication: Publication) -> None:
    """Make a model's rows those of `embeddings.sqlite`; rows that are the same already stay untouched."""
    assert publication.embeddings is not None
    vector_type, model = find_vector_type(connection), publication.model
    connection.execute(
        f"CREATE TEMP TABLE incoming (image_id text PRIMARY KEY, dim integer, vector {vector_type}) "
        "ON COMMIT DROP".encode()
    )
    copy_vectors(connection, publication.embeddings, "incoming", vector_type)
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
        (model, publication.embeddings_content, publication.dim, publication.vectors),
    )


def _has_content(connection: Connection, table: str, key: str, name: str, content: str) -> bool:
    query = f"SELECT count(*) FROM vibe_photos.{table} WHERE {key} = %s AND content = %s"
    return bool(fetch_one(connection, query, name, content)[0])


def _count(path: Path, query: str) -> tuple[int, int]:
    with open_database(path) as connection:
        first, second = connection.execute(query).fetchone()
    if not first:
        raise InputError(f"{path} holds nothing to publish: run `dvc repro` on a library first")
    return first, second


def _partition(number: int) -> str:
    return f"vibe_photos.label_assignment_{number}"
