import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from vibe_photos.configuration import RESOLVED
from vibe_photos.eval.labels import main
from vibe_photos.heads.out_of_fold import write_out_of_fold

TRUTH = [
    {
        "image_id": "a",
        "scene": ["scene.food"],
        "attributes": {"attr.has_text": True},
        "objects": ["object.food"],
    },
    {"image_id": "b", "scene": ["scene.people"], "attributes": {}, "objects": []},
    {"image_id": "away", "scene": ["scene.people"], "attributes": {}, "objects": []},
]
LABELS = {
    "a": {
        "scene.food": (0.8, 1),
        "attr.has_text": (0.9, 1),
        "object.food": (0.7, 1),
        "object.drink": (0.2, 0),
    },
    "b": {"scene.food": (0.6, 1), "attr.has_text": (0.1, 0), "object.food": (0.1, 0)},
}


@pytest.fixture
def folder(
    tmp_path: Path, repository: Path, write_table: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Return a working folder with a configuration and labels."""
    (tmp_path / RESOLVED).parent.mkdir(parents=True)
    (tmp_path / RESOLVED).write_bytes((repository / RESOLVED).read_bytes())
    (tmp_path / "conf").symlink_to(repository / "conf")
    write_table(LABELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VIBE_PHOTOS_STORE", raising=False)
    return tmp_path


@pytest.mark.parametrize("form", ["list", "lines"])
def test_tables_for_people(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    text = json.dumps(TRUTH) if form == "list" else "\n".join(json.dumps(record) for record in TRUTH)
    (folder / "truth").write_text(text)
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 0
    out = capsys.readouterr().out
    assert "3 records, 2 photos compared" in out
    assert "not in the database, left out: 1 photo\n" in out
    assert "accuracy 0.500 (no interval: fewer than 20 photos)" in out
    assert ["People", "Food", "1"] in [line.split() for line in out.splitlines()]
    assert "top1               1.000" in out
    # One label is given to a photo, 24 are not; drink has a score, but stays below its threshold.
    assert "given to no photo at all: Packaging, " in out
    assert ", Drink, " in out


def test_each_photos_mistakes_are_written_by_level(folder: Path) -> None:
    (folder / "truth").write_text(json.dumps(TRUTH))
    assert main(["--gt", "truth", "--labels", "labels.sqlite", "--errors", "errors"]) == 0
    mistake = {"kind": "People labelled as Food", "image_id": "b", "said": "Food", "true": "People"}
    (line,) = (folder / "errors" / "scene_errors.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert found.pop("score") == pytest.approx(0.6)
    assert found == mistake
    assert (folder / "errors" / "attribute_errors.jsonl").read_text() == ""
    assert (folder / "errors" / "object_errors.jsonl").read_text() == ""


def test_what_nobody_judged_is_not_measured(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The objects of the first photo, and the second photo, a copied record that nobody has checked."""
    first = {name: value for name, value in TRUTH[0].items() if name != "objects"}
    (folder / "truth").write_text(json.dumps([first, {**TRUTH[1], "checked": False}]))
    assert main(["--gt", "truth", "--labels", "labels.sqlite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["objects"]["precision"]) == (1, None)


def test_json_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one.json").write_text(json.dumps(TRUTH[0]))
    assert main(["--gt", "one.json", "--labels", "labels.sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["n"], figures["not_in_database"], figures["scene"]["accuracy"]) == (1, 0, 1.0)


def test_a_record_under_an_earlier_id_of_a_photo_counts(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = [{"image_id": one, "picture": "p"} for one in ("away", "a")]
    (folder / "data/library").mkdir(parents=True)
    lines = "".join(json.dumps(one) + "\n" for one in pictures)
    (folder / "data/library/pictures.jsonl").write_text(lines)
    (folder / "truth").write_text(json.dumps([TRUTH[1], TRUTH[2]]))
    assert main(["--gt", "truth", "--labels", "labels.sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["n"], figures["not_in_database"]) == (2, 0)
    # The record under the present id counts before one under an earlier id.
    (folder / "truth").write_text(json.dumps(TRUTH))
    assert main(["--gt", "truth", "--labels", "labels.sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["records"], figures["n"], figures["scene"]["accuracy"]) == (2, 2, 0.5)


def test_photos_that_trained_are_said(
    folder: Path, write_roles: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/ground_truth").mkdir(parents=True)
    write_roles({"a": "train", "b": "train"}).rename(folder / "data/ground_truth/splits.json")
    (folder / "truth").write_text(json.dumps(TRUTH))
    main(["--gt", "truth", "--labels", "labels.sqlite"])
    assert "trained" not in capsys.readouterr().out  # no head says that it learnt from any photo
    # Both may train, but the teacher answered only a.
    scores = np.zeros((1, 1))
    write_out_of_fold(
        folder / "models",
        "attribute",
        ["a"],
        ["attr.has_text"],
        scores.astype(np.int8),
        scores > 1,
        scores,
        scores,
    )
    main(["--gt", "truth", "--labels", "labels.sqlite"])
    assert "trained a head, so the figures flatter it: 1 photo\n" in capsys.readouterr().out


def test_photos_that_chose_thresholds_are_left_out(
    folder: Path, write_roles: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/ground_truth").mkdir(parents=True)
    # Reserved photos of this fixture are all of the tune half.
    write_roles({"a": "reserved", "b": "holdout"}).rename(folder / "data/ground_truth/splits.json")
    (folder / "truth").write_text(json.dumps(TRUTH))
    resolved = (folder / RESOLVED).read_text()
    (folder / RESOLVED).write_text(
        re.sub(r"(?m)^  tuned_on: none\n", "", resolved).replace(
            "classify:\n", "classify:\n  tuned_on: human_tune_half\n"
        )
    )
    main(["--gt", "truth", "--labels", "labels.sqlite"])
    out = capsys.readouterr().out
    assert "3 records, 1 photo compared" in out
    assert "thresholds were tuned on their half, left out: 1 photo\n" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "truth does not exist"),
        ('[{"image_id": "a", "scene": ["scene.fod"]}]', "truth, record 1: photo a .*scene.fod.*scene.food"),
        ('[{"image_id": "a", "attributes": {"attr.has_text": "yes"}}]', "record 1 .photo a.*attributes"),
        ("not json", "neither JSON nor JSON Lines"),
        ("image_id,scene\na,scene.food\n", r"truth is a table \(CSV\), and must be JSON"),
        ("\ufeff" + json.dumps(TRUTH), r"byte order mark \(BOM\).* save it as UTF-8 without BOM"),
        (json.dumps(TRUTH).encode("utf-16"), "truth is UTF-16 text: save it as UTF-8"),
        (json.dumps(TRUTH).encode("utf-16-le"), "truth is UTF-16 text: save it as UTF-8"),
        (
            '{"image_id": "a", "annotation": {"scene": "food"}}',
            "the teacher's raw answers.* --gt data/ground_truth/auto/ground_truth_auto.jsonl",
        ),
        ('{"image_id": "a", "rel_path": "a.jpg"}', "truth has no truth.* --gt data/human;"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str | bytes | None, message: str
) -> None:
    if content is not None:
        (folder / "truth").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)


def test_nothing_in_common(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "truth").write_text(json.dumps(TRUTH[2:]))
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 0
    assert "nothing to compare" in capsys.readouterr().out


def test_ids_of_another_hash_are_told(
    folder: Path, write_table: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    write_table({"0" * 32: LABELS["a"]})
    (folder / "truth").write_text(json.dumps([{**TRUTH[0], "image_id": "44bc2cf5ad770999"}]))
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 1
    error = capsys.readouterr().err
    assert "truth has ids of 16 digits, and the labels have ids of 32" in error
    assert "xxh64 for 16 digits" in error


def test_it_starts_without_torch_pandas_and_sklearn() -> None:
    heavy = "{'torch', 'pandas', 'sklearn', 'scipy'}"
    code = f"import sys, vibe_photos.eval.labels; print(*{heavy} & set(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_keys_that_were_renamed_are_followed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = folder / RESOLVED
    config.write_text(config.read_text().replace("  renamed: {}", "  renamed: {scene.meal: scene.food}"))
    older = json.dumps(TRUTH).replace("scene.food", "scene.meal")
    (folder / "truth").write_text(older)
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 0
    assert "accuracy 0.500" in capsys.readouterr().out


@pytest.fixture
def said(folder: Path, write_roles: Callable[..., Path]) -> Path:
    """Return a folder: people measured a (food; people in the file) and b (people), taught c, skipped d."""
    (folder / "data/ground_truth").mkdir(parents=True)
    roles = {"a": "reserved", "b": "reserved", "c": "train", "d": "reserved"}
    write_roles(roles).rename(folder / "data/ground_truth/splits.json")
    human = folder / "data/human"
    (human / "decisions").mkdir(parents=True)
    edited = [{**TRUTH[0], "scene": ["scene.people"]}, {**TRUTH[1], "checked": False}]
    (human / "ground_truth_human.audited.json").write_text(json.dumps(edited))

    def line(second: int, image_id: str, **fields: object) -> str:
        return (
            json.dumps({"image_id": image_id, "decided_at": f"2026-01-02T10:00:0{second}Z", **fields}) + "\n"
        )

    people = {"scene": ["scene.people"]}
    (human / "decisions/ada.jsonl").write_text(
        line(1, "a", after={"scene": ["scene.food"]})
        + line(2, "c", after=people, purpose="teach")
        + line(3, "d", kind="skip", reason="private")
    )
    (human / "decisions/bob.jsonl").write_text(line(4, "b", after=people))
    return human


def test_the_folder_gives_what_people_said_last_to_measure(
    said: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Both photos are labelled food: right for a since ada decided, wrong for b.
    assert main(["--gt", "data/human", "--labels", "labels.sqlite"]) == 0
    out = capsys.readouterr().out
    assert "data/human against labels.sqlite: 2 records, 2 photos compared" in out
    assert "accuracy 0.500" in out
    assert "chosen by people to teach, left out because they stand for no others: 1 photo\n" in out
    assert "shown to people and skipped, so without an answer: 1 photo\n" in out
    assert "how these photos were drawn is not said" in out


def test_a_log_gives_what_one_reviewer_measured(said: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--gt", "data/human/decisions/ada.jsonl", "--labels", "labels.sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["n"], figures["scene"]["accuracy"]) == (1, 1.0)
    assert (figures["taught"], figures["skipped"]) == (1, 1)


def test_the_folder_names_what_git_took_away(said: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = said.parent.parent / ".store/decisions/bob.jsonl"
    kept.parent.mkdir(parents=True)
    (said / "decisions/bob.jsonl").rename(kept)
    assert main(["--gt", "data/human", "--labels", "labels.sqlite"]) == 0
    assert "1 decisions of bob are in this machine's store" in caplog.text
    assert "vibe-photos restore-decisions" in caplog.text


def test_a_folder_without_anything_said_names_the_page(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "empty").mkdir()
    assert main(["--gt", "empty", "--labels", "labels.sqlite"]) == 1
    error = capsys.readouterr().err
    assert "empty has no human labels" in error
    assert "The project's folder is data/human; `vibe-photos review` fills it" in error
