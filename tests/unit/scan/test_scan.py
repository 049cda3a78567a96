import errno
import logging
import os
import re
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec
import pytest
import xxhash
from tests.unit.pictures import LONG_AGO_SECONDS, draw_picture, encode_picture, put_file
from tests.unit.scanned_library import scan_settings

from vibe_photos.errors import LibraryError
from vibe_photos.records.photos import Photo, PhotoProblem, photo_path, read_manifest, text_to_path
from vibe_photos.records.pictures import read_pictures
from vibe_photos.scan.stage import scan_library
from vibe_photos.storage.jsonl import read_jsonl


class Scan:
    """A library, and where scanning it writes."""

    def __init__(self, library, folder):
        self.root = Path(library.root)
        self.settings = msgspec.structs.replace(scan_settings(self.root, folder / "out"), library=library)
        self.manifest = folder / "out" / "photos.jsonl"
        self.problems = folder / "out" / "problems.jsonl"
        self.store = folder / "store"

    def run(self, **changes):
        library = msgspec.structs.replace(self.settings.library, **changes)
        scan_library(msgspec.structs.replace(self.settings, library=library), self.store)

    def photos(self) -> list[Photo]:
        return read_manifest(self.manifest)

    def read_problems(self) -> list[PhotoProblem]:
        return list(read_jsonl(self.problems, PhotoProblem))

    def written(self) -> tuple[bytes, bytes]:
        return self.manifest.read_bytes(), self.problems.read_bytes()


@pytest.fixture
def scan(library, tmp_path):
    return Scan(library, tmp_path)


@pytest.fixture
def jpegs():
    return [encode_picture(draw_picture(seed), "JPEG") for seed in range(6)]


def test_every_format_is_listed_with_its_hash_size_and_format(scan, pictures):
    for number, data in enumerate(pictures.values()):
        put_file(scan.root / f"{number}.jpg", data)
    scan.run()
    assert [(photo.format, photo.bytes) for photo in scan.photos()] == [
        (image_format, len(data)) for image_format, data in pictures.items()
    ]
    assert all(re.fullmatch("[0-9a-f]{32}", photo.image_id) for photo in scan.photos())
    assert scan.read_problems() == []


def test_xxh64_ids_are_those_of_existing_databases(scan, jpeg):
    put_file(scan.root / "a.jpg", jpeg)
    scan.run(content_hash="xxh64")
    assert [len(photo.image_id) for photo in scan.photos()] == [16]


def test_the_same_bytes_are_one_photo_with_further_places(scan, jpegs):
    for place in ("z/1.jpg", "b.jpg", "a/2.jpg"):
        put_file(scan.root / place, jpegs[0])
    put_file(scan.root / "c.jpg", jpegs[1])
    (scan.root / "link.jpg").symlink_to(scan.root / "c.jpg")
    scan.run()
    assert [(photo.rel_path, photo.also_at) for photo in scan.photos()] == [
        ("a/2.jpg", ["b.jpg", "z/1.jpg"]),
        ("c.jpg", ["link.jpg"]),
    ]


def test_every_file_ends_somewhere_and_the_sums_add_up(scan, jpegs, caplog):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "copy.jpg", jpegs[0])
    put_file(scan.root / "sub/empty.jpg", b"")
    put_file(scan.root / "sub/cut.jpg", jpegs[1][:-50])
    put_file(scan.root / "eps.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n")
    (scan.root / "nowhere.jpg").symlink_to(scan.root / "gone.jpg")
    os.mkfifo(scan.root / "pipe.jpg")
    put_file(scan.root / "notes.txt", b"x")
    put_file(scan.root / ".hidden/b.jpg", jpegs[2])
    with caplog.at_level(logging.INFO):
        scan.run()
    assert [(problem.rel_path, problem.reason) for problem in scan.read_problems()] == [
        ("eps.jpg", "not_an_image"),
        ("nowhere.jpg", "missing"),
        ("pipe.jpg", "not_a_file"),
        ("sub/cut.jpg", "truncated"),
        ("sub/empty.jpg", "empty"),
    ]
    sums = [int(n) for n in re.findall(r"(\d+) (?:files =|photos|further|problems|left out;)", caplog.text)]
    assert sums == [8, 1, 1, 5, 1]
    assert "2 folders, 0 more cannot be read" in caplog.text
    assert "left out: 1 .* (by library.skip_names); 1 .txt" in caplog.text


