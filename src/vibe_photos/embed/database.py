"""Vectors read from an app's database instead of computed.

They are in its table `image_embedding(image_id, model, dim, vector)`, in SQLite or PostgreSQL, or in `.npy`
files that the older application's table of that name lists. Photos are still decoded, for their perceptual
hashes. Vectors that were read are stored like computed ones, under a name that includes `embedder.revision`.
"""

import json
import logging
import os
import sqlite3
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.embed.local import Batch, Job, LocalEngine, describe_problem
from vibe_photos.encoders.recipe import DatabaseRecipe, read_database_recipe
from vibe_photos.errors import DatabaseError, DecodeError
from vibe_photos.records.photos import Photo, PhotoProblem
from vibe_photos.storage.postgres import SCHEMES, URL_VARIABLE, open_postgres
from vibe_photos.storage.sqlite import open_database
from vibe_photos.storage.vectors import Vectors, to_unit_norm

logger = logging.getLogger(__name__)

_SQLITE = "sqlite:///"
_PHOTOS_AT_A_TIME = 1000
_BYTE_TYPES = {2: "<f2", 4: "<f4", 8: "<f8"}
_MAX_NORM_ERROR = 1e-6
"""Larger than the rounding error of a float32 vector of unit norm; such vectors are kept bit for bit."""

FOLDER_VARIABLE = "VIBE_PHOTOS_VECTOR_FOLDER"
"""The environment variable with the folder under which the older application keeps its `.npy` files."""

_NAMES = ("model", "dim", "vector")
_OLDER_NAMES = ("model_name", "embedding_dim", "embedding_path")
_MODELS = "SELECT {0}, count(*) FROM image_embedding GROUP BY {0} ORDER BY {0}"
_ROWS = "SELECT image_id, {1}, {2} FROM image_embedding WHERE {0} = {3} AND image_id {4}"
_SQLITE_COLUMNS = "SELECT name FROM pragma_table_info('image_embedding')"
_POSTGRES_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('image_embedding')"

_Query: TypeAlias = Callable[[str, tuple[Any, ...]], list[Any]]
_Read: TypeAlias = Callable[[list[str]], list[tuple[str, int, object]]]
"""Returns, for image ids, the rows that exist: `(image_id, dim, vector as stored)`."""


def embed_from_database(
    job: Job, photos: Sequence[Photo], has_vector: frozenset[str]
) -> Generator[Batch, None, None]:
    """Yield the vectors of the app's table as they are read, then the photos' perceptual hashes.

    Raises:
        DatabaseError: the database cannot be reached, or holds no vector of that model.
        InputError: the SQLite file is missing.
    """
    recipe = read_database_recipe(job.embedder)
    problems: dict[str, PhotoProblem] = {}
    for batch in _read_vectors(recipe, [photo for photo in photos if photo.image_id not in has_vector]):
        problems |= {problem.image_id or "": problem for problem in batch.problems}
        yield Batch(batch.vectors, [], [])
    # Pretend that all have a vector, so that no encoder is loaded.
    all_ids = frozenset(photo.image_id for photo in photos)
    with closing(LocalEngine(job).embed(photos, all_ids)) as batches:
        for batch in batches:
            problems |= {problem.image_id or "": problem for problem in batch.problems}
            yield Batch([], batch.perceptual_hashes, [])
    yield Batch([], [], list(problems.values()))


def _read_vectors(recipe: DatabaseRecipe, photos: Sequence[Photo]) -> Iterator[Batch]:
    if not photos:
        return
    n_read = n_scaled = 0
    with _open_vector_table(_find_url(), recipe.source_model) as read:
        for start in range(0, len(photos), _PHOTOS_AT_A_TIME):
            some = photos[start : start + _PHOTOS_AT_A_TIME]
            rows: dict[str, list[tuple[int, object]]] = {photo.image_id: [] for photo in some}
            for image_id, dim, value in read(list(rows)):
                rows[image_id].append((dim, value))
            batch = Batch([], [], [])
            for photo in some:
                try:
                    vector, is_scaled = _decode_rows(recipe, rows[photo.image_id])
                except DecodeError as error:
                    batch.problems.append(describe_problem(photo, error.reason, str(error)))
                else:
                    batch.vectors.append((photo.image_id, vector.astype("<f4", copy=False).tobytes()))
                    n_scaled += is_scaled
            n_read += len(batch.vectors)
            yield batch
    logger.info(
        "embed: %d vectors of %s read from the app's database, %d of them scaled to unit norm",
        *(n_read, recipe.source_model, n_scaled),
    )


def _decode_rows(recipe: DatabaseRecipe, rows: Sequence[tuple[int, object]]) -> tuple[Vectors, bool]:
    """Return a photo's vector from its rows, and whether it was scaled."""
    if not rows:
        raise DecodeError("no_vector", f"the app's database has no vector of {recipe.source_model} for it")
    if len(rows) > 1:
        raise DecodeError("several_vectors", f"image_embedding has {len(rows)} rows for it, not one")
    dim, value = rows[0]
    if dim != recipe.dim:
        raise DecodeError("wrong_dim", f"image_embedding says dim {dim}, embedder.dim is {recipe.dim}")
    return normalise(decode_vector(value, recipe.dim))


