"""What is written survives a power cut: bytes are on the disk before their name is, and then the name too."""

import os

import pytest

from vibe_photos.storage.append_log import AppendLog
from vibe_photos.storage.files import replace_folder, write_bytes


@pytest.fixture
def steps(monkeypatch, tmp_path):
    """What the system is asked, in order: fsync of a file or folder, and renaming."""
    steps = []
    fsync, replace, rename = os.fsync, os.replace, os.rename

    def place(path):
        return os.path.relpath(path, tmp_path)

    def noted_fsync(descriptor):
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        steps.append(("fsync", place(path), None if os.path.isdir(path) else os.stat(path).st_size))
        fsync(descriptor)

    def noted_replace(source, target):
        steps.append(("name", place(source), place(target)))
        replace(source, target)

    def noted_rename(source, target):
        steps.append(("name", place(source), place(target)))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    monkeypatch.setattr(os, "rename", noted_rename)
    return steps


def test_a_file_is_on_the_disk_before_it_is_named_and_its_folder_after(steps, tmp_path):
    write_bytes(tmp_path / "out" / "a.json", b"x" * 3_000_000)
    temporary = f"out/.46d81660.{os.getpid()}.tmp"
    assert steps == [
        ("fsync", temporary, 3_000_000),
        ("name", temporary, "out/a.json"),
        ("fsync", "out", None),
    ]


def test_a_folder_is_on_the_disk_before_it_is_named_and_the_one_above_after(steps, tmp_path):
    replace_folder(tmp_path / "bundle", {"a": b"1"})
    temporary = f".bundle.{os.getpid()}.tmp"
    assert steps == [
        ("fsync", f"{temporary}/.e8b7be43.{os.getpid()}.tmp", 1),
        ("name", f"{temporary}/.e8b7be43.{os.getpid()}.tmp", f"{temporary}/a"),
        ("fsync", temporary, None),
        ("name", temporary, "bundle"),
        ("fsync", ".", None),
    ]
    replace_folder(tmp_path / "bundle", {"a": b"2", "b": b"3"})
    assert steps[-3:] == [
        ("name", "bundle", f".bundle.{os.getpid()}.old"),
        ("name", temporary, "bundle"),
        ("fsync", ".", None),
    ]


def test_a_logs_lines_and_its_name_are_on_the_disk_after_sync(steps, tmp_path):
    with AppendLog(tmp_path / "store" / "log") as log:
        assert steps == [("fsync", "store", None)]
        log.append(b"paid")
        log.sync()
    assert steps[1:] == [("fsync", "store/log", 5)]


def test_half_a_line_is_safe_elsewhere_before_it_is_cut_off(steps, tmp_path):
    (tmp_path / "log").write_bytes(b"whole\nhal")
    with AppendLog(tmp_path / "log"):
        pass
    assert steps == [
        ("fsync", ".", None),
        ("fsync", "log.torn", 4),
        ("fsync", ".", None),
        ("fsync", "log", 6),
    ]
