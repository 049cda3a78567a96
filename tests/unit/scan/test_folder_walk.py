import os

import pytest

from vibe_photos.scan.walk import match_extensions, match_names, walk_folders


def make_files(root, *paths):
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"x")


def walk(root, extensions=("jpg",), skip_names=(".*",)):
    return list(walk_folders(os.fsencode(root), extensions, skip_names))


def test_files_are_found_by_extension_in_any_case_and_the_others_counted(tmp_path):
    make_files(tmp_path, "a.jpg", "b.JPG", "c.Jpg", "d.txt", "e.jpg.part")
    (folder,) = walk(tmp_path)
    assert sorted(folder.files) == [b"a.jpg", b"b.JPG", b"c.Jpg"]
    assert folder.other_files == {"txt": 1, "part": 1}


def test_extensions_and_folders_are_patterns(tmp_path):
    tell_kind = match_extensions(["jp*", ".NEF", "tif?"])
    kinds = [tell_kind(b"x." + name) for name in (b"jpe", b"nef", b"tiff", b"tif", b"png")]
    assert kinds == ["photo", "photo", "photo", "cut", "other"]
    find = match_names([".*", "*humbnails"])
    found = [find(name) for name in (b".git", b"Thumbnails", b"THUMBNAILS", b"thumbnails2", b"\xff")]
    assert found == [".*", "*humbnails", "*humbnails", None, None]


def test_no_patterns_match_nothing():
    assert match_names([])(b"") is None
    assert match_extensions([])(b"a.jpg") == "other"


def test_skipped_folders_are_not_entered_but_counted(tmp_path):
    make_files(tmp_path, "a.jpg", ".trash/b.jpg", "sub/.cache/c.jpg")
    folders = walk(tmp_path)
    assert [folder.path for folder in folders] == [b"", b"sub"]
    assert [folder.skipped for folder in folders] == [{".*": 1}, {".*": 1}]


def test_loops_of_links_end_and_a_photo_keeps_its_real_path(tmp_path):
    make_files(tmp_path, "real/deep/a.jpg")
    (tmp_path / "real/deep/up").symlink_to(tmp_path)
    (tmp_path / "a_link").symlink_to(tmp_path / "real")
    (tmp_path / "itself").symlink_to(tmp_path / "itself")
    places = [os.path.join(folder.path, name) for folder in walk(tmp_path) for name in folder.files]
    assert places == [b"real/deep/a.jpg"]


def test_links_to_folders_outside_are_followed_once(tmp_path):
    make_files(tmp_path, "elsewhere/a.jpg", "root/b.jpg")
    for name in ("y", "x"):
        (tmp_path / "root" / name).symlink_to(tmp_path / "elsewhere")
    assert [folder.path for folder in walk(tmp_path / "root")] == [b"", b"x"]


def test_a_link_to_nowhere_is_a_file_of_which_nothing_is_known(tmp_path):
    (tmp_path / "a.jpg").symlink_to(tmp_path / "gone")
    (folder,) = walk(tmp_path)
    assert folder.files == {b"a.jpg": None}


def test_names_are_bytes(tmp_path):
    names = [b"a\xff.jpg", b"new\nline.jpg", b'quote".jpg', "ü.jpg".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    (folder,) = walk(tmp_path)
    assert sorted(folder.files) == sorted(names)


def test_a_folder_that_cannot_be_listed_says_why(tmp_path):
    (folder,) = walk(tmp_path / "missing")
    assert isinstance(folder.error, FileNotFoundError)


@pytest.mark.parametrize("names", [("b", "a", "c"), ("c", "b", "a")])
def test_the_order_depends_on_names_alone(tmp_path, names):
    for name in names:
        make_files(tmp_path, f"{name}/x.jpg")
    assert [folder.path for folder in walk(tmp_path)] == [b"", b"a", b"b", b"c"]
