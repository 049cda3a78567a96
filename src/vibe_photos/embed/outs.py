"""The machine-local store of vectors and hashes, and the stage's outs.

The store has one file per model and per version of the hashes, outside DVC. Outs are written from it, and
results in pulled outs (`dvc pull`) are copied into it.
"""

import json
import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import msgspec
import xxhash

from vibe_photos.embed.engines.local import hash_recipe
from vibe_photos.errors import InputError, StoreError
from vibe_photos.records.photos import HashRecord
from vibe_photos.records.pictures import Pictures
from vibe_photos.storage.files import replace_together, write_json
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl
from vibe_photos.storage.sqlite import PAGE_SIZE_BYTES, open_database
from vibe_photos.storage.vectors import write_rows

logger = logging.getLogger(__name__)

_FLOAT_BYTES = 4
_LOCK_TIMEOUT_SECONDS = 60.0
_ROWS_AT_A_TIME = 256


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


class SavedWork:
    """A table from `image_id` to a photo's result, as bytes: its vector or its hashes."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `open_saved_work`."""
        self._connection = connection

    def image_ids(self) -> set[str]:
        """Return the photos that have a result."""
        return {row[0] for row in self._connection.execute("SELECT image_id FROM saved")}

    def add(self, results: Iterable[tuple[str, bytes]]) -> None:
        """Save `(image_id, result)` pairs to disk, all or none; existing results are kept."""
        with self._connection:
            self._connection.executemany("INSERT OR IGNORE INTO saved VALUES (?, ?)", results)

    def follow_pictures(self, image_ids: Iterable[str], pictures: Pictures) -> int:
        """Copy results to ids that have none and are another file of the same picture; return how many."""
        known, sources = self.image_ids(), {}
        for image_id in image_ids:
            copies = () if image_id in known else pictures.find_copies(image_id)
            if copy := next((copy for copy in copies if copy in known), None):
                sources[image_id] = copy
        results = (result for _, result in self.read(sources.values()))
        self.add(zip(sources, results, strict=True))
        return len(sources)

    def read(self, image_ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Yield `(image_id, result)` for the photos that have one, in the given order."""
        query = "SELECT image_id, result FROM saved WHERE image_id IN (SELECT value FROM json_each(?))"
        remaining = iter(image_ids)
        while chunk := list(islice(remaining, _ROWS_AT_A_TIME)):
            found = dict(self._connection.execute(query, (json.dumps(chunk),)))
            yield from ((image_id, found[image_id]) for image_id in chunk if image_id in found)


@contextmanager
def open_saved_work(path: Path) -> Iterator[SavedWork]:
    """Open the file, or create it. Several runs may share it; each `add` is one transaction.

    Raises:
        StoreError: the file is damaged, or another run has locked it for more than a minute.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(sqlite3.connect(path, timeout=_LOCK_TIMEOUT_SECONDS)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE_SIZE_BYTES}")
            connection.execute(
                "CREATE TABLE IF NOT EXISTS saved(image_id TEXT NOT NULL PRIMARY KEY, result BLOB NOT NULL)"
            )
            yield SavedWork(connection)
    except sqlite3.OperationalError as error:
        raise StoreError(f"{path}: {error}; is another run using it, or the disk full?") from error
    except sqlite3.DatabaseError as error:
        advice = "move the file away; its content is then computed again"
        raise StoreError(f"{path} is damaged ({error}): {advice}") from error


def vectors_file(store: Path, model: str) -> Path:
    """Return the file with the vectors of one model."""
    return store / "embeddings" / f"{model}.sqlite"


def hashes_file(store: Path) -> Path:
    """Return the file with perceptual hashes of the current version."""
    return store / "perceptual_hashes" / f"{hash_recipe()}.sqlite"


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
