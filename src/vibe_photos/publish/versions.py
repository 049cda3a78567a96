"""Versions of the labels in an app's database: published, found again, pruned.

All of a version is written in one transaction, whose last act moves the pointer that the views read. Who is
killed before that leaves the database as it was. Versions stay beside each other, each a partition of its
own, so that an old one can be gone back to, and is dropped in no time when it is pruned.
"""

import logging

from vibe_photos.publish.label_rows import name_partition, write_version
from vibe_photos.publish.publication import Publication
from vibe_photos.publish.schema import create_tables, has_table, try_lock, wait_for_lock
from vibe_photos.publish.vector_rows import write_vectors
from vibe_photos.storage.postgres import Connection, fetch_one

logger = logging.getLogger(__name__)


def publish(connection: Connection, publication: Publication) -> bool:
    """Write the version and make it the current one; return whether anything had to be written.

    The connection holds the publishers' lock from then on until it ends. What fails is raised by psycopg,
    which `open_postgres` makes a `DatabaseError`; the database is then as it was.
    """
    if not try_lock(connection):
        logger.info("publish: somebody else is publishing into this database; waiting for them")
        wait_for_lock(connection)
    create_tables(connection, publication.vectors is not None)
    has_labels, has_vectors = is_published(connection, publication)
    with connection.transaction():
        if publication.vectors and not has_vectors:
            write_vectors(connection, publication.model, publication.vectors)
        if not has_labels:
            write_version(connection, publication)
        connection.execute(
            "INSERT INTO vibe_photos.current_version (version) VALUES (%s) "
            "ON CONFLICT (is_current) DO UPDATE SET version = excluded.version",
            (publication.version,),
        )
    return not (has_labels and has_vectors)


def is_published(connection: Connection, publication: Publication) -> tuple[bool, bool]:
    """Tell whether the labels, and the vectors that go with them, are there as they would be written."""
    version, model, vectors = publication.version, publication.model, publication.vectors
    has_labels = _has_content(connection, "label_version", "version", version, publication.labels.content)
    has_vectors = vectors is None or _has_content(
        connection, "embedding_model", "model", model, vectors.content
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
            connection.execute(f"DROP TABLE {name_partition(publication)}".encode())
            connection.execute("DELETE FROM vibe_photos.label_version WHERE version = %s", (version,))
        for table in ("image_embedding", "embedding_model"):
            if rows and has_table(connection, table):
                used = "SELECT model FROM vibe_photos.label_version"
                connection.execute(f"DELETE FROM vibe_photos.{table} WHERE model NOT IN ({used})".encode())
    return [version for version, _ in rows]


def _has_content(connection: Connection, table: str, key: str, name: str, content: str) -> bool:
    query = f"SELECT count(*) FROM vibe_photos.{table} WHERE {key} = %s AND content = %s"
    return has_table(connection, table) and bool(fetch_one(connection, query, name, content)[0])
