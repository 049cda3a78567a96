import errno
import json
import os
import shutil
import subprocess
import threading
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.review.decided import FOOD, OTHER, PEOPLE, decide, read_log, scene_of, write_file

from vibe_photos.errors import InputError, StoreError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.settings import Taxonomy


def test_a_decision_is_in_the_log_with_what_was_before(ada: DecisionLog, tmp_path: Path) -> None:
    write_file(tmp_path, a=FOOD)
    decide(ada, "a", PEOPLE, note="two of them", is_flagged=True, seen=["teacher"])
    (line,) = read_log(tmp_path, "ada")
    decided_at = str(line.pop("decided_at"))
    assert decided_at == datetime.fromisoformat(decided_at).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert line == {
        "image_id": "a",
        "before": {"scene": [FOOD], "attributes": {}, "objects": None},
        "after": {"scene": [PEOPLE], "attributes": {}, "objects": []},
        "is_flagged": True,
        "note": "two of them",
        "seen": ["teacher"],
    }


def test_what_another_knew_less_of_is_not_written(ada: DecisionLog, tmp_path: Path) -> None:
    """A second tab."""
    lines = [Decision(image_id=i, decided_at="", after={"scene": [FOOD]}) for i in ("a", "b")]
    assert ada.record(lines, [0, 0]) == []
    assert ada.record(lines, [0, 1]) == ["a"]
    assert [line["image_id"] for line in read_log(tmp_path, "ada")] == ["a", "b", "b"]
    assert (ada.state("a").version, ada.state("b").version) == (1, 2)


def test_undo_walks_back_through_sittings_to_the_edited_file(tmp_path: Path, taxonomy: Taxonomy) -> None:
    write_file(tmp_path, a=OTHER)
    for image_id, scene in (("a", FOOD), ("b", FOOD), ("a", PEOPLE)):
        book = DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
        decide(book, image_id, scene)
        book.close()
    book = DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
    seen = []
    while undone := book.undo():
        seen.append((undone[0].image_id, scene_of(book, "a"), scene_of(book, "b")))
    book.close()
    assert seen == [("a", FOOD, FOOD), ("b", FOOD, None), ("a", OTHER, None)]
    assert len(read_log(tmp_path, "ada")) == 6
    assert [
        (record.image_id, record.scene) for record in [*read_human_truth(tmp_path, {}).everything.values()]
    ] == [("a", [OTHER])]


def test_undo_takes_back_ones_own_and_leaves_the_others(ada: DecisionLog, bob: DecisionLog) -> None:
    decide(ada, "a", FOOD)
    decide(bob, "a", PEOPLE)
    assert scene_of(ada, "a") == PEOPLE
    ada.undo()
    assert scene_of(ada, "a") == PEOPLE
    bob.undo()
    assert scene_of(bob, "a") is None
    assert bob.undo() == []


def test_a_skipped_photo_waits_until_it_is_decided_or_the_skip_undone(ada: DecisionLog) -> None:
    decide(ada, "a", None, kind="skip", note="who is this?")
    assert ada.state("a").skipped_at
    decide(ada, "a", None, kind="remark", is_flagged=True)
    assert ada.state("a").skipped_at
    assert ada.state("a").is_flagged
    decide(ada, "a", FOOD)
    assert ada.state("a").skipped_at is None
    ada.undo()
    assert ada.state("a").skipped_at
    ada.undo()
    ada.undo()
    assert ada.state("a").skipped_at is None
    assert ada.state("a").version == 6


def test_disagreement_until_one_gives_in_or_settles_it(ada: DecisionLog, bob: DecisionLog) -> None:
    decide(ada, "a", FOOD)
    decide(bob, "a", PEOPLE)
    ada.refresh()
    assert [(o.reviewer, o.truth.scene) for o in ada.state("a").conflicting_decisions] == [
        ("ada", [FOOD]),
        ("bob", [PEOPLE]),
    ]
    decide(bob, "a", FOOD)
    assert bob.state("a").conflicting_decisions == ()
    decide(bob, "a", PEOPLE)
    assert len(bob.state("a").conflicting_decisions) == 2
    decide(ada, "a", OTHER, seen=["teacher", "reviewers"])
    assert ada.state("a").conflicting_decisions == ()
    assert scene_of(bob, "a") == OTHER


def test_an_attribute_that_one_did_not_judge_is_no_disagreement(ada: DecisionLog, bob: DecisionLog) -> None:
    for book, attributes in ((ada, {}), (bob, {"attr.has_text": True})):
        after = {"scene": [FOOD], "attributes": attributes, "objects": []}
        book.refresh()
        version = book.state("a").version
        book.record([Decision(image_id="a", decided_at="", after=after)], [version])
    assert bob.state("a").conflicting_decisions == ()


def test_a_later_decision_is_later_whatever_the_clocks_say(ada: DecisionLog, tmp_path: Path) -> None:
    """A colleague's clock that runs years ahead: who decided after seeing it still has the last word."""
    line = {"image_id": "a", "decided_at": "2099-01-01T00:00:00.000000Z", "after": {"scene": [FOOD]}}
    (tmp_path / "decisions" / "bob.jsonl").write_text(json.dumps(line) + "\n")
    assert scene_of(ada, "a") == FOOD
    decide(ada, "a", PEOPLE)
    assert scene_of(ada, "a") == PEOPLE
    assert [record.scene for record in [*read_human_truth(tmp_path, {}).everything.values()]] == [[PEOPLE]]