def test_odd_names_come_back_byte_for_byte_through_jsonl_and_sqlite(scan, jpegs, tmp_path):
    names = [b"not utf8 \xff\xfe.jpg", b"new\nline.jpg", b'"quo\'tes".jpg', rb"back\x41slash.jpg"]
    for name, data in zip(names, jpegs, strict=False):
        put_file(os.path.join(os.fsencode(scan.root), b"d\xe9j\xe0", name), data)
    scan.run()
    assert sorted(text_to_path(photo.rel_path) for photo in scan.photos()) == sorted(
        b"d\xe9j\xe0/" + name for name in names
    )
    assert all(photo_path(scan.root, photo).read_bytes() in jpegs for photo in scan.photos())
    with closing(sqlite3.connect(tmp_path / "db.sqlite")) as connection:
        connection.execute("CREATE TABLE t (rel_path TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [(photo.rel_path,) for photo in scan.photos()])
        back = {text for (text,) in connection.execute("SELECT rel_path FROM t")}
    assert back == {photo.rel_path for photo in scan.photos()}
    before = scan.written()
    scan.run()
    assert scan.written() == before


def test_lines_are_sorted_by_path(scan, jpegs):
    for place, data in zip(("b/a.jpg", "b.a.jpg", "ä.jpg", "Z.jpg", "b-1/x.jpg"), jpegs, strict=False):
        put_file(scan.root / place, data)
    scan.run()
    places = [photo.rel_path.encode() for photo in scan.photos()]
    assert places == sorted(places)


def test_a_rescan_reads_only_what_changed(scan, jpegs, opened_files):
    for number, data in enumerate(jpegs[:4]):
        put_file(scan.root / f"sub/{number}.jpg", data)
    put_file(scan.root / "sub/cut.jpg", jpegs[0][:-60])
    scan.run()
    before = scan.written()
    opened_files.clear()
    scan.run()
    assert (opened_files.under(f"{scan.root}/sub"), scan.written()) == ([], before)
    put_file(scan.root / "sub/2.jpg", jpegs[5])
    put_file(scan.root / "sub/new.jpg", jpegs[4])
    (scan.root / "sub/0.jpg").unlink()
    opened_files.clear()
    scan.run()
    assert sorted(os.path.basename(path) for path in opened_files.under(f"{scan.root}/sub")) == [
        "2.jpg",
        "new.jpg",
    ]
    assert [photo.rel_path for photo in scan.photos()] == [
        "sub/1.jpg",
        "sub/2.jpg",
        "sub/3.jpg",
        "sub/new.jpg",
    ]


@pytest.mark.parametrize("times", [(LONG_AGO_SECONDS, LONG_AGO_SECONDS), None])
def test_other_bytes_never_keep_the_old_id(scan, jpegs, times):
    path = scan.root / "a.jpg"
    put_file(path, jpegs[0])
    scan.run()
    (old,) = scan.photos()
    # The same size and, in the first case, the same modification time: only the change time tells.
    changed = bytearray(jpegs[0])
    changed[len(changed) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(changed)
    os.utime(path, times)
    scan.run()
    (new,) = scan.photos()
    assert new.image_id != old.image_id


def test_a_file_modified_just_now_is_read_again(scan, jpeg, opened_files):
    (scan.root / "a.jpg").write_bytes(jpeg)
    scan.run()
    opened_files.clear()
    scan.run()
    assert opened_files.under(str(scan.root)) == [f"{scan.root}/a.jpg"]


@pytest.mark.parametrize("name", ["manifest", "problems"])
@pytest.mark.parametrize("left", [None, b"", b'{"torn'])
def test_a_lost_or_edited_output_is_written_again_without_reading_photos(
    scan, jpegs, opened_files, name, left
):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "b.jpg", b"")
    scan.run()
    before = scan.written()
    getattr(scan, name).unlink()
    if left is not None:
        getattr(scan, name).write_bytes(left)
    opened_files.clear()
    scan.run()
    assert scan.written() == before
    assert opened_files.under(str(scan.root)) == []


def test_a_change_of_hash_extensions_or_folders_is_followed(scan, jpegs):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "b.jpeg", jpegs[1])
    put_file(scan.root / "old/c.jpg", jpegs[2])
    scan.run()
    scan.run(content_hash="xxh64")
    assert {len(photo.image_id) for photo in scan.photos()} == {16}
    scan.run(extensions=["jpeg"])
    assert [photo.rel_path for photo in scan.photos()] == ["b.jpeg"]
    scan.run(skip_names=["old"])
    assert [photo.rel_path for photo in scan.photos()] == ["a.jpg", "b.jpeg"]
    scan.run()
    assert len(scan.photos()) == 3


