import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.annotate.small_library import MakeSettings

from vibe_photos.annotate.answers import AnswerKey, AnswerStore
from vibe_photos.annotate.imports import ImportSummary, absorb_output, import_annotations
from vibe_photos.errors import InputError
from vibe_photos.settings import Settings

IMPORTED = AnswerKey("imported", "imported")


def record(image_id: str, scene: str = "food", **fields: Any) -> bytes:
    return msgspec.json.encode({"image_id": image_id, "annotation": {"scene": scene}, **fields}) + b"\n"


def scene_of(store: Path, image_id: str, key: AnswerKey = IMPORTED) -> Any:
    with AnswerStore(store) as answer_store:
        found = answer_store.of(key).find(image_id)
        return found.read()["scene"] if found else None


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / ".store"


@pytest.fixture
def settings(make_settings: MakeSettings) -> Settings:
    """The configuration of a library whose teacher is `offline`."""
    return make_settings(teacher={"server": "store", "model": "imported", "prompt_id": "imported"})


def test_records_of_the_older_scripts_are_taken(tmp_path: Path, store: Path, settings: Settings) -> None:
    file = tmp_path / "old.jsonl"
    file.write_bytes(
        record("a", server_path="/mnt/a.jpg", image_path="/mnt/a.jpg", rel_path="a.jpg") + record("b")
    )
    summary = import_annotations([file], store, settings)
    assert (summary.new, summary.known.total(), summary.problems) == ({IMPORTED: 2}, 0, [])
    assert scene_of(store, "a") == "food"


def test_records_that_say_who_and_what_keep_it(tmp_path: Path, store: Path, settings: Settings) -> None:
    file = tmp_path / "new.jsonl"
    file.write_bytes(record("a", model="q", prompt_id="p") + record("b", model="q") + record("c"))
    summary = import_annotations([file], store, settings, AnswerKey("m", "n"))
    assert summary.new == {AnswerKey("q", "p"): 1, AnswerKey("q", "n"): 1, AnswerKey("m", "n"): 1}
    assert scene_of(store, "a", AnswerKey("q", "p")) == "food"
    assert summary.describe().splitlines()[0] == "m, prompt n: 1 new, 0 already there"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"image_id,scene\na,food\n", "is a table"),
        (b'\xef\xbb\xbf{"image_id": "a"}\n', "byte order mark"),
        ('{"image_id": "a"}\n'.encode("utf-16"), "is UTF-16 text"),
    ],
)
def test_a_file_of_another_form_is_told_once(
    tmp_path: Path, store: Path, settings: Settings, content: bytes, said: str
) -> None:
    (tmp_path / "answers").write_bytes(content)
    with pytest.raises(InputError, match=said):
        import_annotations([tmp_path / "answers"], store, settings)


def test_importing_again_changes_nothing(tmp_path: Path, store: Path, settings: Settings) -> None:
    file = tmp_path / "twice.jsonl"
    file.write_bytes(record("a", "other") + record("a", "food") + record("b"))
    first = import_annotations([file], store, settings)
    log = IMPORTED.log_path(store)
    before = log.read_bytes()
    second = import_annotations([file], store, settings)
    assert (first.new.total(), first.known.total(), first.repeated) == (2, 0, 1)
    assert (second.new.total(), second.known.total(), second.repeated) == (0, 2, 1)
    assert log.read_bytes() == before


def test_absorbing_an_output_again_changes_nothing(tmp_path: Path, store: Path) -> None:
    """As in every reader, the last record of a photo counts; an answer that the store has is kept."""
    output, log = tmp_path / "raw.jsonl", IMPORTED.log_path(store)
    output.write_bytes(record("a", "food") + record("b") + record("a", "people"))
    logs = []
    for content in (output.read_bytes(), output.read_bytes(), record("a", "product")):
        output.write_bytes(content)
        with AnswerStore(store) as answer_store:
            absorb_output(output, answer_store)
        logs.append(log.read_bytes())
    assert logs[0] == logs[1] == logs[2]
    assert scene_of(store, "a") == "people"


def test_the_last_whole_record_counts_over_all_files(tmp_path: Path, store: Path, settings: Settings) -> None:
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    one.write_bytes(record("a", "food") + record("a", "people"))
    two.write_bytes(record("a", "animals") + record("a", "product")[:-20])
    import_annotations([one, two], store, settings)
    assert scene_of(store, "a") == "animals"
    import_annotations([one], store, settings)
    assert scene_of(store, "a") == "people"


