"""A file of the store with one result per photo, each computed once: vectors, perceptual hashes."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

from vibe_photos.errors import StoreError
from vibe_photos.storage.sqlite import PAGE_SIZE_BYTES

_LOCK_TIMEOUT_SECONDS = 60.0
_ROWS_AT_A_TIME = 256


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

    def copy_to_rewritten_files(
        self, image_ids: Iterable[str], find_copies: Callable[[str], Sequence[str]]
    ) -> int:
        """Copy results to ids that have none and are another file of the same picture; return how many."""
        known, sources = self.image_ids(), {}
        for image_id in image_ids:
            copies = () if image_id in known else find_copies(image_id)
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
