"""The tables `probabilities.sqlite` and `labels.sqlite`.

Rows are sorted by label, then by image id, so that one label can be read as one column.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import InputError
from vibe_photos.settings import HeadName
from vibe_photos.storage.sqlite import create_database, open_database

Source = Literal["head", "rule", "prompt"]

PROBABILITY_SCHEMA = """
CREATE TABLE probability (
    image_id TEXT NOT NULL,
    label_key TEXT NOT NULL,
    head_logit REAL,
    probability REAL NOT NULL,
    prompt_margin REAL,
    PRIMARY KEY (label_key, image_id)
) WITHOUT ROWID;
"""

LABEL_SCHEMA = """
CREATE TABLE label (key TEXT PRIMARY KEY, level TEXT NOT NULL, parent TEXT) WITHOUT ROWID;
CREATE TABLE label_assignment (
    image_id TEXT NOT NULL,
    label_key TEXT NOT NULL REFERENCES label (key),
    level TEXT NOT NULL,
    source TEXT NOT NULL,
    score REAL NOT NULL,
    threshold REAL,
    value INTEGER NOT NULL,
    PRIMARY KEY (label_key, image_id)
) WITHOUT ROWID;
CREATE VIEW photo_labels AS
SELECT
    image_id,
    max(CASE WHEN level = 'scene' AND value = 1 THEN label_key END) AS scene,
    group_concat(CASE WHEN level = 'attribute' AND value = 1 THEN label_key END) AS attributes,
    group_concat(CASE WHEN level = 'object' AND value = 1 THEN label_key END) AS objects
FROM label_assignment
GROUP BY image_id;
"""

_DECIDED = "(level <> 'scene' OR value = 1)"
_KEYS = """
WITH RECURSIVE found (key) AS (
    SELECT min(label_key) FROM {table}
    UNION ALL
    SELECT (SELECT min(label_key) FROM {table} WHERE label_key > key) FROM found WHERE key IS NOT NULL
)
SELECT key FROM found WHERE key IS NOT NULL
"""
"""The label keys of a table, sorted: one index lookup per key, while DISTINCT would read all rows."""

_INDEX_BY_IMAGE = "CREATE INDEX label_assignment_by_image ON label_assignment (image_id)"


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """The scores of heads and prompts, NaN where there is neither.

    `head_logit` and `prompt_margin` are float64 [photos, keys]; so is `probability`, in 0..1, which is
    calibrated if it comes from a head.
    """

    image_ids: list[str]
    keys: list[str]
    head_logit: NDArray[np.float64]
    probability: NDArray[np.float64]
    prompt_margin: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The labels of each photo.

    `score` is float64 [photos, keys], NaN where not judged; `value` is int8 [photos, keys]: 1, 0, or -1
    where not judged. `level`, `source` and `threshold` (None for scenes and rules) are per label.
    """

    image_ids: list[str]
    keys: list[str]
    level: dict[str, HeadName]
    source: dict[str, Source]
    threshold: dict[str, float | None]
    score: NDArray[np.float64]
    value: NDArray[np.int8]


def write_scores(path: Path, table: ScoreTable) -> None:
    """Write `probabilities.sqlite`: one row per photo and label that has a head or a prompt."""
    order, image_ids = _sort(table.image_ids)
    with create_database(path, PROBABILITY_SCHEMA) as connection:
        for column, key in sorted(enumerate(table.keys), key=lambda item: item[1]):
            columns = [
                values[order, column] for values in (table.head_logit, table.probability, table.prompt_margin)
            ]
            _insert_column(connection, "probability", image_ids, [key], columns, ~np.isnan(columns[1]))


def read_scores(path: Path) -> ScoreTable:
    """Read what `write_scores` wrote; photos are sorted by id, keys by name.

    Raises:
        InputError: the file is missing or has no such table.
    """
    names = ("head_logit", "probability", "prompt_margin")
    with open_database(path) as connection:
        image_ids, keys, columns = _read_table(connection, path, "probability", names)
    return ScoreTable(image_ids, keys, *columns)


