import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from vibe_photos.errors import StoreError
from vibe_photos.storage.saved_work import open_saved_work


def test_results_come_back_in_the_order_asked_for(tmp_path: Path) -> None:
    ids = [f"{number:x}" for number in range(600)]
    with open_saved_work(tmp_path / "deep" / "work.sqlite") as saved:
        saved.add((image_id, image_id.encode()) for image_id in ids)
    asked = [*reversed(ids), "unknown", ids[0]]
    with open_saved_work(tmp_path / "deep" / "work.sqlite") as saved:
        assert list(saved.read(asked)) == [(i, i.encode()) for i in asked if i != "unknown"]
        assert saved.image_ids() == set(ids)


def test_what_is_saved_once_stays(tmp_path: Path) -> None:
    with open_saved_work(tmp_path / "work.sqlite") as saved:
        saved.add([("a", b"1")])
        saved.add([("a", b"2"), ("b", b"3")])
        assert list(saved.read("ab")) == [("a", b"1"), ("b", b"3")]


def test_a_batch_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def break_off() -> Iterator[tuple[str, bytes]]:
        yield "b", b"2"
        raise RuntimeError("power cut")

    with open_saved_work(tmp_path / "work.sqlite") as saved:
        saved.add([("a", b"1")])
        with pytest.raises(RuntimeError):
            saved.add(break_off())
        assert saved.image_ids() == {"a"}


def test_two_runs_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "work.sqlite"
    with open_saved_work(path) as one, open_saved_work(path) as other:
        one.add([("a", b"1")])
        other.add([("b", b"2")])
        assert one.image_ids() == other.image_ids() == {"a", "b"}


def test_a_damaged_file_is_named_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "work.sqlite"
    path.write_bytes(b"no database" * 100)
    with (
        pytest.raises(StoreError, match=r"work\.sqlite is damaged .*move the file away"),
        open_saved_work(path),
    ):
        pass


def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    path = tmp_path / "work.sqlite"
    with pytest.raises(StoreError, match=r"work\.sqlite: locked"), open_saved_work(path):
        raise sqlite3.OperationalError("locked")
