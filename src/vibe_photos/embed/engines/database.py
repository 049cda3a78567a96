"""Vectors read from an app's database instead of computed; see `database`.

Photos are decoded all the same, for their perceptual hashes. What was read once is saved like any computed
vector, under the name that `embedder.revision` is part of.
"""

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import closing

from vibe_photos.embed.app_vectors import ReadVectors, decode_vector, normalise, open_vector_table
from vibe_photos.embed.engines.engine import Batch, Engine, Job
from vibe_photos.embed.prepare import describe_problem
from vibe_photos.encoders.encoder import read_database_recipe
from vibe_photos.errors import DatabaseError, DecodeError
from vibe_photos.records.photos import Photo, PhotoProblem
from vibe_photos.storage.postgres import URL_VARIABLE

logger = logging.getLogger(__name__)

_PHOTOS_AT_A_TIME = 1000


class DatabaseEngine:
    """Takes vectors from the app's table, and perceptual hashes from the engine that it is given."""

    def __init__(self, job: Job, hasher: Engine) -> None:
        """Take what to do; nothing is opened yet."""
        self._recipe = read_database_recipe(job.embedder)
        self._hasher = hasher

    def embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Generator[Batch, None, None]:
        """Yield vectors as they are read, then hashes; see `Engine`.

        Raises:
            DatabaseError: the database cannot be reached, or holds no vector of that model.
            InputError: the SQLite file is missing.
        """
        problems: dict[str, PhotoProblem] = {}
        for batch in self._read([photo for photo in photos if photo.image_id not in has_vector]):
            problems |= {problem.image_id or "": problem for problem in batch.problems}
            yield Batch(batch.vectors, [], [])
        # Nobody lacks a vector here: the hasher is to load no encoder.
        everybody = frozenset(photo.image_id for photo in photos)
        with closing(self._hasher.embed(photos, everybody)) as batches:
            for batch in batches:
                problems |= {problem.image_id or "": problem for problem in batch.problems}
                yield Batch([], batch.perceptual_hashes, [])
        yield Batch([], [], list(problems.values()))

    def _read(self, photos: Sequence[Photo]) -> Generator[Batch, None, None]:
        if not photos:
            return
        n_read = n_scaled = 0
        with open_vector_table(_find_url(), self._recipe.source_model) as read:
            for start in range(0, len(photos), _PHOTOS_AT_A_TIME):
                batch, scaled = self._read_some(photos[start : start + _PHOTOS_AT_A_TIME], read)
                n_read, n_scaled = n_read + len(batch.vectors), n_scaled + scaled
                yield batch
        logger.info(
            "embed: %d vectors of %s read from the app's database, %d of them scaled to unit norm",
            *(n_read, self._recipe.source_model, n_scaled),
        )

    def _read_some(self, photos: Sequence[Photo], read: ReadVectors) -> tuple[Batch, int]:
        """Return the vectors of some photos with what is wrong with others, and how many were scaled."""
        found: dict[str, list[tuple[int, object]]] = {}
        for image_id, dim, value in read([photo.image_id for photo in photos]):
            found.setdefault(image_id, []).append((dim, value))
        vectors, problems, n_scaled = [], [], 0
        for photo in photos:
            try:
                vector, is_scaled = self._choose(found.get(photo.image_id, []))
            except DecodeError as error:
                problems.append(describe_problem(photo, error.reason, str(error)))
            else:
                vectors.append((photo.image_id, vector))
                n_scaled += is_scaled
        return Batch(vectors, [], problems), n_scaled

    def _choose(self, rows: Sequence[tuple[int, object]]) -> tuple[bytes, bool]:
        """Return a photo's vector from its rows, and whether it was scaled."""
        recipe = self._recipe
        if not rows:
            raise DecodeError(
                "no_vector", f"the app's database has no vector of {recipe.source_model} for it"
            )
        if len(rows) > 1:
            raise DecodeError("several_vectors", f"image_embedding has {len(rows)} rows for it, not one")
        dim, value = rows[0]
        if dim != recipe.dim:
            raise DecodeError("wrong_dim", f"image_embedding says dim {dim}, embedder.dim is {recipe.dim}")
        vector, is_scaled = normalise(decode_vector(value, recipe.dim))
        return vector.astype("<f4", copy=False).tobytes(), is_scaled


def _find_url() -> str:
    url = os.environ.get(URL_VARIABLE, "")
    if not url:
        raise DatabaseError(
            f"use.embedder: database reads the database that {URL_VARIABLE} names, and it is not set: "
            "sqlite:///FILE or postgresql://USER@HOST:PORT/DATABASE"
        )
    return url
