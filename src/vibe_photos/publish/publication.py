"""The files to publish, from the last `dvc repro`, and the name of their version."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
import xxhash

from vibe_photos.embed.outs import Digest
from vibe_photos.errors import HeadError, InputError
from vibe_photos.heads.linear import head_path
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import Paths, Settings
from vibe_photos.storage.sqlite import open_database

_DIGITS = 12


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A SQLite file with the hash of its bytes and its numbers of photos and rows."""

    path: Path
    content: str
    photos: int
    rows: int


@dataclass(frozen=True, slots=True)
class Publication:
    """A version of the labels, from vectors of `model`; `vectors` is None if only labels are published."""

    version: str
    model: str
    labels: PublishedFile
    vectors: PublishedFile | None


def read_publication(settings: Settings, version: str | None, with_embeddings: bool) -> Publication:
    """Return what to publish; the default name of the version is that of its label space.

    Raises:
        InputError: the labels or embeddings are missing or empty.
        HeadError: a head is missing, and no version is named.
    """
    paths, embeddings = settings.paths, settings.paths.embeddings / "embeddings.sqlite"
    return Publication(
        version=version or name_label_space(settings),
        model=_read_model(paths),
        labels=describe_file(paths.labels, "label_assignment"),
        vectors=describe_file(embeddings, "image_embedding") if with_embeddings else None,
    )


def name_label_space(settings: Settings) -> str:
    """Return 12 hex digits of a hash of everything that decides a photo's labels.

    These are the label tree, each label's source and threshold, the temperatures, rules and prompts, the
    heads' bytes and the encoder. With the same name, the same photo gets the same labels.

    Raises:
        InputError: the labels or the embeddings' digest are missing.
        HeadError: a head is missing.
    """
    with open_database(settings.paths.labels) as connection:
        labels = connection.execute("SELECT key, level, parent FROM label ORDER BY key").fetchall()
        first = "SELECT label_key, source, threshold FROM label_assignment WHERE label_key = ? LIMIT 1"
        judged = [connection.execute(first, (key,)).fetchone() for key, _, _ in labels]
    space = {
        "model": _read_model(settings.paths),
        "labels": labels,
        "judged": [row for row in judged if row is not None],
        "attribute_from_scene": settings.classify.attribute_from_scene,
        "temperature": settings.classify.temperature,
        "prompts": settings.taxonomy.prompts,
        "heads": {head: _hash_head(head_path(settings.paths.models, head)) for head in HEADS},
    }
    return xxhash.xxh3_128_hexdigest(msgspec.json.encode(space, order="sorted"))[:_DIGITS]


def _read_model(paths: Paths) -> str:
    path = paths.embeddings / "digest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Digest).model
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: get it with `dvc pull`, or `dvc repro`") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from None


def describe_file(path: Path, table: str) -> PublishedFile:
    """Describe `labels.sqlite` or `embeddings.sqlite` by its table.

    Raises:
        InputError: the file is missing or empty.
    """
    with open_database(path) as connection:
        query = f"SELECT count(DISTINCT image_id), count(*) FROM {table}"
        photos, rows = connection.execute(query).fetchone()
    if not rows:
        raise InputError(f"{path} contains nothing to publish: run `dvc repro` on a library first")
    return PublishedFile(path, _hash_file(path), photos, rows)


def _hash_head(path: Path) -> str:
    try:
        return _hash_file(path)
    except FileNotFoundError:
        raise HeadError(f"{path} does not exist: get it with `dvc pull`, or name a --version") from None


def _hash_file(path: Path) -> str:
    """Return the xxh3-128 of a file's bytes; the pipeline writes the same bytes for the same rows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
