"""Libraries as people have them: odd names, dates, folders and file systems. Sources are said beside them."""

import errno
import logging
import os
import tempfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from tests.conftest import REPOSITORY
from tests.unit.pictures import draw_picture, encode_picture, put_file
from tests.unit.scan.test_scan import Scan

from vibe_photos.configuration import read_resolved
from vibe_photos.pixels import formats
from vibe_photos.scan import files, left_out, walk
from vibe_photos.scan.files import FileStamp, take_stamp

DEFAULTS = read_resolved(REPOSITORY).library
FILM = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(2000)


@pytest.fixture
def scan(library, tmp_path):
    """A library with the extensions and names to skip that everyone has at first."""
    return Scan(msgspec.structs.replace(DEFAULTS, root=library.root), tmp_path)


@pytest.fixture
def jpegs():
    return [encode_picture(draw_picture(seed), "JPEG") for seed in range(8)]


def find(scan):
    """Scan; return the paths of the photos, and the reason of each problem by path."""
    scan.run()
    return [photo.rel_path for photo in scan.photos()], {p.rel_path: p.reason for p in scan.read_problems()}


def test_nas_folders_and_hidden_files_are_left_out_and_counted(scan, jpegs, caplog):
    """immich-app/immich#7980, #12566, MediaBrowser/Emby#3305, pulsejet/memories#1373, LibrePhotos#46."""
    put_file(scan.root / "a.jpg", jpegs[0])
    folders = (
        "#recycle @Recycle $RECYCLE.BIN $Recycle.Bin RECYCLER .stversions .Trash-1000 @eaDir .thumbnails "
        "THUMBNAILS @Recently-Snapshot #snapshot lost+found .sync @__thumb .@__thumb .AppleDouble __MACOSX"
    )
    for number, folder in enumerate(folders.split()):
        put_file(scan.root / folder / "x.jpg", jpegs[1] + bytes([number]))
    put_file(scan.root / "System Volume Information" / "x.jpg", jpegs[1])
    put_file(scan.root / "Lightroom Previews.lrdata" / "x.jpg", jpegs[1])
    for name in ("._a.jpg", ".trashed-1700000000-b.jpg", ".pending-1700000000-c.jpg"):
        put_file(scan.root / name, b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    with caplog.at_level(logging.INFO):
        assert find(scan) == (["a.jpg"], {})
    assert "9 .* (by library.skip_names)" in caplog.text
    assert "2 $RECYCLE.BIN (by library.skip_names)" in caplog.text


def test_names_that_takeout_cut_are_photos_if_they_contain_one(scan, jpegs, caplog):
    """simulot/immich-go#35, #634 and #106; TheLastGimbus/GooglePhotosTakeoutHelper#369."""
    names = ("Screenshot_2020_com.whatsapp.jp", "Screenshot_2020_com.whatsapp.", "2013-08-22", "IMG_1(1).JPG")
    for name, data in zip(names, jpegs, strict=False):
        put_file(scan.root / name, data)
    put_file(scan.root / "MVIMG_20180722_120942", FILM)
    put_file(scan.root / "README", b"hello")
    put_file(scan.root / "nothing.j", b"")
    (scan.root / "itself").symlink_to(scan.root / "itself")
    put_file(scan.root / "IMG_1.JPG(1).json", b"{}")
    put_file(scan.root / "c.jpg_large", jpegs[5])
    put_file(scan.root / "PXL_1.MP", FILM)
    with caplog.at_level(logging.INFO):
        assert find(scan) == (sorted(names), {})
    assert "1 .jpg_large (JPEG pictures: to take them in, add jpg_large to library.extensions)" in caplog.text
    for row in (
        "1 no ending (films)",
        "1 no ending (no pictures)",
        "1 .j (no pictures)",
        "1 .json",
        "1 .mp (films)",
    ):
        assert row in caplog.text
    assert "11 files = 4 photos + 0 further places of the same bytes + 0 problems + 7 left out" in caplog.text


def test_films_under_a_photos_name_are_no_problems_and_web_pages_are(scan, jpegs):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "live.heic", FILM.replace(b"mp42", b"qt  "))
    put_file(scan.root / "b.jpg", b"<html>404</html>")
    assert find(scan) == (["a.jpg"], {"b.jpg": "not_an_image"})


def test_formats_are_told_by_content(scan, pictures):
    names = {"canon.HIF": "HEIF", "edge.jfif": "JPEG", "stereo.mpo": "JPEG", "x.jpeg": "PNG", "y.png": "JPEG"}
    for number, (name, image_format) in enumerate(names.items()):
        put_file(scan.root / name, pictures[image_format] + bytes(number))
    assert find(scan) == (sorted(names), {})
    assert {photo.rel_path: photo.format for photo in scan.photos()} == names