def decode_vector(value: object, dim: int) -> NDArray[np.float64]:
    """Return the numbers of a stored vector, float64 [dim].

    Args:
        value: bytes (float16, float32 or float64, little-endian; the length says which), text (a JSON list,
            which is also pgvector's format), a list of numbers (`real[]`), or the path of a `.npy` file.
        dim: the required length.

    Raises:
        DecodeError: `reason` is `no_vector` (no such file), `damaged`, `wrong_dim` or `not_finite`.
    """
    if isinstance(value, Path):
        value = _read_npy(value)
    if isinstance(value, bytes):
        kind = _BYTE_TYPES.get(len(value) // dim)
        if kind is None or len(value) % dim:
            raise DecodeError("wrong_dim", f"{len(value)} stored bytes are not a vector of {dim} numbers")
        numbers = np.frombuffer(value, dtype=kind).astype(np.float64)
    else:
        try:
            if isinstance(value, str):
                # NaN is not valid JSON, so it is read as null.
                value = msgspec.json.decode(value.replace("NaN", "null"))
            numbers = np.array(msgspec.convert(value, list[float | None]), dtype=np.float64)
        except msgspec.MsgspecError as error:
            raise DecodeError("damaged", f"the stored vector cannot be read: {error}") from None
    if len(numbers) != dim:
        raise DecodeError("wrong_dim", f"the stored vector has {len(numbers)} numbers, not {dim}")
    if not np.isfinite(numbers).all():
        raise DecodeError("not_finite", "the stored vector holds NaN or infinity")
    return numbers


def _read_npy(path: Path) -> bytes:
    """Return a file's numbers as float64 bytes, which hold float32 and float16 exactly."""
    try:
        numbers: NDArray[Any] = np.load(path, allow_pickle=False)
        return numbers.astype("<f8").tobytes()
    except FileNotFoundError:
        raise DecodeError("no_vector", f"{path} does not exist") from None
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DecodeError("damaged", f"{path} is not a readable .npy file: {error}") from None


def normalise(numbers: NDArray[np.float64]) -> tuple[Vectors, bool]:
    """Return a vector as float32 [dim] of unit norm, and whether it had to be scaled.

    Raises:
        DecodeError: `no_direction`: all its numbers are zero.
    """
    norm = float(np.linalg.norm(numbers))
    if norm == 0.0:
        raise DecodeError("no_direction", "the stored vector is zero")
    if abs(norm - 1.0) <= _MAX_NORM_ERROR:
        return numbers.astype(np.float32), False
    return to_unit_norm(numbers[np.newaxis])[0], True


def _find_url() -> str:
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise DatabaseError(
            f"use.embedder: database reads the database that {URL_VARIABLE} names, and it is not set: "
            "sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"
        )
    return url


def _find_folder() -> Path:
    folder = os.environ.get(FOLDER_VARIABLE, "")
    if not folder or not Path(folder).is_dir():
        raise DatabaseError(
            f"image_embedding.embedding_path names .npy files: set {FOLDER_VARIABLE} to the folder that they "
            f"are in (now: {folder or 'not set'})"
        )
    return Path(folder)


@contextmanager
def _open_vector_table(url: str, model: str) -> Iterator[_Read]:
    """Open the table for reading the vectors of one model.

    Raises:
        DatabaseError: the database cannot be reached, has no such table, or no vector of that model.
        InputError: the SQLite file is missing or is not a database.
    """
    if url.startswith(_SQLITE):
        opened, columns = _open_sqlite(url), _SQLITE_COLUMNS
        placeholder, is_any = "?", "IN (SELECT value FROM json_each(?))"
    elif url.startswith(SCHEMES):
        opened, columns = _open_postgres(url), _POSTGRES_COLUMNS
        placeholder, is_any = "%s", "= ANY(%s)"
    else:
        raise DatabaseError(f"{URL_VARIABLE} must begin with {_SQLITE} or {SCHEMES[0]}")
    with opened as run_query:
        is_older = {*_OLDER_NAMES} <= {name for (name,) in run_query(columns, ())}
        names = _OLDER_NAMES if is_older else _NAMES
        models: dict[str, int] = dict(run_query(_MODELS.format(*names), ()))
        if model not in models:
            has = ", ".join(f"{name} ({count})" for name, count in models.items()) or "no vectors at all"
            raise DatabaseError(
                f"image_embedding has no vectors of {model!r} (embedder.source_model); it has {has}"
            )
        rows, folder = _ROWS.format(*names, placeholder, is_any), _find_folder() if is_older else None

        def read(image_ids: list[str]) -> list[tuple[str, int, object]]:
            found: list[tuple[str, int, object]] = run_query(rows, (model, image_ids))
            return found if folder is None else [(i, dim, folder / str(path)) for i, dim, path in found]

        yield read


@contextmanager
def _open_sqlite(url: str) -> Iterator[_Query]:
    path = Path(url.removeprefix(_SQLITE))
    with open_database(path) as connection:

        def run_query(query: str, values: tuple[Any, ...]) -> list[Any]:
            flat = [json.dumps(value) if isinstance(value, list) else value for value in values]
            return connection.execute(query, flat).fetchall()

        try:
            yield run_query
        except sqlite3.DatabaseError as error:
            raise DatabaseError(f"{path}: {error}") from None


@contextmanager
def _open_postgres(url: str) -> Iterator[_Query]:
    with open_postgres(url) as connection:
        yield lambda query, values: connection.execute(query.encode(), values).fetchall()
