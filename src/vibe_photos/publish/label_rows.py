"""A version's label assignments in PostgreSQL: a partition of their own, filled by COPY."""

from pathlib import Path

from vibe_photos.publish.publication import Publication
from vibe_photos.storage.postgres import Connection, fetch_one
from vibe_photos.storage.sqlite import open_database

_COLUMNS = "image_id, label_key, level, source, score, threshold, value"
_TYPES = ("text", "text", "text", "text", "float8", "float8", "bool")


def write_version(connection: Connection, publication: Publication) -> None:
    """Write a version's rows and attach them in place of an older content of the version."""
    from psycopg import sql

    (number,) = fetch_one(connection, "SELECT nextval('vibe_photos.publication')")
    table, version = name_partition(number), sql.Literal(publication.version)
    connection.execute(f"CREATE TABLE {table} (LIKE vibe_photos.label_assignment)".encode())
    # With the check the rows need not be read again when the partition is attached.
    rules = "ALTER TABLE {} ALTER version SET DEFAULT {}, ADD CONSTRAINT one_version CHECK (version = {})"
    connection.execute(sql.SQL(rules).format(sql.SQL(table), version, version))
    _copy_rows(connection, publication.labels.path, table)
    # Built once over all rows, the indexes take a fraction of the time.
    connection.execute(f"ALTER TABLE {table} ADD PRIMARY KEY (image_id, label_key)".encode())
    connection.execute(f"CREATE INDEX ON {table} (label_key, image_id) WHERE value".encode())
    replaced = connection.execute(
        "SELECT publication FROM vibe_photos.label_version WHERE version = %s", (publication.version,)
    ).fetchone()
    _write_tree(connection, publication, number)
    if replaced:
        connection.execute(f"DROP TABLE {name_partition(replaced[0])}".encode())
    attach = "ALTER TABLE vibe_photos.label_assignment ATTACH PARTITION {} FOR VALUES IN ({})"
    connection.execute(sql.SQL(attach).format(sql.SQL(table), version))


def name_partition(number: int) -> str:
    """Return the table of one publication's rows."""
    return f"vibe_photos.label_assignment_{number}"


def _copy_rows(connection: Connection, labels: Path, table: str) -> None:
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
