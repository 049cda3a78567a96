"""The stage's outs: written from what is saved, and taken back in where `dvc pull` brought them."""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec
import xxhash

from vibe_photos.embed.prepare import HASH_RECIPE
from vibe_photos.embed.saved_work import SavedWork, open_saved_work
from vibe_photos.errors import InputError
from vibe_photos.records.photos import HashRecord, PhotoProblem
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl
from vibe_photos.storage.sqlite import open_database
from vibe_photos.storage.vectors import write_rows

logger = logging.getLogger(__name__)

_FLOAT_BYTES = 4


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """`digest.json`: which vectors the outs hold, in a few bytes that later stages can depend on.

    `rows_digest` is the xxh3-128 of every row's id and vector in their order. `perceptual_hash` names how
    the hashes beside it were made.
    """

    model: str
    dim: int
    n: int
    rows_digest: str
    perceptual_hash: str


def vectors_file(store: Path, model: str) -> Path:
    """Return where the vectors of one model are saved."""
    return store / "embeddings" / f"{model}.sqlite"


def hashes_file(store: Path) -> Path:
    """Return where perceptual hashes are saved, one file for each way of making them."""
    return store / "perceptual_hashes" / f"{HASH_RECIPE}.sqlite"


def write_outs(
    folder: Path, model: str, image_ids: Sequence[str], vectors: SavedWork, hashes: SavedWork
) -> Digest:
    """Write the vectors and hashes of these photos in their order, then the digest."""
    counted = _CountedRows(vectors.read(image_ids))
    write_rows(folder / "embeddings.sqlite", model, counted)
    records = (
        HashRecord(image_id=image_id, perceptual_hash=result.hex())
        for image_id, result in hashes.read(image_ids)
    )
    write_jsonl(folder / "perceptual_hashes.jsonl", records)
    digest = Digest(
        model=model,
        dim=counted.dim,
        n=counted.n,
        rows_digest=counted.hexdigest(),
        perceptual_hash=HASH_RECIPE,
    )
    write_json(folder / "digest.json", digest)
    return digest


def write_problems(folder: Path, problems: Iterable[PhotoProblem]) -> None:
    """Write `problems.jsonl`: the photos that have no vector or no hash, and why."""
    write_jsonl(folder / "problems.jsonl", problems)


def absorb_outs(folder: Path, store: Path) -> None:
    """Save what the present outs hold and this machine does not; outs that cannot be read are named."""
    for absorb, name in ((_absorb_vectors, "embeddings.sqlite"), (_absorb_hashes, "perceptual_hashes.jsonl")):
        if not (folder / name).exists():
            continue
        try:
            absorb(folder, store)
        except (InputError, sqlite3.DatabaseError) as error:
            logger.warning("%s is no use and will be written anew: %s", folder / name, error)


def _absorb_vectors(folder: Path, store: Path) -> None:
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


def _absorb_hashes(folder: Path, store: Path) -> None:
    if _read_hash_recipe(folder / "digest.json") != HASH_RECIPE:
        return
    records = read_jsonl(folder / "perceptual_hashes.jsonl", HashRecord)
    with open_saved_work(hashes_file(store)) as saved:
        known = saved.image_ids()
        saved.add(
            (record.image_id, bytes.fromhex(record.perceptual_hash))
            for record in records
            if record.image_id not in known
        )


def _read_hash_recipe(path: Path) -> str | None:
    """Return how the hashes beside this digest were made, None where nothing says so."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Digest).perceptual_hash
    except (OSError, msgspec.DecodeError):
        return None


class _CountedRows:
    """Rows on their way into the file, counted and hashed as they pass."""

    def __init__(self, rows: Iterable[tuple[str, bytes]]) -> None:
        self._rows = rows
        self._hash = xxhash.xxh3_128()
        self.n = 0
        self.dim = 0

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        for image_id, vector in self._rows:
            self._hash.update(image_id.encode())
            self._hash.update(vector)
            self.n += 1
            self.dim = len(vector) // _FLOAT_BYTES
            yield image_id, vector

    def hexdigest(self) -> str:
        """Return the hash of all rows that have passed."""
        return str(self._hash.hexdigest())
