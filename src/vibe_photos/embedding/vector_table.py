"""An app's table `image_embedding(image_id, model, dim, vector)`, in SQLite or PostgreSQL, by its address."""

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from vibe_photos.errors import DatabaseError
from vibe_photos.storage.postgres import SCHEMES, open_postgres
from vibe_photos.storage.sqlite import open_database

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