def test_raw_beside_its_jpeg_is_one_photo_and_raw_alone_is_named(scan, jpegs, caplog):
    """simulot/immich-go#634: RAW and JPEG of one shot are a stack."""
    put_file(scan.root / "IMG_1.JPG", jpegs[0])
    for name in ("img_1.CR2", "IMG_2.NEF", "IMG_3.dng"):
        put_file(scan.root / name, b"II*\0" + bytes(99))
    with caplog.at_level(logging.INFO):
        assert find(scan) == (["IMG_1.JPG"], {})
    assert "1 .cr2 (RAW beside a photo of the same name, which counts)" in caplog.text
    assert "1 .nef (RAW is not supported: export JPEGs beside it)" in caplog.text


def test_without_its_plugin_jpeg_xl_says_what_to_install(scan, jpegs, caplog, monkeypatch):
    monkeypatch.setattr(left_out, "can_read_jxl", lambda: False)
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "b.jxl", b"\xff\x0a" + bytes(100))
    with caplog.at_level(logging.INFO):
        assert find(scan) == (["a.jpg"], {})
    assert f"1 .jxl ({formats.HOW_TO_READ_JXL})" in caplog.text


def test_the_decoder_decides_once_what_is_whole(scan, pictures, opened_files):
    photo = encode_picture(draw_picture(2, 800, 600), "JPEG")
    put_file(scan.root / "no trailer.gif", pictures["GIF"][:-1])
    put_file(scan.root / "text behind.heic", pictures["HEIF"] + b"MotionPhoto_Data and text")
    put_file(scan.root / "no end.jpg", photo[:-2])
    put_file(scan.root / "half.jpg", photo[: len(photo) // 2] + bytes(100_000))
    put_file(scan.root / "half.tif", pictures["TIFF"][:5000])
    expected = (
        ["no end.jpg", "no trailer.gif", "text behind.heic"],
        {"half.jpg": "truncated", "half.tif": "truncated"},
    )
    assert find(scan) == expected
    opened_files.clear()
    assert find(scan) == expected
    assert opened_files.under(str(scan.root)) == []


@pytest.fixture
def memory_root(scan):
    """A library on a file system that keeps every date, which ext4 does not."""
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no tmpfs")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as name:
        scan.settings = msgspec.structs.replace(
            scan.settings, library=msgspec.structs.replace(scan.settings.library, root=name)
        )
        scan.root = Path(name)
        yield Path(name)


DATES = {
    "1601, of NTFS": -11_644_473_600,
    "1904": -2_082_844_800,
    "1980, of FAT": 315_532_800,
    "2038": 1 << 31,
    "2099": 4_070_908_800,
    "33658": 999_999_999_999,
    "30828, of Windows": 910_692_730_085,
}


def test_a_photo_may_have_any_date_and_is_read_once(scan, memory_root, jpegs, opened_files):
    """TheLastGimbus/GooglePhotosTakeoutHelper#32, #136; jaimetur/PhotoMigrator#864; icloudpd#1045."""
    for number, (name, seconds) in enumerate(DATES.items()):
        path = memory_root / f"{name}.jpg"
        path.write_bytes(jpegs[number])
        os.utime(path, ns=(seconds * 10**9, seconds * 10**9))
    paths, problems = find(scan)
    assert (len(paths), problems) == (len(DATES), {})
    opened_files.clear()
    assert len(find(scan)[0]) == len(DATES)
    assert opened_files.under(str(memory_root)) == []


def make_status(seconds: int) -> SimpleNamespace:
    times = {"st_mtime_ns": seconds * 10**9, "st_ctime_ns": seconds * 10**9}
    return SimpleNamespace(st_size=10, st_ino=7, **times)


@pytest.mark.parametrize("seconds", [*DATES.values(), 10**12, -(10**12)])
def test_every_date_can_be_stored(seconds):
    stamp = take_stamp(make_status(seconds))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(stamp), type=FileStamp) == stamp


def test_a_change_within_the_two_seconds_that_fat_knows_is_seen(scan, jpegs, monkeypatch):
    """owncloud/client#3103, Infomaniak/desktop-kDrive#961. FAT has no change time, and inodes are made up."""

    def take_fat_stamp(status):
        mtime_ns = status.st_mtime_ns // 2_000_000_000 * 2_000_000_000
        return FileStamp(status.st_size, mtime_ns, mtime_ns, 0)

    monkeypatch.setattr(files, "take_stamp", take_fat_stamp)
    monkeypatch.setattr(walk, "take_stamp", take_fat_stamp)
    path = scan.root / "a.jpg"
    path.write_bytes(jpegs[0] + bytes(99))
    find(scan)
    (before,) = scan.photos()
    modified_ns = path.stat().st_mtime_ns
    path.write_bytes((jpegs[1] + bytes(5000))[: len(jpegs[0]) + 99])
    os.utime(path, ns=(modified_ns, modified_ns))
    find(scan)
    assert scan.photos()[0].image_id != before.image_id


def test_names_that_differ_only_in_case_are_two_photos(scan, jpegs):
    """Copied from a case-sensitive disk; on NTFS and exFAT only one of them can exist."""
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "A.JPG", jpegs[1])
    put_file(scan.root / "Holiday" / "b.jpg", jpegs[2])
    put_file(scan.root / "holiday" / "b.jpg", jpegs[3])
    assert find(scan) == (["A.JPG", "Holiday/b.jpg", "a.jpg", "holiday/b.jpg"], {})


