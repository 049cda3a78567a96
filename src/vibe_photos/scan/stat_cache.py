"""A cache of findings, so that unchanged files need not be read again.

One row per folder: the findings of its files by name, as MessagePack. A finding is valid only for its stamp
(size, modification and change times, inode), and for the same hash and inspection version. A file modified
less than two seconds before its scan is not cached: it could change again without a change of its times (file
systems store times to 10 ms, 1 s or 2 s). Nor is one modified up to a day later: the clock of a file server
may be ahead. Later times are a camera's wrong date, and as good as any.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import xxhash

from vibe_photos.records.photos import HashName
from vibe_photos.scan.files import INSPECTION_VERSION, FileFinding, FileStamp

Findings = dict[bytes, FileFinding]
"""The findings of one folder's files, by name."""

_SETTLED_NS = 2_000_000_000
_MAX_CLOCK_ERROR_NS = 86_400_000_000_000
_WAIT_FOR_OTHER_SCAN_SECONDS = 60
_DAMAGED = {"SQLITE_NOTADB", "SQLITE_CORRUPT", "SQLITE_ERROR"}

_SCHEMA = """
CREATE TABLE IF NOT EXISTS folder (
    root BLOB, inspection TEXT, path BLOB, stamps TEXT, checksum TEXT, findings BLOB,
    PRIMARY KEY (root, inspection, path)
);
CREATE TABLE IF NOT EXISTS outcome (
    manifest TEXT, root TEXT, problems TEXT, state TEXT, PRIMARY KEY (manifest, root)
);
"""

_log = logging.getLogger(__name__)


class _Row(NamedTuple):
    """One folder: checksums of its files' stamps and of its findings, and the findings."""

    stamps: str
    checksum: str
    findings: bytes

    def is_whole(self) -> bool:
        return self.checksum == _checksum(self.findings)


class StatCache:
    """The findings of one root's folders for one hash, and the outcomes of earlier scans."""

    def __init__(self, database: Path, root: bytes, content_hash: HashName) -> None:
        self._connection = sqlite3.connect(database, timeout=_WAIT_FOR_OTHER_SCAN_SECONDS)
        self._key = (os.path.abspath(root), f"{content_hash}/{INSPECTION_VERSION}")
        now_ns = time.time_ns()
        self._unsettled_ns = range(now_ns - _SETTLED_NS, now_ns + _MAX_CLOCK_ERROR_NS)
        self._decoder = msgspec.msgpack.Decoder(Findings)
        try:
            # A power cut may damage the cache, which only costs time; fsync would slow down every scan.
            self._connection.execute("PRAGMA synchronous=OFF")
            self._connection.executescript(_SCHEMA)
            rows = self._connection.execute(
                "SELECT path, stamps, checksum, findings FROM folder WHERE root = ? AND inspection = ?",
                self._key,
            )
            self._rows: dict[bytes, _Row] = {path: _Row(*columns) for path, *columns in rows}
        except sqlite3.Error:
            self.close()
            raise

    def close(self) -> None:
        """Close the database file."""
        self._connection.close()

    def read_folder(self, path: bytes) -> Findings:
        """Return the findings of a folder; empty if its row is missing or damaged."""
        row = self._rows.get(path)
        return self._decoder.decode(row.findings) if row and row.is_whole() else {}

    def has_all(self, path: bytes, stamps: Mapping[bytes, FileStamp | None]) -> bool:
        """Return whether the folder's row has exactly these files in this order, without decoding it."""
        row = self._rows.get(path)
        return row is not None and row.stamps == _checksum(msgspec.msgpack.encode(stamps)) and row.is_whole()

    def write_folders(self, folders: Mapping[bytes, Findings]) -> None:
        """Save the findings of folders, each in the order of its listing.

        Files that were just modified, and unreadable ones, are left out. If the database cannot be written,
        that is only a warning: the next scan reads the files again.
        """
        rows = []
        for path, findings in folders.items():
            settled = {name: finding for name, finding in findings.items() if self._is_settled(finding)}
            data = msgspec.msgpack.encode(settled)
            stamps = msgspec.msgpack.encode({name: finding.stamp for name, finding in settled.items()})
            row = self._rows[path] = _Row(_checksum(stamps), _checksum(data), data)
            rows.append((*self._key, path, *row))
        self._write("INSERT OR REPLACE INTO folder VALUES (?, ?, ?, ?, ?, ?)", rows)

    def forget_folders_except(self, paths: Collection[bytes]) -> None:
        """Drop the rows of folders that are gone."""
        gone = self._rows.keys() - set(paths)
        for path in gone:
            del self._rows[path]
        self._write(
            "DELETE FROM folder WHERE root = ? AND inspection = ? AND path = ?",
            [(*self._key, path) for path in gone],
        )

    def remember_outcome(self, root: str, manifest: bytes, problems: bytes) -> None:
        """Record what was written for `root` (as configured) with the current findings.

        `problems` are the bytes of all files beside the manifest.
        """
        outcome = self._describe_outcome(root, manifest, problems)
        self._write("INSERT OR REPLACE INTO outcome VALUES (?, ?, ?, ?)", [outcome])

    def remembers_outcome(self, root: str, manifest: bytes, problems: bytes) -> bool:
        """Return whether exactly this was written for exactly the current findings, all of them cached."""
        outcome = self._describe_outcome(root, manifest, problems)
        statement = "SELECT 1 FROM outcome WHERE (manifest, root, problems, state) = (?, ?, ?, ?)"
        return self._connection.execute(statement, outcome).fetchone() is not None

    def roots_of_manifest(self, manifest: bytes) -> set[str]:
        """Return the roots (as configured) whose scans wrote these bytes."""
        rows = self._connection.execute("SELECT root FROM outcome WHERE manifest = ?", (_checksum(manifest),))
        return {root for (root,) in rows}

    def _describe_outcome(self, root: str, manifest: bytes, problems: bytes) -> tuple[str, str, str, str]:
        """Return a row of `outcome`; its state is a checksum of all findings and the inspection version."""
        rows = sorted((path, row.checksum) for path, row in self._rows.items())
        state = _checksum(msgspec.msgpack.encode((self._key[1], rows)))
        return _checksum(manifest), root, _checksum(problems), state

    def _is_settled(self, finding: FileFinding) -> bool:
        return finding.stamp.mtime_ns not in self._unsettled_ns and not finding.error_number

    def _write(self, statement: str, rows: Collection[tuple[object, ...]]) -> None:
        try:
            with self._connection:
                self._connection.executemany(statement, rows)
        except sqlite3.Error as error:
            _log.warning("the next scan will read files again: the stat cache cannot be written (%s)", error)


@contextmanager
def open_stat_cache(store: Path, root: str, content_hash: HashName) -> Iterator[StatCache]:
    """Open the cache in the local store, or create it.

    A damaged file is replaced; if no file can be created (a full or read-only disk), the cache is in memory.
    Both log a warning, and neither changes the result of a scan.
    """
    path, key = store / "library" / "stat_cache.sqlite", (os.fsencode(root), content_hash)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        cache = StatCache(path, *key)
    except (OSError, sqlite3.DatabaseError) as error:
        _log.warning("the stat cache %s cannot be used, files are read again: %s", path, error)
        if getattr(error, "sqlite_errorname", "") in _DAMAGED:
            path.unlink()
            cache = StatCache(path, *key)
        else:
            cache = StatCache(Path(":memory:"), *key)
    with closing(cache):
        yield cache


def _checksum(data: bytes) -> str:
    return str(xxhash.xxh3_128_hexdigest(data))
