"""What is published: the files that the last `dvc repro` left, and the name of their version."""

from dataclasses import dataclass
from pathlib import Path

import xxhash

from vibe_photos.errors import InputError
from vibe_photos.publish.label_space import read_label_space, read_model
from vibe_photos.settings import Settings
from vibe_photos.storage.sqlite import open_database

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class LabelFile:
    """`labels.sqlite`, the hash of its bytes, and what it holds."""

    path: Path
    content: str
    photos: int
    rows: int


@dataclass(frozen=True, slots=True)
class VectorFile:
    """`embeddings.sqlite`, the hash of its bytes, and what it holds."""

    path: Path
    content: str
    photos: int
    dim: int


@dataclass(frozen=True, slots=True)
class Publication:
    """A version of the labels by the vectors of `model`; `vectors` is None where labels go alone."""

    version: str
    model: str
    labels: LabelFile
    vectors: VectorFile | None


def read_publication(settings: Settings, version: str | None, with_embeddings: bool) -> Publication:
    """Return what there is to publish; the version's name is the label space's where none is given.

    Raises:
        InputError: the labels or embeddings are missing or empty.
        HeadError: a head is missing, and no version is named.
    """
    paths = settings.paths
    return Publication(
        version=version or read_label_space(settings).version(),
        model=read_model(paths),
        labels=describe_labels(paths.labels),
        vectors=describe_vectors(paths.embeddings / "embeddings.sqlite") if with_embeddings else None,
    )


def describe_labels(path: Path) -> LabelFile:
    """Return what `labels.sqlite` holds.

    Raises:
        InputError: it is missing or empty.
    """
    photos, rows = _count(path, "SELECT count(DISTINCT image_id), count(*) FROM label_assignment")
    return LabelFile(path, _hash_file(path), photos, rows)


def describe_vectors(path: Path) -> VectorFile:
    """Return what `embeddings.sqlite` holds.

    Raises:
        InputError: it is missing or empty.
    """
    photos, dim = _count(path, "SELECT count(*), max(dim) FROM image_embedding")
    return VectorFile(path, _hash_file(path), photos, dim)


def _count(path: Path, query: str) -> tuple[int, int]:
    with open_database(path) as connection:
        first, second = connection.execute(query).fetchone()
    if not first:
        raise InputError(f"{path} holds nothing to publish: run `dvc repro` on a library first")
    return first, second


def _hash_file(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes; the pipeline's files have the same bytes for the same rows."""
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return str(digest.hexdigest())
