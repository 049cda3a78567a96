"""No acknowledged decision is lost: git replaces files, the disk fills up, a log is damaged."""

import errno
import os
import shutil
import threading
import time
from pathlib import Path

import msgspec
import pytest
from tests.unit.review.decided import FOOD, OTHER, PEOPLE, decide, read_log, scene_of

from vibe_photos.errors import InputError, StoreError
from vibe_photos.human_truth.backup import find_lost, restore_lost
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.append_log import AppendLog


def test_no_decision_is_lost_while_git_replaces_the_log(
    tmp_path: Path, taxonomy: Taxonomy, ada: DecisionLog
) -> None:
    """Another thread puts an old copy of the log in its place, as a checkout does, again and again."""
    decide(ada, "first", FOOD)
    log = tmp_path / "decisions" / "ada.jsonl"
    old = log.read_bytes()
    is_over = threading.Event()

    def replace() -> None:
        number = 0
        while not is_over.is_set():
            number += 1
            other = tmp_path / f"checkout-{number}"
            other.write_bytes(old)
            os.replace(other, log)
            time.sleep(0.02)

    thread = threading.Thread(target=replace)
    thread.start()
    recorded = []
    try:
        for number in range(150):
            if not decide(ada, f"photo-{number}", PEOPLE):
                recorded.append(f"photo-{number}")
    finally:
        is_over.set()
        thread.join()
    assert len(recorded) == 150
    in_file = {line["image_id"] for line in read_log(tmp_path, "ada")}
    lost = {
        line.image_id
        for line in find_lost(tmp_path, tmp_path / ".store", Path("no splits.json")).get("ada", [])
    }
    assert in_file | lost == {"first", *recorded}
    ada.close()
    restore_lost(tmp_path, tmp_path / ".store", Path("no splits.json"))
    assert set(read_human_truth(tmp_path, {}).measured) == {"first", *recorded}


def test_a_line_that_another_reviewer_adds_while_we_write_is_seen(tmp_path: Path, ada: DecisionLog) -> None:
    """The line arrives between our last look at the files and the end of our write."""
    decide(ada, "a", FOOD)
    line = Decision(image_id="b", decided_at="2026-01-02T10:00:00.000000Z", after={"scene": [OTHER]})
    original = ada._append_to

    def append_and_let_bob_in(log: AppendLog, encoded: list[bytes]) -> AppendLog:
        (tmp_path / "decisions" / "bob.jsonl").write_bytes(msgspec.json.encode(line) + b"\n")
        return original(log, encoded)

    ada._append_to = append_and_let_bob_in  # type: ignore[method-assign,assignment]
    decide(ada, "c", FOOD)
    ada._append_to = original  # type: ignore[method-assign]
    assert scene_of(ada, "b") == OTHER


def test_after_a_full_disk_the_page_goes_on_without_a_restart(
    tmp_path: Path, ada: DecisionLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(ada, "a", FOOD)
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for _ in range(3):  # as a person tries again before there is room
        with pytest.raises(StoreError, match="No space left"):
            decide(ada, "b", FOOD)
    monkeypatch.setattr(os, "write", real)
    assert decide(ada, "b", PEOPLE) == []
    assert scene_of(ada, "b") == PEOPLE


def test_a_replaced_log_that_another_command_holds_is_opened_when_it_is_free(
    tmp_path: Path, ada: DecisionLog
) -> None:
    decide(ada, "a", FOOD)
    log = tmp_path / "decisions" / "ada.jsonl"
    shutil.copy(log, tmp_path / "checkout")
    os.replace(tmp_path / "checkout", log)
    with AppendLog(log):
        for _ in range(2):
            with pytest.raises(StoreError, match="is held by another run"):
                decide(ada, "b", FOOD)
    assert decide(ada, "b", PEOPLE) == []
    assert [line["image_id"] for line in read_log(tmp_path, "ada")] == ["a", "b"]


def test_a_copy_in_the_store_that_was_removed_begins_again(tmp_path: Path, ada: DecisionLog) -> None:
    decide(ada, "a", FOOD)
    (tmp_path / ".store" / "decisions" / "ada.jsonl").unlink()
    decide(ada, "b", FOOD)
    (tmp_path / "decisions" / "ada.jsonl").unlink()
    assert [
        line.image_id for line in find_lost(tmp_path, tmp_path / ".store", Path("no splits.json"))["ada"]
    ] == ["b"]


def test_a_log_that_is_damaged_while_the_page_is_open_needs_no_restart(
    tmp_path: Path, ada: DecisionLog
) -> None:
    decide(ada, "a", FOOD)
    log = tmp_path / "decisions" / "ada.jsonl"
    whole = log.read_bytes()
    log.write_bytes(b"<<<<<<< HEAD\n" + whole)
    with pytest.raises(InputError, match=r"ada\.jsonl, line 1: "):
        decide(ada, "b", FOOD)
    log.write_bytes(whole)
    assert decide(ada, "b", PEOPLE) == []
    assert [line["image_id"] for line in read_log(tmp_path, "ada")] == ["a", "b"]
