import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vibe_photos.configuration import RESOLVED
from vibe_photos.eval.labels import main

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
    return tmp_path


@pytest.mark.parametrize("form", ["list", "lines"])
def test_tables_for_people(folder: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    text = json.dumps(TRUTH) if form == "list" else "\n".join(json.dumps(record) for record in TRUTH)
    (folder / "truth").write_text(text)
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 0
    out = capsys.readouterr().out
    assert "3 records, 2 photos compared" in out
    assert "1 records of photos that are not in the database: left out" in out
    assert "accuracy 0.500 (no interval: n < 20)" in out
    assert ["people", "food", "1"] in [line.split() for line in out.splitlines()]
    assert "top1              1.000" in out


def test_json_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "one.json").write_text(json.dumps(TRUTH[0]))
    assert main(["--gt", "one.json", "--labels", "labels.sqlite", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["n"], figures["not_in_database"], figures["scene"]["accuracy"]) == (1, 0, 1.0)


def test_photos_that_trained_are_said(
    folder: Path, write_roles: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data/ground_truth").mkdir(parents=True)
    write_roles({"a": "train", "b": "reserved"}).rename(folder / "data/ground_truth/splits.json")
    (folder / "truth").write_text(json.dumps(TRUTH))
    main(["--gt", "truth", "--labels", "labels.sqlite"])
    assert "1 of these photos trained the heads" in capsys.readouterr().out


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
    assert "3 records, 1 photos compared" in out
    assert "1 photos left out: thresholds were tuned on their half" in out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "truth does not exist"),
        ('[{"image_id": "a", "scene": ["scene.fod"]}]', "truth, record 1: photo a .*scene.fod.*scene.food"),
        ('[{"image_id": "a", "attributes": {"attr.has_text": "yes"}}]', "record 1 .photo a.*attributes"),
        ("not json", "neither JSON nor JSON Lines"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    if content is not None:
        (folder / "truth").write_text(content)
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert re.search(message, error)


def test_nothing_in_common(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "truth").write_text(json.dumps(TRUTH[2:]))
    assert main(["--gt", "truth", "--labels", "labels.sqlite"]) == 0
    assert "nothing to compare" in capsys.readouterr().out


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
