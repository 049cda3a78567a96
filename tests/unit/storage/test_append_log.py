import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vibe_photos.errors import StoreError
from vibe_photos.storage.append_log import AppendLog, read_lines

HOLD = """
import sys
from pathlib import Path
from vibe_photos.storage.append_log import AppendLog
log = AppendLog(Path(sys.argv[1]))
log.append(b"from the other process")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store" / "log.jsonl"


def lines_of(path: Path) -> list[bytes]:
    return [line for _, line in read_lines(path)]


def test_lines_are_read_back_at_their_offsets(path: Path) -> None:
    long_line = b"x" * 10_000
    with AppendLog(path) as log:
        offsets = [log.append(line) for line in (b"one", b"", long_line)]
        log.sync()
        assert [log.read_line(offset) for offset in offsets] == [b"one", b"", long_line]
    with AppendLog(path) as log:
        assert list(read_lines(path)) == list(zip(offsets, [b"one", b"", long_line], strict=True))


def test_a_line_end_inside_a_line_is_refused(path: Path) -> None:
    with AppendLog(path) as log, pytest.raises(ValueError, match="line end"):
        log.append(b"a\nb")


def test_cut_at_every_byte_of_the_last_line_loses_only_that_line(path: Path) -> None:
    with AppendLog(path) as log:
        log.append(b"kept")
        log.append(b"the last record")
    whole = path.read_bytes()
    torn = path.with_name("log.jsonl.torn")
    for length in range(len(b"kept\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        torn.unlink(missing_ok=True)
        with AppendLog(path) as log:
            assert lines_of(path) == [b"kept"]
            assert log.read_line(log.append(b"again")) == b"again"
        assert lines_of(path) == [b"kept", b"again"]
        assert torn.read_bytes() == whole[len(b"kept\n") : length] + b"\n"


def test_a_log_of_one_torn_line_becomes_empty(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"x" * 200_000)  # longer than what is read at once, going backwards
    with AppendLog(path):
        assert list(read_lines(path)) == []
        assert path.read_bytes() == b""
    assert path.with_name("log.jsonl.torn").read_bytes().strip() == b"x" * 200_000


def test_a_second_writer_is_refused_and_a_killed_one_leaves_no_lock(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="held by another run"):
            AppendLog(path)
        holder.kill()
        holder.wait()
        with AppendLog(path):
            assert lines_of(path) == [b"from the other process"]


def test_a_log_without_a_line_leaves_no_file(path: Path) -> None:
    for _ in range(2):
        with AppendLog(path):
            assert path.exists()
        assert not path.exists()


def test_a_file_that_took_the_place_of_an_empty_log_stays(path: Path) -> None:
    with AppendLog(path):
        pulled = path.with_suffix(".new")
        pulled.write_bytes(b"")
        pulled.replace(path)
    assert path.exists()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO], ids=["ENOSPC", "EIO"])
@pytest.mark.parametrize("allowed_bytes", range(0, 20))
def test_a_disk_that_fills_up_or_fails_leaves_whole_lines(
    path: Path, allowed_bytes: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own write, which takes what still fits and then fails, as on a full or broken disk."""
    with AppendLog(path) as log:
        log.append(b"paid")
        log.sync()
        room = allowed_bytes

        def write(descriptor: int, data: bytes) -> int:
            nonlocal room
            if room == 0:
                raise OSError(code, os.strerror(code))
            written = original(descriptor, data[:room])
            room -= written
            return written

        original = os.write
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(StoreError, match=os.strerror(code)):
            log.append(b"a line of twenty bytes")
        with pytest.raises(StoreError, match="cannot be written"):
            log.append(b"x")
        monkeypatch.undo()
    assert path.read_bytes() == b"paid\n"


def test_after_a_failed_fsync_nothing_more_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with AppendLog(path) as log:
        log.append(b"unsynced")

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(StoreError, match="Input/output error"):
            log.sync()
        monkeypatch.undo()
        with pytest.raises(StoreError, match="cannot be written"):
            log.sync()
        with pytest.raises(StoreError, match="cannot be written"):
            log.append(b"x")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="cannot be opened"):
        AppendLog(tmp_path / "store" / "log.jsonl")