def test_without_a_store_the_result_is_the_same(scan, jpegs, tmp_path):
    for number, data in enumerate(jpegs):
        put_file(scan.root / f"{number}.jpg", data)
    scan.run()
    before = scan.written()
    scan.store = tmp_path / "another"
    scan.run()
    assert scan.written() == before


def test_a_missing_root_without_a_manifest_is_an_error(scan):
    with pytest.raises(LibraryError, match=r"library\.root .*nowhere does not exist"):
        scan.run(root=f"{scan.root}/nowhere")
    assert not scan.manifest.exists()


def test_a_missing_root_keeps_its_manifest_and_warns(scan, jpeg, caplog):
    put_file(scan.root / "a.jpg", jpeg)
    scan.run()
    before = scan.written()
    scan.root.rename(scan.root.parent / "unmounted")
    scan.run()
    assert scan.written() == before
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "does not exist" in caplog.text


def test_a_missing_root_keeps_a_manifest_that_came_from_elsewhere(scan, jpeg, tmp_path):
    put_file(scan.root / "a.jpg", jpeg)
    scan.run()
    before = scan.written()
    scan.store = tmp_path / "store of a colleague who pulled the manifest"
    scan.root.rename(scan.root.parent / "unmounted")
    scan.run()
    assert scan.written() == before


def test_a_misspelt_root_is_not_taken_for_an_unmounted_one(scan, jpeg):
    put_file(scan.root / "a.jpg", jpeg)
    scan.run()
    before = scan.written()
    with pytest.raises(LibraryError, match="is of another library"):
        scan.run(root=f"{scan.root}2")
    assert scan.written() == before


def test_a_root_that_is_suddenly_empty_is_an_error(scan, jpeg):
    put_file(scan.root / "a.jpg", jpeg)
    scan.run()
    before = scan.written()
    (scan.root / "a.jpg").unlink()
    with pytest.raises(LibraryError, match=r"lists 1, and is left as it was"):
        scan.run()
    assert scan.written() == before


@pytest.mark.parametrize("data", [None, b"", b"junk"])
def test_a_root_without_a_photo_is_an_error(scan, data):
    if data is not None:
        put_file(scan.root / "a.jpg", data)
    with pytest.raises(LibraryError, match=r"no photos in library\.root"):
        scan.run()
    assert not scan.manifest.exists()


def test_a_root_that_is_a_file_is_an_error(scan, jpeg):
    put_file(scan.root / "a.jpg", jpeg)
    with pytest.raises(LibraryError, match="cannot be read as a folder"):
        scan.run(root=f"{scan.root}/a.jpg")


@contextmanager
def ordinary_user():
    """Root may read everything: be nobody for a while."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_scan(library):
    """A library in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "photos").mkdir()
        yield Scan(msgspec.structs.replace(library, root=str(folder / "photos")), folder)


def test_a_forbidden_file_is_a_problem(open_scan, jpegs):
    put_file(open_scan.root / "a.jpg", jpegs[0])
    put_file(open_scan.root / "b.jpg", jpegs[1])
    (open_scan.root / "b.jpg").chmod(0)
    with ordinary_user():
        open_scan.run()
    (problem,) = open_scan.read_problems()
    assert (problem.rel_path, problem.reason, problem.detail) == ("b.jpg", "unreadable", "Permission denied")


