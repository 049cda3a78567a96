"""The machine-local store of vectors and hashes, and the stage's outs.

The store has one file per model and per version of the hashes, outside DVC. Outs are written from it, and
results in pulled outs (`dvc pull`) are copied into it.
"""

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import xxhash

from vibe_photos.errors import InputError
from vibe_photos.pixels.perceptual_hash import hash_recipe, hashes_file
from vibe_photos.records.photos import HashRecord
from vibe_photos.storage.files import replace_together, write_json
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl
from vibe_photos.storage.saved_work import SavedWork, open_saved_work
from vibe_photos.storage.sqlite import open_database
from vibe_photos.storage.vectors import write_rows

logger = logging.getLogger(__name__)

_FLOAT_BYTES = 4


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """`digest.json`: identifies the vectors of the outs in a few bytes.

    `rows_digest` is the xxh3-128 of all rows' ids and vectors, in order. `perceptual_hash` is the version of
    the hashes.
    """

    model: str
    dim: int
    n: int
    rows_digest: str
    perceptual_hash: str


def vectors_file(store: Path, model: str) -> Path:
    """Return the file with the vectors of one model."""
    return store / "embeddings" / f"{model}.sqlite"


def write_outs(
    folder: Path, model: str, image_ids: Sequence[str], vectors: SavedWork, hashes: SavedWork
) -> Digest:
    """Write the vectors and hashes of these photos in their order, then the digest."""
    rows_hash, n, dim = xxhash.xxh3_128(), 0, 0

    def count_rows() -> Iterator[tuple[str, bytes]]:
        nonlocal n, dim
        for image_id, vector in vectors.read(image_ids):
            rows_hash.update(image_id.encode() + vector)
            n, dim = n + 1, len(vector) // _FLOAT_BYTES
            yield image_id, vector

    names = "embeddings.sqlite", "perceptual_hashes.jsonl", "digest.json"
    with replace_together(*(folder / name for name in names)) as (new_vectors, new_hashes, new_digest):
        write_rows(new_vectors, model, count_rows())
        records = (
            HashRecord(image_id=id_, perceptual_hash=found.hex()) for id_, found in hashes.read(image_ids)
        )
        write_jsonl(new_hashes, records)
        digest = Digest(
            model=model, dim=dim, n=n, rows_digest=rows_hash.hexdigest(), perceptual_hash=hash_recipe()
        )
        write_json(new_digest, digest)
    return digest


def import_outs(folder: Path, store: Path) -> None:
    """Copy results from the existing outs into the store; unreadable outs are only logged."""
    for load, name in ((_import_vectors, "embeddings.sqlite"), (_import_hashes, "perceptual_hashes.jsonl")):
        if not (folder / name).exists():
            continue
        try:
            load(folder, store)
        except (InputError, sqlite3.DatabaseError) as error:
            logger.warning("%s cannot be used and will be written again: %s", folder / name, error)


def _import_vectors(folder: Path, store: Path) -> None:
    with open_database(folder / "embeddings.sqlite") as connection:
        first = connection.execute("SELECT model, dim FROM image_embedding LIMIT 1").fetchone()
        if first is None:
            return
        model, dim = first
        query = "SELECT image_id FROM image_embedding WHERE model = ? AND length(vector) = ?"
        whole = connection.execute(query, (model, dim * _FLOAT_BYTES))
        with open_saved_work(vectors_file(store, model)) as saved:
            known = saved.image_ids()
            missing = [image_id for (image_id,) in whole if image_id not in known]
            find = "SELECT image_id, vector FROM image_embedding WHERE image_id = ?"
            saved.add(connection.execute(find, (image_id,)).fetchone() for image_id in missing)


def _import_hashes(folder: Path, store: Path) -> None:
    try:
        digest = msgspec.json.decode((folder / "digest.json").read_bytes(), type=Digest)
    except (OSError, msgspec.DecodeError):
        return
    if digest.perceptual_hash != hash_recipe():
        return
    records = read_jsonl(folder / "perceptual_hashes.jsonl", HashRecord)
    with open_saved_work(hashes_file(store)) as saved:
        known = saved.image_ids()
        new = (record for record in records if record.image_id not in known)
        saved.add((record.image_id, bytes.fromhex(record.perceptual_hash)) for record in new)