def write_labels(path: Path, table: LabelTable, parents: dict[str, str | None]) -> None:
    """Write `labels.sqlite`: the label tree (`parents` of all keys) and one row per judged label."""
    order, image_ids = _sort(table.image_ids)
    with create_database(path, LABEL_SCHEMA) as connection:
        tree = [(key, table.level[key], parents[key]) for key in sorted(parents)]
        connection.executemany("INSERT INTO label VALUES (?, ?, ?)", tree)
        for column, key in sorted(enumerate(table.keys), key=lambda item: item[1]):
            value = table.value[order, column]
            constants = [key, table.level[key], table.source[key]]
            threshold = np.full(len(value), table.threshold[key], dtype=np.float64)
            columns = [table.score[order, column], threshold, value]
            _insert_column(connection, "label_assignment", image_ids, constants, columns, value >= 0)
        # Built once at the end, the index takes a fraction of the time.
        connection.execute(_INDEX_BY_IMAGE)


def read_decisions(path: Path) -> LabelTable:
    """Read the labels as `read_labels` does, but scenes that were not chosen are returned as not judged.

    Those are most rows of the table, and comparing decisions does not need them.
    """
    return read_labels(path, _DECIDED)


def read_labels(path: Path, condition: str = "true") -> LabelTable:
    """Read `labels.sqlite`; photos are sorted by id. `keys` are those judged for at least one photo.

    Args:
        path: the database.
        condition: which rows to read, in SQL; all photos and keys are returned anyway.

    Raises:
        InputError: the file is missing or has no such table.
    """
    with open_database(path) as connection:
        image_ids, keys, columns = _read_table(
            connection, path, "label_assignment", ("score", "value"), condition
        )
        level = dict(connection.execute("SELECT key, level FROM label"))
        first = "SELECT source, threshold FROM label_assignment WHERE label_key = ? LIMIT 1"
        judged = {key: connection.execute(first, (key,)).fetchone() for key in keys}
    return LabelTable(
        image_ids=image_ids,
        keys=keys,
        level=level,
        source={key: source for key, (source, _) in judged.items()},
        threshold={key: threshold for key, (_, threshold) in judged.items()},
        score=columns[0],
        value=np.nan_to_num(columns[1], nan=-1.0).astype(np.int8),
    )


def _sort(image_ids: Sequence[str]) -> tuple[NDArray[np.int64], list[str]]:
    order = sorted(range(len(image_ids)), key=image_ids.__getitem__)
    return np.array(order, dtype=np.int64), [image_ids[row] for row in order]


def _insert_column(
    connection: sqlite3.Connection,
    table: str,
    image_ids: Sequence[str],
    constants: Sequence[str | None],
    columns: Sequence[NDArray[Any]],
    is_judged: NDArray[np.bool_],
) -> None:
    """Insert one label's rows; SQLite stores NaN as NULL."""
    rows = np.flatnonzero(is_judged).tolist()
    marks = ", ".join("?" * (1 + len(constants) + len(columns)))
    values = zip(
        [image_ids[row] for row in rows],
        *(repeat(constant, len(rows)) for constant in constants),
        *(column[is_judged].tolist() for column in columns),
        strict=True,
    )
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", values)


def _read_table(
    connection: sqlite3.Connection, path: Path, table: str, names: Sequence[str], condition: str = "true"
) -> tuple[list[str], list[str], list[NDArray[np.float64]]]:
    """Return all image ids and keys, sorted, and one float64 [photos, keys] per name, NaN for no row."""
    try:
        keys = [row[0] for row in connection.execute(_KEYS.format(table=table))]
    except sqlite3.OperationalError as error:
        raise InputError(f"{path} is not a label table: {error}; make it again with `dvc repro`") from None
    distinct = f"SELECT DISTINCT image_id FROM {table} ORDER BY image_id"
    image_ids = [row[0] for row in connection.execute(distinct)] if keys else []
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    tables = [np.full((len(image_ids), len(keys)), np.nan) for _ in names]
    # NULL is read as infinity (9e999 in SQL): np.fromiter reads pure numbers several times as fast.
    columns = ", ".join(f"ifnull({name}, 9e999)" for name in names)
    chosen = f"FROM {table} WHERE label_key = ? AND {condition} ORDER BY image_id"
    for column, key in enumerate(keys):
        cursor = connection.execute(f"SELECT {columns} {chosen}", (key,))
        values = np.fromiter(chain.from_iterable(cursor), np.float64).reshape(-1, len(names))
        rows: Any = slice(None)
        if len(values) < len(image_ids):
            rows = [
                row_of[image_id] for (image_id,) in connection.execute(f"SELECT image_id {chosen}", (key,))
            ]
        for target, one in zip(tables, values.T, strict=True):
            target[rows, column] = np.where(np.isinf(one), np.nan, one)
    return image_ids, keys, tables