def test_lines_that_are_no_answer_are_named_and_the_rest_is_taken(
    tmp_path: Path, store: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "odd.jsonl"
    file.write_bytes(
        record("a")
        + b"not JSON\n"
        + b'{"annotation": {"scene": "food"}}\n'
        + b'{"image_id": "x", "annotation": "food"}\n'
        + b'{"image_id": "y", "error": "timeout"}\n'
        + b"\xff\xfe\n\n"
        + b'{"image_id": "z", "annotation": {"scene": NaN}}\n'
        + record("b")
        + record("c")[:-4]
    )
    with caplog.at_level(logging.INFO):
        summary = import_annotations([file], store, settings)
    assert summary.new == {IMPORTED: 2}
    assert [problem.split(":")[0].removeprefix(f"{file}, ") for problem in summary.problems] == [
        f"line {number}" for number in (2, 3, 4, 5, 6, 8, 10)
    ]
    assert summary.problems[-1].endswith("(the file was cut off here)")
    assert all(problem in caplog.text for problem in summary.problems)
    assert "dvc repro -f -s annotate && dvc repro" in caplog.text


def test_a_log_of_another_store_can_be_imported(tmp_path: Path, store: Path, settings: Settings) -> None:
    file = tmp_path / "brought.jsonl"
    said = {"image_id": "a", "model": "q", "prompt_id": "p", "reply": '{"scene": "food"}', "xxh3": "0"}
    file.write_bytes(msgspec.json.encode(said) + b"\n")
    import_annotations([file], store, settings)
    assert scene_of(store, "a", AnswerKey("q", "p")) == "food"


def test_a_file_that_is_missing_is_named(tmp_path: Path, store: Path, settings: Settings) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl does not exist"):
        import_annotations([tmp_path / "nowhere.jsonl"], store, settings)


def test_nothing_found_says_so() -> None:
    assert ImportSummary().describe() == "no answers found"


SHORT, LONG = "44bc2cf5ad770999", "06b05ab6733a618578af5f94892f3950"


def test_ids_of_another_hash_are_refused_before_anything_is_taken(
    tmp_path: Path, store: Path, settings: Settings
) -> None:
    """The library has ids of 32 digits, so that no photo would ever find an answer with 16."""
    file = tmp_path / "m2.jsonl"
    file.write_bytes(record(SHORT) + record("d24ec4f1a98c6e5b"))
    with pytest.raises(InputError, match=r"2 of 2 answers have xxh64 ids.*content_hash: xxh64.*params\.yaml"):
        import_annotations([file], store, settings)
    assert not store.exists()


def test_a_few_ids_of_another_hash_are_said_and_the_rest_is_taken(
    tmp_path: Path, store: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "both.jsonl"
    file.write_bytes(record(SHORT) + record(LONG))
    assert import_annotations([file], store, settings).new == {IMPORTED: 2}
    assert "1 of 2 answers have xxh64 ids" in caplog.text


@pytest.mark.parametrize(
    ("teacher", "fields", "advice"),
    [
        ({}, {}, "first write `teacher: offline`"),
        ({}, {"model": "other", "prompt_id": "p"}, "first choose the teacher that has them"),
        ({}, {"model": "Qwen/Qwen3-VL-32B-Instruct", "prompt_id": "p"}, "undo what changed its question"),
        ({"model": "m", "prompt_id": "p"}, {"model": "m", "prompt_id": "p"}, None),
    ],
    ids=["no model", "another model", "another question", "the chosen teacher's"],
)
def test_what_has_to_be_changed_before_the_answers_are_used_is_said(
    tmp_path: Path,
    store: Path,
    make_settings: MakeSettings,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    teacher: dict[str, str],
    fields: dict[str, str],
    advice: str | None,
) -> None:
    file = tmp_path / "answers.jsonl"
    file.write_bytes(record(LONG, **fields))
    monkeypatch.chdir(tmp_path)  # without a dvc.lock
    with caplog.at_level(logging.INFO):
        settings = make_settings(teacher=teacher)
        import_annotations([file], store, settings)
    assert "To use them: dvc repro\n" in caplog.text
    caplog.clear()
    settings.paths.raw_annotations.parent.mkdir(parents=True, exist_ok=True)
    settings.paths.raw_annotations.touch()
    with caplog.at_level(logging.INFO):
        import_annotations([file], store, settings)
    assert "To use them: dvc repro -f -s annotate && dvc repro\n" in caplog.text
    assert ("has none of these answers" in caplog.text) == bool(advice)
    assert (advice or "") in caplog.text
