import logging
import sqlite3
import time
from contextlib import closing

import pytest

from vibe_photos.scan.files import FileFinding, FileStamp
from vibe_photos.scan.stat_cache import open_stat_cache

ROOT = b"/photos"


def make_finding(image_id="ab", mtime_ns=1):
    return FileFinding(FileStamp(10, mtime_ns, 2, 3), image_id=image_id, format="JPEG")


def write(store, folders, root=ROOT, content_hash="xxh64"):
    with open_stat_cache(store, root, content_hash) as cache:
        cache.write_folders(folders)


def read(store, path, root=ROOT, content_hash="xxh64"):
    with open_stat_cache(store, root, content_hash) as cache:
        return cache.read_folder(path)


def database(store):
    return sqlite3.connect(store / "library" / "stat_cache.sqlite", isolation_level=None)


def test_findings_come_back_whatever_their_names(tmp_path):
    findings = {b"a\xff\n\"'\\.jpg": make_finding(), b"": FileFinding(FileStamp(0, 0, 0, 0), reason="empty")}
    write(tmp_path, {b"sub/\xfe": findings})
    assert read(tmp_path, b"sub/\xfe") == findings
    assert read(tmp_path, b"sub") == {}


def test_another_root_or_hash_knows_nothing_of_them(tmp_path):
    write(tmp_path, {b"": {b"a.jpg": make_finding()}})
    assert read(tmp_path, b"", root=b"/other") == {}
    assert read(tmp_path, b"", content_hash="xxh3_128") == {}


def test_a_file_that_was_modified_just_now_is_not_kept(tmp_path):
    now_ns = time.time_ns()
    findings = {
        name: make_finding(mtime_ns=now_ns + shift_ns)
        for name, shift_ns in {
            b"old": -60_000_000_000,
            b"fresh": -1_000_000_000,
            b"ahead": 3600 * 10**9,
        }.items()
    }
    write(tmp_path, {b"": findings})
    assert read(tmp_path, b"").keys() == {b"old"}


def test_a_changed_byte_in_a_row_is_noticed(tmp_path):
    write(tmp_path, {b"": {b"a.jpg": make_finding("abcd")}})
    with closing(database(tmp_path)) as connection:
        ((data,),) = connection.execute("SELECT findings FROM folder")
        connection.execute("UPDATE folder SET findings = ?", (data.replace(b"abcd", b"abce"),))
    assert read(tmp_path, b"") == {}


def test_folders_that_are_gone_are_forgotten(tmp_path):
    write(tmp_path, {b"a": {b"1.jpg": make_finding()}, b"b": {b"2.jpg": make_finding()}})
    with open_stat_cache(tmp_path, ROOT, "xxh64") as cache:
        cache.forget_folders_except([b"b"])
    assert read(tmp_path, b"a") == {}
    assert read(tmp_path, b"b")


def test_a_damaged_file_is_started_anew_with_a_warning(tmp_path, caplog):
    path = tmp_path / "library" / "stat_cache.sqlite"
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, but long enough to be taken for one" * 100)
    write(tmp_path, {b"": {b"a.jpg": make_finding()}})
    assert "cannot be used" in caplog.text
    assert read(tmp_path, b"")


def test_damage_inside_the_file_is_no_more_than_a_warning(tmp_path, caplog):
    write(tmp_path, {b"%d" % i: {b"a.jpg": make_finding()} for i in range(2000)})
    path = tmp_path / "library" / "stat_cache.sqlite"
    data = bytearray(path.read_bytes())
    data[8192:] = bytes(len(data) - 8192)
    path.write_bytes(data)
    assert read(tmp_path, b"1") == {}
    assert "cannot be used" in caplog.text


def test_where_nothing_can_be_written_it_lives_in_memory_with_a_warning(tmp_path, caplog):
    (tmp_path / "library").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING), open_stat_cache(tmp_path, ROOT, "xxh64") as cache:
        cache.write_folders({b"": {b"a.jpg": make_finding()}})
        assert cache.read_folder(b"")
    assert "cannot be used" in caplog.text


def test_an_outcome_is_of_these_findings_and_these_bytes_only(tmp_path):
    with open_stat_cache(tmp_path, ROOT, "xxh64") as cache:
        cache.write_folders({b"": {b"a.jpg": make_finding()}})
        cache.remember_outcome("photos", b"manifest", b"problems")
    with open_stat_cache(tmp_path, ROOT, "xxh64") as cache:
        assert cache.remembers_outcome("photos", b"manifest", b"problems")
        assert not cache.remembers_outcome("photos", b"edited", b"problems")
        assert not cache.remembers_outcome("photos", b"manifest", b"edited")
        assert not cache.remembers_outcome("elsewhere", b"manifest", b"problems")
        assert cache.roots_of_manifest(b"manifest") == {"photos"}
        cache.write_folders({b"": {b"a.jpg": make_finding("other")}})
        assert not cache.remembers_outcome("photos", b"manifest", b"problems")


@pytest.mark.parametrize("content_hash", ["xxh3_128"])
def test_an_outcome_under_another_hash_is_none(tmp_path, content_hash):
    with open_stat_cache(tmp_path, ROOT, "xxh64") as cache:
        cache.remember_outcome("photos", b"manifest", b"problems")
    with open_stat_cache(tmp_path, ROOT, content_hash) as cache:
        assert not cache.remembers_outcome("photos", b"manifest", b"problems")