def test_a_path_that_is_too_long_stops_nothing(scan, jpegs):
    put_file(scan.root / "a.jpg", jpegs[0])
    deep = os.open(scan.root, os.O_RDONLY)
    for _ in range(45):
        os.mkdir("d" * 100, dir_fd=deep)
        deeper = os.open("d" * 100, os.O_RDONLY, dir_fd=deep)
        os.close(deep)
        deep = deeper
    os.close(deep)
    paths, problems = find(scan)
    assert paths == ["a.jpg"]
    assert list(problems.values()) == ["closed_folder"]
    assert "File name too long" in scan.read_problems()[0].detail


def test_a_bad_folder_of_the_disk_keeps_what_is_known_of_it(scan, jpegs, monkeypatch):
    put_file(scan.root / "a.jpg", jpegs[0])
    put_file(scan.root / "bad" / "deep" / "b.jpg", jpegs[1])
    find(scan)
    list_folder = os.scandir

    def fail(path):
        if os.fsencode(path).endswith(b"/bad"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", fail)
    assert find(scan) == (["a.jpg", "bad/deep/b.jpg"], {"bad": "closed_folder"})


def test_a_tree_that_changes_while_it_is_scanned(scan, jpegs, monkeypatch):
    """A folder is deleted and one made after their parent was listed; a file goes before it is read."""
    for name, data in zip(("a.jpg", "gone/b.jpg", "kept/c.jpg", "kept/d.jpg"), jpegs, strict=False):
        put_file(scan.root / name, data)
    list_folder, inspect = walk._list_folder, files._inspect_open_file

    def list_and_change(root, path, *rest):
        folder = list_folder(root, path, *rest)
        if not path:
            (scan.root / "gone").rename(scan.root.parent / "gone")
            put_file(scan.root / "new" / "e.jpg", jpegs[5])
        if path == b"kept":
            (scan.root / "kept" / "d.jpg").unlink()
        return folder

    def inspect_and_write(file, path, *rest):
        finding = inspect(file, path, *rest)
        if path.endswith(b"c.jpg") and os.stat(path).st_size == len(jpegs[2]):
            put_file(path, jpegs[2] + b"more")
        return finding

    monkeypatch.setattr(walk, "_list_folder", list_and_change)
    monkeypatch.setattr(files, "_inspect_open_file", inspect_and_write)
    assert find(scan) == (["a.jpg", "kept/c.jpg"], {"kept/d.jpg": "missing"})
    assert scan.photos()[1].bytes == len(jpegs[2]) + 4
    monkeypatch.undo()
    assert find(scan) == (["a.jpg", "kept/c.jpg", "new/e.jpg"], {})


class FakeEntry:
    """A file of a folder that need not exist."""

    status = make_status(0)

    def __init__(self, number: int) -> None:
        self.name = b"IMG_%06d.%s" % (number, b"JPG" if number % 3 else b"json")

    def is_dir(self) -> bool:
        return False

    def is_symlink(self) -> bool:
        return False

    def stat(self) -> SimpleNamespace:
        return self.status


def test_a_folder_of_300_000_files(tmp_path, monkeypatch):
    class Entries:
        def __enter__(self):
            return (FakeEntry(number) for number in range(300_000))

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(os, "scandir", lambda path: Entries())
    (folder,) = walk.walk_folders(os.fsencode(tmp_path), DEFAULTS.extensions, DEFAULTS.skip_names)
    assert (len(folder.files), folder.other_files) == (200_000, Counter(json=100_000))
    assert folder.examples == {"json": b"IMG_000000.json"}