def test_a_log_that_git_replaced_is_written_on(ada: DecisionLog, tmp_path: Path) -> None:
    decide(ada, "a", FOOD)
    log = tmp_path / "decisions" / "ada.jsonl"
    pulled = {"image_id": "b", "decided_at": "2026-01-01T00:00:00.000000Z", "after": {"scene": [PEOPLE]}}
    replacement = log.with_suffix(".new")
    replacement.write_text(log.read_text() + json.dumps(pulled) + "\n")
    os.replace(replacement, log)
    decide(ada, "c", OTHER)
    assert sorted(str(line["image_id"]) for line in read_log(tmp_path, "ada")) == ["a", "b", "c"]
    assert scene_of(ada, "b") == PEOPLE


def test_one_reviewers_work_on_two_machines_merges_in_git(
    tmp_path: Path, repository: Path, taxonomy: Taxonomy
) -> None:
    def git(where: Path, *arguments: str) -> None:
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
        subprocess.run(["git", *identity, *arguments], cwd=where, check=True, capture_output=True)

    def sit(where: Path, *acts: tuple[str, str | None]) -> None:
        book = DecisionLog(where / "data" / "human", "ada", taxonomy, where / ".store")
        for image_id, scene in acts:
            if scene is None:
                book.undo()
            else:
                decide(book, image_id, scene)
        book.close()
        git(where, "add", "data", ".gitattributes")
        git(where, "commit", "--message=audit")

    desktop, laptop = tmp_path / "desktop", tmp_path / "laptop"
    desktop.mkdir()
    git(desktop, "init", "--initial-branch=main")
    shutil.copy(repository / ".gitattributes", desktop)
    sit(desktop, ("a", FOOD))
    git(tmp_path, "clone", str(desktop), str(laptop))
    sit(desktop, ("b", FOOD), ("c", FOOD), ("c", None))
    sit(laptop, ("b", PEOPLE), ("d", PEOPLE), ("d", None))
    git(desktop, "pull", "--no-rebase", "--no-edit", str(laptop), "main")
    book = DecisionLog(desktop / "data" / "human", "ada", taxonomy, desktop / ".store")
    assert [scene_of(book, image_id) for image_id in "abcd"] == [FOOD, PEOPLE, None, None]
    undone = [book.undo() for _ in range(4)]
    assert [[line.image_id for line in action] for action in undone] == [["b"], ["b"], ["a"], []]
    book.close()


def test_a_log_that_was_removed_begins_again(ada: DecisionLog, tmp_path: Path) -> None:
    decide(ada, "a", FOOD)
    (tmp_path / "decisions" / "ada.jsonl").unlink()
    assert scene_of(ada, "a") is None
    decide(ada, "b", FOOD)
    assert [line["image_id"] for line in read_log(tmp_path, "ada")] == ["b"]


def test_a_file_that_breaks_while_the_page_is_open_changes_nothing(
    ada: DecisionLog, tmp_path: Path, taxonomy: Taxonomy
) -> None:
    write_file(tmp_path, a=FOOD)
    assert scene_of(ada, "a") == FOOD
    (tmp_path / "ground_truth_human.audited.json").write_text("<<<<<<< HEAD\n[]\n")
    with pytest.raises(InputError, match="neither JSON"):
        decide(ada, "b", FOOD)
    with pytest.raises(InputError, match="neither JSON"):
        ada.refresh()
    write_file(tmp_path, a=PEOPLE)
    assert scene_of(ada, "a") == PEOPLE
    assert ada.state("b").version == 0


def test_every_decision_and_undo_is_synced_before_it_is_told(
    ada: DecisionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    original = os.fsync

    def fsync(descriptor: int) -> None:
        original(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    log = tmp_path / "decisions" / "ada.jsonl"
    for act in (lambda: decide(ada, "a", FOOD), lambda: decide(ada, "a", None, kind="skip"), ada.undo):
        act()
        assert synced[-1] == log.stat().st_size


def test_what_a_full_disk_did_not_take_is_not_decided(
    ada: DecisionLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide(ada, "a", FOOD)

    def fail(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fail)
    with pytest.raises(StoreError, match="No space left"):
        decide(ada, "b", FOOD)
    with pytest.raises(StoreError, match="No space left"):
        ada.undo()
    monkeypatch.undo()
    assert (scene_of(ada, "a"), scene_of(ada, "b")) == (FOOD, None)
    assert [line["image_id"] for line in read_log(tmp_path, "ada")] == ["a"]


def test_a_log_has_one_server(ada: DecisionLog, tmp_path: Path, taxonomy: Taxonomy) -> None:
    with pytest.raises(StoreError, match="held by another"):
        DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"image_id": "a", "decided_at": "yesterday"}', "decided_at is 'yesterday'"),
        (
            '{"image_id": "a", "decided_at": "2026-01-01T00:00:00Z", "after": {"scene": ["scene.fod"]}}',
            "scene.food",
        ),
        ('{"image_id": 1}', "line 1"),
    ],
    ids=["time", "label", "id"],
)
def test_a_damaged_log_is_named_and_given_back(
    tmp_path: Path, taxonomy: Taxonomy, line: str, message: str
) -> None:
    log = tmp_path / "decisions" / "ada.jsonl"
    log.parent.mkdir()
    log.write_text(line + "\n")
    with pytest.raises(InputError, match=rf"ada\.jsonl.*{message}"):
        DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
    log.unlink()
    DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store").close()


