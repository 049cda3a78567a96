import logging
import subprocess
from pathlib import Path

import msgspec
import pytest

from vibe_photos.errors import StoreError
from vibe_photos.human_truth.backup import backup_log, find_lost, find_untracked, restore_lost, warn_of_lost
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.records.splits import Membership
from vibe_photos.storage.append_log import AppendLog


def line(image_id, second, scene="scene.food"):
    return Decision(image_id=image_id, decided_at=f"2026-01-02T10:00:{second:02}Z", after={"scene": [scene]})


def write(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(msgspec.json.encode(one) + b"\n" for one in lines))


@pytest.fixture
def places(tmp_path):
    return tmp_path / "human", tmp_path / "store"


def test_what_the_files_lack_is_named_and_brought_back(places, caplog):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1), line("b", 2))
    write(human / "decisions" / "ada.jsonl", line("a", 1))
    assert {
        reviewer: [one.image_id for one in lost]
        for reviewer, lost in find_lost(human, store, Path("no splits.json")).items()
    } == {"ada": ["b"]}
    with caplog.at_level(logging.WARNING):
        warn_of_lost(human, store, Path("no splits.json"))
    assert "1 decisions of ada" in caplog.text
    assert "vibe-photos restore-decisions" in caplog.text
    assert restore_lost(human, store, Path("no splits.json")) == {"ada": 1}
    assert set(read_human_truth(human, {}).measured) == {"a", "b"}
    assert restore_lost(human, store, Path("no splits.json")) == {}


def test_a_whole_log_that_is_gone_comes_back(places):
    human, store = places
    write(backup_log(store, "bob"), line("a", 1), line("b", 2))
    assert restore_lost(human, store, Path("no splits.json")) == {"bob": 2}
    assert set(read_human_truth(human, {}).measured) == {"a", "b"}


def test_a_log_that_a_page_holds_is_left_alone_and_says_how_to_go_on(places):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1))
    log = human / "decisions" / "ada.jsonl"
    with AppendLog(log), pytest.raises(StoreError, match=r"end it with Ctrl-C, then run vibe-photos restore"):
        restore_lost(human, store, Path("no splits.json"))
    assert not log.exists()  # an empty log leaves no file
    assert restore_lost(human, store, Path("no splits.json")) == {"ada": 1}


def test_what_the_reviewer_said_again_later_is_not_lost(places):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1), line("a", 3, "scene.people"))
    write(human / "decisions" / "ada.jsonl", line("a", 3, "scene.people"))
    assert find_lost(human, store, Path("no splits.json")) == {}


def test_what_was_said_again_under_the_photos_new_id_is_not_lost(places, tmp_path):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1), line("b", 2), line("rated", 3))
    write(human / "decisions" / "ada.jsonl", line("rated", 3))
    splits = tmp_path / "splits.json"
    rated = Membership(group="a", fold=0, role="train", number=0.5, earlier_ids=["a"])
    splits.write_bytes(msgspec.json.encode({"rated": rated}))
    assert find_lost(human, store, splits) == {"ada": [line("b", 2)]}
    assert restore_lost(human, store, splits) == {"ada": 1}


def test_a_later_remark_or_a_decision_taken_back_does_not_hide_a_lost_decision(places):
    human, store = places
    remark = Decision(image_id="a", decided_at=line("a", 5).decided_at, kind="remark")
    undone = line("b", 3)
    undo = Decision(image_id="b", decided_at=line("b", 4).decided_at, undoes=undone.decided_at)
    write(backup_log(store, "ada"), line("a", 1), line("b", 2), undone, undo, remark)
    write(human / "decisions" / "ada.jsonl", undone, undo, remark)
    assert find_lost(human, store, Path("no splits.json")) == {"ada": [line("a", 1), line("b", 2)]}


def test_a_note_is_lost_although_the_photo_was_decided_again(places):
    human, store = places
    noted = msgspec.structs.replace(line("a", 1), note="ask grandma")
    write(backup_log(store, "ada"), noted, line("a", 2))
    write(human / "decisions" / "ada.jsonl", line("a", 2))
    assert find_lost(human, store, Path("no splits.json")) == {"ada": [noted]}


def test_what_a_lost_undo_gave_back_comes_back_with_it(places):
    human, store = places
    changed = line("a", 2, "scene.people")
    undo = Decision(image_id="a", decided_at=line("a", 3).decided_at, undoes=changed.decided_at)
    write(backup_log(store, "ada"), line("a", 1), changed, undo)
    write(human / "decisions" / "ada.jsonl", changed)
    assert restore_lost(human, store, Path("no splits.json")) == {"ada": 2}
    assert read_human_truth(human, {}).measured["a"].scene == ["scene.food"]


def test_half_a_line_in_the_store_stops_nothing(places):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1))
    with backup_log(store, "ada").open("ab") as file:
        file.write(b'{"image_id": "b", "deci')
    assert restore_lost(human, store, Path("no splits.json")) == {"ada": 1}


def test_a_copy_of_the_workspace_that_lacks_a_log_names_git(places, tmp_path, monkeypatch, caplog):
    _, store = places
    here, copy = Path("human"), tmp_path / "copy"
    write(backup_log(store, "ada"), line("a", 1))
    write(tmp_path / "human" / "decisions" / "ada.jsonl", line("a", 1))
    copy.mkdir()
    monkeypatch.chdir(copy)
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    warn_of_lost(here, store, Path("no splits.json"))
    assert "git add human, then run the experiment again" in caplog.text
    assert "restore-decisions" not in caplog.text


def test_decisions_about_photos_of_another_library_are_said_to_be_another_projects(places, tmp_path, caplog):
    human, store = places
    write(backup_log(store, "ada"), line("a", 1), line("b", 2))
    splits = tmp_path / "splits.json"
    for own, advice in (("c", "another project seems to use the same store"), ("b", "restore-decisions")):
        member = Membership(group=own, fold=0, role="train", number=0.5)
        splits.write_bytes(msgspec.json.encode({own: member}))
        caplog.clear()
        warn_of_lost(human, store, splits)
        assert advice in caplog.text


def test_files_that_git_does_not_have_are_found(places):
    human, _ = places
    write(human / "decisions" / "ada.jsonl", line("a", 1))
    assert find_untracked(human) == []  # no repository: nothing can be said
    subprocess.run(["git", "init", "--quiet", human.parent], check=True)
    assert find_untracked(human) == [human / "decisions" / "ada.jsonl"]
    subprocess.run(["git", "-C", human, "add", "--all"], check=True)
    assert find_untracked(human) == []
