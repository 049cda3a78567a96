"""What decides the labels, in twelve digits: label spaces of one name say the same of the same photo."""

from pathlib import Path

import msgspec
import xxhash

from vibe_photos.embed.outs import Digest
from vibe_photos.errors import HeadError, InputError
from vibe_photos.heads.linear import head_path
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName, Paths, Settings
from vibe_photos.storage.sqlite import open_database

_DIGITS = 12


class LabelSpace(msgspec.Struct, frozen=True, kw_only=True):
    """Label keys with their level and parent, how each is judged, and by which heads and encoder.

    `judged` has `(key, source, threshold)` of `labels.sqlite`; `heads` the hash of each head's file.
    """

    model: str
    labels: list[tuple[str, str, str | None]]
    judged: list[tuple[str, str, float | None]]
    attribute_from_scene: dict[str, str]
    prompts: object
    heads: dict[HeadName, str]

    def version(self) -> str:
        """Return the name of this label space."""
        content = msgspec.json.encode(self, order="sorted")
        return xxhash.xxh3_128_hexdigest(content)[:_DIGITS]


def read_label_space(settings: Settings) -> LabelSpace:
    """Return the label space of `labels.sqlite`.

    Raises:
        InputError: the labels or the embeddings' digest are missing.
        HeadError: a head is missing.
    """
    labels, judged = _read_labels(settings.paths.labels)
    return LabelSpace(
        model=read_model(settings.paths),
        labels=labels,
        judged=judged,
        attribute_from_scene=settings.classify.attribute_from_scene,
        prompts=settings.taxonomy.prompts,
        heads={kind: _hash_head(head_path(settings.paths.models, kind)) for kind in HEADS},
    )


def read_model(paths: Paths) -> str:
    """Return the name of the encoder whose vectors the labels come from.

    Raises:
        InputError: the embeddings' digest is missing or damaged.
    """
    path = paths.embeddings / "digest.json"
    try:
        return msgspec.json.decode(path.read_bytes(), type=Digest).model
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: get it with `dvc pull`, or `dvc repro`") from None
    except msgspec.MsgspecError as error:
        raise InputError(f"{path}: {error}") from None


def _read_labels(path: Path) -> tuple[list[tuple[str, str, str | None]], list[tuple[str, str, float | None]]]:
    with open_database(path) as connection:
        labels = connection.execute("SELECT key, level, parent FROM label ORDER BY key").fetchall()
        first = "SELECT label_key, source, threshold FROM label_assignment WHERE label_key = ? LIMIT 1"
        found = [connection.execute(first, (key,)).fetchone() for key, _, _ in labels]
    return labels, [row for row in found if row is not None]


def _hash_head(path: Path) -> str:
    try:
        return xxhash.xxh3_128_hexdigest(path.read_bytes())
    except FileNotFoundError:
        raise HeadError(f"{path} does not exist: get it with `dvc pull`, or name a --version") from None