def test_threads_that_decide_at_once_lose_and_double_nothing(ada: DecisionLog, tmp_path: Path) -> None:
    def sit(tab: int) -> None:
        for number in range(20):
            line = Decision(image_id=f"{tab}-{number}", decided_at="", after={"scene": [FOOD]})
            ada.record(
                [line, Decision(image_id="shared", decided_at="", after={"scene": [FOOD]})], [0, number]
            )

    tabs = [threading.Thread(target=sit, args=(tab,)) for tab in range(4)]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    written = [(line["image_id"], line["decided_at"]) for line in read_log(tmp_path, "ada")]
    assert len({image_id for image_id, _ in written} - {"shared"}) == 80
    times = [decided_at for _, decided_at in written]
    assert times == sorted(set(times), key=str)
    assert ada.state("shared").version == sum(image_id == "shared" for image_id, _ in written)


@given(
    acts=st.lists(
        st.tuples(
            st.sampled_from(["ada", "bob"]),
            st.sampled_from("ab"),
            st.sampled_from([FOOD, PEOPLE, None, "undo", "skip"]),
        ),
        max_size=12,
    )
)
def test_the_page_and_the_pipeline_derive_the_same_truth(
    acts: list[tuple[str, str, str | None]], taxonomy: Taxonomy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a model: each reviewer's acts are a stack; the last one of all that decides counts."""
    folder = tmp_path_factory.mktemp("human")
    write_file(folder, a=OTHER)
    stacks: dict[str, list[tuple[int, str, str | None]]] = {"ada": [], "bob": []}
    books = {reviewer: DecisionLog(folder, reviewer, taxonomy, folder / ".store") for reviewer in stacks}
    for moment, (reviewer, image_id, act) in enumerate(acts):
        if act == "undo":
            undone = books[reviewer].undo()
            assert bool(undone) == bool(stacks[reviewer])
            stacks[reviewer][-1:] = []
        else:
            kind = "skip" if act == "skip" else "decision"
            decide(books[reviewer], image_id, None if act == "skip" else act, kind=kind)
            stacks[reviewer].append((moment, image_id, act))
    expected = {"a": OTHER, "b": None}
    for _, image_id, act in sorted([*stacks["ada"], *stacks["bob"]]):
        expected[image_id] = expected[image_id] if act == "skip" else act
    for book in books.values():
        assert {image_id: scene_of(book, image_id) for image_id in "ab"} == expected
        book.close()
    derived = {
        record.image_id: record.scene[0] for record in [*read_human_truth(folder, {}).everything.values()]
    }
    assert derived == {image_id: scene for image_id, scene in expected.items() if scene}


def write_decisions(folder: Path, reviewer: str, *scenes: str) -> None:
    lines = [
        {"image_id": "a", "decided_at": f"2026-01-02T10:00:0{second}.000000Z", "after": {"scene": [scene]}}
        for second, scene in enumerate(scenes)
    ]
    path = folder / "decisions" / f"{reviewer}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_line_that_does_not_count_may_have_a_key_that_is_gone(tmp_path: Path, taxonomy: Taxonomy) -> None:
    write_file(tmp_path, a="scene.gone")
    write_decisions(tmp_path, "ada", "scene.gone", FOOD)
    book = DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
    assert scene_of(book, "a") == FOOD
    # To undo it would let the line with the lost key count: that is refused, and nothing is written.
    with pytest.raises(InputError, match=r"ada\.jsonl, line 1: photo a .*'scene\.gone'.*taxonomy\.renamed"):
        book.undo()
    decide(book, "a", PEOPLE)
    assert scene_of(book, "a") == PEOPLE
    book.close()
    assert len(read_log(tmp_path, "ada")) == 3


@pytest.mark.parametrize("where", ["file", "log"])
def test_a_lost_key_that_counts_is_named_with_its_line(
    tmp_path: Path, taxonomy: Taxonomy, where: str
) -> None:
    if where == "file":
        write_file(tmp_path, b=FOOD, a="scene.gone")
    else:
        write_decisions(tmp_path, "bob", FOOD, "scene.gone")
    with pytest.raises(InputError, match=r"(record|line) 2: photo a .*'scene\.gone'.*taxonomy\.removed"):
        DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
    later = msgspec.structs.replace(taxonomy, renamed={"scene.gone": PEOPLE})
    book = DecisionLog(tmp_path, "ada", later, tmp_path / ".store")
    assert scene_of(book, "a") == PEOPLE
    book.close()
