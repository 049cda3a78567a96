import sqlite3

import pytest

from vibe_photos.errors import InputError
from vibe_photos.storage.sqlite import create_database, open_database

SCHEMA = "CREATE TABLE row(key TEXT PRIMARY KEY, value REAL) WITHOUT ROWID;"


def write(path, rows):
    with create_database(path, SCHEMA) as connection:
        connection.executemany("INSERT INTO row VALUES (?, ?)", rows)


def test_the_same_rows_give_the_same_bytes_and_no_side_files(tmp_path):
    rows = [(f"k{i:04}", i / 3) for i in range(2000)]
    write(tmp_path / "a.sqlite", rows)
    write(tmp_path / "b.sqlite", rows)
    assert (tmp_path / "a.sqlite").read_bytes() == (tmp_path / "b.sqlite").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.sqlite", "b.sqlite"]


def test_no_trace_of_the_library_that_wrote_it(tmp_path):
    write(tmp_path / "a.sqlite", [("k", 1.0)])
    version = sqlite3.sqlite_version_info
    number = version[0] * 1_000_000 + version[1] * 1000 + version[2]
    assert number.to_bytes(4, "big") not in (tmp_path / "a.sqlite").read_bytes()[:100]


def test_any_client_can_read_and_check_it(tmp_path):
    write(tmp_path / "a.sqlite", [("k", 1.0)])
    connection = sqlite3.connect(tmp_path / "a.sqlite")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.execute("INSERT INTO row VALUES ('l', 2.0)")
    connection.commit()
    assert connection.execute("SELECT count(*) FROM row").fetchone() == (2,)
    connection.close()


def test_a_failed_write_leaves_the_old_database(tmp_path):
    path = tmp_path / "a.sqlite"
    write(path, [("k", 1.0)])
    before = path.read_bytes()
    with pytest.raises(sqlite3.IntegrityError):
        write(path, [("k", 1.0), ("k", 2.0)])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_reading_cannot_write(tmp_path):
    write(tmp_path / "a.sqlite", [("k", 1.0)])
    with open_database(tmp_path / "a.sqlite") as connection, pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM row")


def test_odd_file_names(tmp_path):
    path = tmp_path / "what? 100% #1.sqlite"
    write(path, [("k", 1.0)])
    with open_database(path) as connection:
        assert connection.execute("SELECT key FROM row").fetchall() == [("k",)]


def test_what_is_no_database_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"), open_database(tmp_path / "a.sqlite"):
        pass
    (tmp_path / "a.sqlite").write_bytes(b"this is a text and no database" * 100)
    with pytest.raises(InputError, match="not a SQLite database"), open_database(tmp_path / "a.sqlite"):
        pass
