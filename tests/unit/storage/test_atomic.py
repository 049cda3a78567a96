import errno
import os

import pytest

from vibe_photos.errors import StoreError
from vibe_photos.storage import files
from vibe_photos.storage.files import open_atomically, replace_together, write_bytes, write_json


def write_half(path):
    with open_atomically(path) as file:
        file.write(b"half of the n")
        raise KeyboardInterrupt


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.json"
    write_bytes(path, b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("字" * 80 + ".JPG.xmp")
    write_bytes(path, b"new")
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_folders_are_made(tmp_path):
    write_bytes(tmp_path / "a" / "b", b"x")
    assert (tmp_path / "a" / "b").read_bytes() == b"x"


def test_json_keeps_the_order_of_keys_and_is_readable(tmp_path):
    write_json(tmp_path / "m.json", {"b": 1, "a": "ä"})
    assert (tmp_path / "m.json").read_text() == '{\n  "b": 1,\n  "a": "ä"\n}\n'


@pytest.mark.parametrize("full_at", [1, 2])
def test_a_full_disk_leaves_files_that_belong_together_as_they_were(tmp_path, monkeypatch, full_at):
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        write_bytes(path, b"old")
    calls = []

    def fill_disk(path):
        calls.append(path)
        if len(calls) == full_at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "fsync_path", fill_disk)
    with pytest.raises(StoreError, match=r"a and .*b cannot be written: the disk is full"):
        replace_both(paths)
    assert [path.read_bytes() for path in paths] == [b"old", b"old"]
    assert sorted(tmp_path.iterdir()) == paths
    monkeypatch.undo()
    replace_both(paths)
    assert [path.read_bytes() for path in paths] == [b"new", b"new"]


def replace_both(paths):
    with replace_together(*paths) as temporaries:
        for temporary in temporaries:
            write_bytes(temporary, b"new")
