import errno
import os
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from vibe_photos.annotate.answers import (
    Answer,
    AnswerKey,
    Answers,
    AnswerStore,
    open_line,
    read_answered_ids,
    seal_line,
    set_damaged_aside,
)
from vibe_photos.cli import main
from vibe_photos.errors import StoreError
from vibe_photos.storage.append_log import AppendLog

KEY = AnswerKey("Qwen/Qwen3-VL-32B-Instruct", "0123456789abcdef")
GOOD = '{"scene": "food", "objects": []}'


def answer(image_id: str, reply: str = GOOD, finish_reason: str = "stop") -> Answer:
    return Answer(
        image_id=image_id,
        model=KEY.model,
        prompt_id=KEY.prompt_id,
        reply=reply,
        finish_reason=finish_reason,
        usage={"prompt_tokens": 5},
        created_at=1755000000,
    )


def keep(store: Path, *kept: Answer) -> Path:
    with AnswerStore(store) as answer_store:
        for one in kept:
            answers = answer_store.of(one.key)
            answers.record(one, answers.append(one))
        answer_store.sync()
    return KEY.log_path(store)


def found(store: Path, image_id: str) -> Answer | None:
    with AnswerStore(store) as answer_store:
        return answer_store.of(KEY).find(image_id)


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    keep(tmp_path, answer("a"), answer("b", "gibberish"))
    assert found(tmp_path, "a") == answer("a")
    assert found(tmp_path, "b") == answer("b", "gibberish")
    assert found(tmp_path, "c") is None
    assert read_answered_ids(tmp_path, KEY) == {"a"}
    assert read_answered_ids(tmp_path, AnswerKey("x", "y")) == set()


def test_the_last_usable_answer_counts_and_then_the_last_reason(tmp_path: Path) -> None:
    keep(
        tmp_path,
        answer("a", '{"scene": "other"}'),
        answer("a"),
        answer("a", "gibberish"),
        answer("b", "one"),
        answer("b", GOOD, "length"),
    )
    assert found(tmp_path, "a") == answer("a")
    assert found(tmp_path, "b") == answer("b", GOOD, "length")


def test_an_answer_counts_only_once_it_is_counted(tmp_path: Path) -> None:
    with AnswerStore(tmp_path) as answer_store:
        answers = answer_store.of(KEY)
        offset = answers.append(answer("a"))
        assert "a" not in answers
        answers.sync()
        assert answers.record(answer("a"), offset) == ""
        assert "a" in answers
        assert len(answers) == 1


def test_an_older_line_without_the_version_of_the_pixels_is_read(tmp_path: Path) -> None:
    keep(tmp_path, answer("a"), msgspec.structs.replace(answer("b"), pixels_version=3))
    lines = KEY.log_path(tmp_path).read_bytes().splitlines()
    assert [b"pixels_version" in line for line in lines] == [False, True]
    assert [open_line(line).pixels_version for line in lines] == [None, 3]


def test_a_cut_reply_is_no_answer_even_where_it_parses(tmp_path: Path) -> None:
    keep(tmp_path, answer("a", GOOD, "length"))
    with AnswerStore(tmp_path) as answer_store:
        assert "a" not in answer_store.of(KEY)


def test_any_changed_byte_in_the_middle_is_found_and_named(tmp_path: Path) -> None:
    path = keep(tmp_path, answer("a"), answer("b"), answer("c"))
    whole = path.read_bytes()
    first_end = whole.index(b"\n") + 1
    second_end = whole.index(b"\n", first_end) + 1
    for place in range(first_end, second_end - 1):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        if damaged[place] == ord("\n"):
            continue
        path.write_bytes(damaged)
        with AnswerStore(tmp_path) as answer_store, pytest.raises(StoreError, match="line 2 is damaged"):
            answer_store.of(KEY)


def test_damaged_lines_are_set_aside_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = keep(tmp_path, answer("a"), answer("b"), answer("c"))
    lines = path.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"food", b"f\x00od")
    path.write_bytes(b"".join([*lines, b"noise\n"]))
    monkeypatch.setenv("VIBE_PHOTOS_STORE", str(tmp_path))
    with AppendLog(path):
        assert main(["repair-store"]) == 1
        assert "held by another run" in capsys.readouterr().err
    assert main(["repair-store"]) == 0
    assert capsys.readouterr().out == (
        f"{path}: damaged lines moved to {path.name}.damaged: 2\nnow: dvc repro\n"
    )
    assert path.read_bytes() == lines[0] + lines[2]
    assert path.with_name(path.name + ".damaged").read_bytes() == lines[1] + b"noise\n"
    assert main(["repair-store"]) == 0
    assert capsys.readouterr().out == f"no line of the answers in {tmp_path} is damaged\n"


def test_a_full_disk_leaves_a_damaged_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = keep(tmp_path, answer("a"))
    path.write_bytes(b"no answer\n")
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr("vibe_photos.annotate.answers.write_bytes", Mock(side_effect=full))
    with pytest.raises(StoreError, match=r"cannot be cleaned: No space left on device\. It is unchanged"):
        set_damaged_aside(tmp_path)
    assert path.read_bytes() == b"no answer\n"


def test_damage_lets_the_log_go(tmp_path: Path) -> None:
    path = keep(tmp_path, answer("a"))
    path.write_bytes(b"no answer\n")
    with pytest.raises(StoreError, match="line 1"):
        Answers(tmp_path, KEY)
    path.unlink()
    Answers(tmp_path, KEY).close()


def test_a_log_cut_at_every_byte_of_its_last_record_loses_that_answer_only(tmp_path: Path) -> None:
    path = keep(tmp_path, answer("a"), answer("b"))
    whole = path.read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        assert read_answered_ids(tmp_path, KEY) == {"a"}
        assert found(tmp_path, "a") == answer("a")
        assert found(tmp_path, "b") is None


def test_a_sealed_line_opens_only_whole() -> None:
    line = seal_line(answer("a"))
    assert open_line(line) == answer("a")
    with pytest.raises(ValueError, match="checksum"):
        open_line(line[:-1])


@pytest.mark.parametrize(
    "model", ["Qwen/Qwen3-VL-32B-Instruct", "a/b", "a%2Fb", "..", ".", "../../etc", "x" * 400, "ü", "a b\n"]
)
def test_every_model_has_a_file_of_its_own_inside_the_store(tmp_path: Path, model: str) -> None:
    path = AnswerKey(model, "p").log_path(tmp_path)
    assert path.resolve().parent.parent == (tmp_path / "answers").resolve()
    assert len(path.parent.name) < 200
    assert AnswerKey(model + "x", "p").log_path(tmp_path) != path
    keep(tmp_path, Answer(image_id="a", model=model, prompt_id="p", annotation={"scene": "food"}))
    assert path.exists()
