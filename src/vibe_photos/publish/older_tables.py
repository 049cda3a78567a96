"""Publish into the older application's own tables, `labels` and `label_assignment`: it then shows the labels.

Only labels that are true are rows there, of `source` `classifier`. Attributes are in the scenes' label space.
"""

import logging
from collections.abc import Collection
from pathlib import Path

from vibe_photos.errors import DatabaseError
from vibe_photos.records.photos import say_count
from vibe_photos.storage.postgres import Connection, fetch_one
from vibe_photos.storage.sqlite import open_database

log = logging.getLogger(__name__)

_NEEDED = ("target_type", "target_id", "label_id", "source", "label_space_ver")
_SPACE = "CASE level WHEN 'object' THEN 'object_v1' ELSE 'scene_v1' END"
_COLUMNS = (
    "SELECT column_name, data_type FROM information_schema.columns "
    "WHERE table_name = 'label_assignment' AND table_schema = ANY (current_schemas(false))"
)
_UNKNOWN = (
    "SELECT label_key, count(*) FROM incoming WHERE label_key NOT IN (SELECT key FROM labels) "
    "GROUP BY label_key ORDER BY label_key"
)
_DELETE = (
    "DELETE FROM label_assignment WHERE target_type = 'image' AND source = 'classifier' "
    "AND label_space_ver IN ('scene_v1', 'object_v1') AND target_id IN (SELECT image_id FROM judged)"
)


def publish_into_older_tables(connection: Connection, labels: Path) -> int:
    """Replace what a classifier said about these photos by the labels of `labels.sqlite`, in one transaction.

    Rows of other photos, other sources and other label spaces stay. A label whose key is not in the app's
    table `labels` is left out, with a warning. Returns the number of rows.

    Raises:
        DatabaseError: the tables are not there, or lack a column.
    """
    columns: dict[str, str] = dict(connection.execute(_COLUMNS.encode()).fetchall())
    if missing := sorted({*_NEEDED} - columns.keys()):
        raise DatabaseError(
            f"this database has no table label_assignment with {', '.join(missing)}: it is not the older "
            "application's. Publish without --into-older-tables"
        )
    values = {
        "target_type": "'image'",
        "target_id": "image_id",
        "label_id": "labels.id",
        "source": "'classifier'",
        "label_space_ver": _SPACE,
        "score": "score",
        "created_at": _now(columns.get("created_at", "")),
        "updated_at": _now(columns.get("updated_at", "")),
    }
    names = [name for name in values if name in columns]
    insert = (
        f"INSERT INTO label_assignment ({', '.join(names)}) "
        f"SELECT {', '.join(values[name] for name in names)} FROM incoming JOIN labels ON key = label_key"
    )
    with connection.transaction():
        _copy_labels(connection, labels)
        for key, count in connection.execute(_UNKNOWN.encode()).fetchall():
            log.warning("the app's table labels has no %s: left out of %s", key, say_count(count))
        connection.execute(_DELETE.encode())
        connection.execute(insert.encode())
        query = "SELECT count(*) FROM incoming JOIN labels ON key = label_key"
        (rows,) = fetch_one(connection, query)
    return int(rows)


def _now(data_type: str) -> str:
    return "extract(epoch FROM now())" if data_type in _NUMBERS else "now()"


_NUMBERS: Collection[str] = frozenset({"double precision", "real", "numeric", "integer", "bigint"})


def _copy_labels(connection: Connection, labels: Path) -> None:
    connection.execute("CREATE TEMP TABLE judged (image_id text) ON COMMIT DROP")
    columns = "image_id text, label_key text, level text, score float8"
    connection.execute(f"CREATE TEMP TABLE incoming ({columns}) ON COMMIT DROP".encode())
    with open_database(labels) as source, connection.cursor() as cursor:
        for table, query in (
            ("judged", "SELECT DISTINCT image_id FROM label_assignment"),
            ("incoming", "SELECT image_id, label_key, level, score FROM label_assignment WHERE value = 1"),
        ):
            with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
                for row in source.execute(query):
                    copy.write_row(row)