def test_a_forbidden_folder_is_a_problem_and_keeps_the_photos_that_are_listed(open_scan, jpegs, opened_files):
    put_file(open_scan.root / "a.jpg", jpegs[0])
    put_file(open_scan.root / "sub/b.jpg", jpegs[1])
    sub = open_scan.root / "sub"
    sub.chmod(0)
    with ordinary_user():
        open_scan.run()
    sub.chmod(0o755)
    assert [(p.rel_path, p.reason) for p in open_scan.read_problems()] == [("sub", "closed_folder")]
    with ordinary_user():
        open_scan.run()
    assert len(open_scan.photos()) == 2
    sub.chmod(0)
    put_file(open_scan.root / "new.jpg", jpegs[2])
    with ordinary_user():
        open_scan.run()
        open_scan.run()
    sub.chmod(0o755)
    assert [photo.rel_path for photo in open_scan.photos()] == ["a.jpg", "new.jpg", "sub/b.jpg"]
    assert [(p.rel_path, p.reason) for p in open_scan.read_problems()] == [("sub", "closed_folder")]
    opened_files.clear()
    open_scan.run()
    assert (len(open_scan.photos()), open_scan.read_problems()) == (3, [])
    assert opened_files.under(str(open_scan.root)) == []


@pytest.fixture
def break_reading(monkeypatch):
    """Make the system fail to read some files, as a dying or unplugged disk does."""

    def fail_for(number, broken_inodes):
        read = os.readv

        def readv(file, buffers):
            if os.fstat(file).st_ino in broken_inodes:
                raise OSError(number, os.strerror(number))
            return read(file, buffers)

        monkeypatch.setattr(os, "readv", readv)

    return fail_for


def test_a_bad_place_of_the_disk_is_a_problem(scan, jpegs, break_reading):
    for number, data in enumerate(jpegs):
        put_file(scan.root / f"{number}.jpg", data)
    break_reading(errno.EIO, {(scan.root / "3.jpg").stat().st_ino})
    scan.run()
    (problem,) = scan.read_problems()
    assert (problem.rel_path, problem.reason, problem.detail) == ("3.jpg", "unreadable", "Input/output error")
    assert len(scan.photos()) == 5


@pytest.mark.parametrize(("number", "count"), [(errno.EIO, 20), (errno.ENODEV, 1), (errno.ESTALE, 1)])
def test_a_disk_that_goes_away_stops_the_scan_and_nothing_is_written(
    scan, jpegs, break_reading, number, count
):
    put_file(scan.root / "a.jpg", jpegs[0])
    scan.run()
    before = scan.written()
    for index in range(count):
        put_file(scan.root / f"new/{index:02d}.jpg", jpegs[1] + bytes([index]))
    put_file(scan.root / "good.jpg", jpegs[2])
    break_reading(number, {path.stat().st_ino for path in (scan.root / "new").iterdir()})
    with pytest.raises(LibraryError, match=r"failed at new/"):
        scan.run()
    assert scan.written() == before


def test_what_a_stopped_scan_had_read_is_not_read_again(
    scan, jpegs, break_reading, opened_files, monkeypatch
):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "b.jpg", jpegs[1])
    break_reading(errno.ENODEV, {(scan.root / "b.jpg").stat().st_ino})
    with pytest.raises(LibraryError):
        scan.run()
    monkeypatch.undo()
    opened_files.clear()
    scan.run()
    assert opened_files.under(str(scan.root)) == [f"{scan.root}/b.jpg"]


def test_losing_most_photos_is_warned_about(scan, jpegs, caplog):
    for number, data in enumerate(jpegs):
        put_file(scan.root / f"{number}.jpg", data)
    scan.run()
    for number in range(4):
        (scan.root / f"{number}.jpg").unlink()
    scan.run()
    assert "0 photos are new and 4 are gone" in caplog.text


def test_pictures_are_only_added_to_and_a_lost_list_is_written_again(scan, jpegs, caplog):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "b.jpg", jpegs[1])
    scan.run()
    pictures = scan.manifest.with_name("pictures.jsonl")
    first = pictures.read_bytes()
    assert first.count(b"\n") == 2
    put_file(scan.root / "a.jpg", jpegs[0][:2] + b"\xff\xfe\0\x06five" + jpegs[0][2:])
    (scan.root / "b.jpg").unlink()
    with caplog.at_level(logging.INFO):
        scan.run()
    assert "1 new photo is a picture known from another file" in caplog.text
    second = pictures.read_bytes()
    assert second.startswith(first)
    assert second.count(b"\n") == 3
    (now,) = scan.photos()
    earlier = read_pictures(scan.manifest).find_earlier_ids([now.image_id])[now.image_id]
    assert earlier == [xxhash.xxh3_128_hexdigest(jpegs[0])]
    pictures.write_bytes(first)  # git went back to an earlier commit
    scan.run()
    assert pictures.read_bytes() == second
