"""SQLite files as pipeline outputs: one file without side files; the same rows give the same bytes."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.storage.files import replace_atomically

PAGE_SIZE_BYTES = 16384
"""Large pages: rows of about 3 KB (768 float32) are written twice as fast as with 4 KB pages."""

_VERSION_FIELDS = slice(92, 100)


@contextmanager
def create_database(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Build a new database in one transaction; it replaces `path` if the block ends without an error."""
    with replace_atomically(path) as temporary:
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE_SIZE_BYTES}")
            # The file is renamed only when it is complete and fsynced, so it needs no journal.
            connection.execute("PRAGMA journal_mode=OFF")
            connection.execute("PRAGMA synchronous=OFF")
            try:
                connection.executescript(schema)
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_FULL":
                    raise
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        _forget_library_version(temporary)


@contextmanager
def open_database(path: Path) -> Iterator[sqlite3.Connection]:
    """Open an existing database for reading only.

    Raises:
        InputError: the file is missing or is not a SQLite database.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is not a SQLite database: {error}") from None
        yield connection


def _forget_library_version(path: Path) -> None:
    """Set the library version in the header to zero: only there do files of two SQLite versions differ.

    It is informational (https://www.sqlite.org/fileformat.html, 1.3.17).
    """
    with path.open("r+b") as file:
        file.seek(_VERSION_FIELDS.start)
        file.write(bytes(_VERSION_FIELDS.stop - _VERSION_FIELDS.start))
