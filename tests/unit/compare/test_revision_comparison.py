"""`vibe-photos compare` in a folder with the workspace's labels and another label file."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from vibe_photos.cli import main
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.records.ground_truth import GroundTruth, truth_object
from vibe_photos.records.photos import Photo
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl

IDS = [f"p{number:02d}" for number in range(30)]


@pytest.fixture
def workspace(
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    write_table: Callable[..., Path],
    make_truth: Callable[..., GroundTruth],
) -> Path:
    """Thirty photos, all food: `old.sqlite` has twelve wrong, the workspace none; a few of them held out."""
    monkeypatch.chdir(tmp_path)
    for file in ("conf/config.yaml", "data/config/resolved.yaml"):
        Path(file).parent.mkdir(parents=True)
        shutil.copy(repository / file, file)
    for path, wrong in (("old.sqlite", IDS[:12]), ("data/labels/labels.sqlite", [])):
        scenes = {image_id: "scene.people" if image_id in wrong else "scene.food" for image_id in IDS}
        table = write_table({image_id: {scene: (0.9, 1)} for image_id, scene in scenes.items()})
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(table, path)
    roles = {image_id: "holdout" if number >= 25 else "reserved" for number, image_id in enumerate(IDS)}
    members = {
        i: Membership(group=i, fold=0, role=role, number=place / 30)
        for place, (i, role) in enumerate(roles.items())
    }
    write_splits(Path("data/ground_truth/splits.json"), members)
    drawn = {"inclusion_probability": 0.5}
    people = [truth_object(make_truth(image_id, "food")) | drawn for image_id in IDS[:25]]
    write_json(Path("data/human") / AUDITED_FILE, people)
    write_jsonl(
        Path("data/ground_truth/auto/ground_truth_auto.jsonl"),
        [truth_object(make_truth(image_id, "people")) for image_id in IDS],
    )
    photos = [Photo(image_id=i, rel_path=f"2019/{i}.jpg", bytes=1, format="JPEG") for i in IDS]
    write_jsonl(Path("data/library/photos.jsonl"), photos)
    return tmp_path


@pytest.mark.usefixtures("workspace")
def test_against_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "old.sqlite"]) == 0
    text = capsys.readouterr().out
    assert "compared on 25 photos that people judged and neither side has learned from" in text
    # 12 of 25 are wrong, then none: p = 2 / 2^12.
    assert "scene wrong 48.0 0.0 -48.0 < 0.001 fewer" in " ".join(text.split())
    assert "  fewer wrong (48.0 → 0.0 in 100 photos): B is better" in text
    assert "scene accuracy  0.520  1.000  +0.480" in text
    assert "now right    2019/p00.jpg  scene: People → Food (true: Food)" in text


@pytest.mark.usefixtures("workspace")
def test_a_renamed_key_is_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    """Both sides have the old key, as before `dvc repro`: it is read under the new one."""
    resolved = Path("data/config/resolved.yaml")
    assert resolved.read_text().count("scene.people") > 1
    renamed = (
        resolved.read_text()
        .replace("scene.people", "scene.persons")
        .replace("  renamed: {}", "  renamed: {scene.people: scene.persons}")
    )
    resolved.write_text(renamed)
    assert "renamed: {scene.people" in renamed
    assert main(["compare", "old.sqlite", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [flip["before"] for flip in found["flips"]] == ["persons"] * 12


@pytest.mark.usefixtures("workspace")
def test_against_a_set_of_ones_own(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path("data/human") / AUDITED_FILE
    records = json.loads(file.read_text())
    for record in records:
        del record["inclusion_probability"]
    write_json(file, records[:20])
    assert main(["compare", "old.sqlite"]) == 0
    text = capsys.readouterr().out
    assert "compared on 20 photos that people judged" in text
    assert "(60.0 → 0.0 in 100 photos)" in text


@pytest.mark.usefixtures("workspace")
def test_against_the_teacher_photos_count_that_never_trained(capsys: pytest.CaptureFixture[str]) -> None:
    splits = Path("data/ground_truth/splits.json")
    members = read_splits(splits)
    trained = {i: msgspec.structs.replace(members[i], role="train") for i in IDS[5:25]}
    write_splits(splits, members | trained)
    assert main(["compare", "old.sqlite", "workspace", "--truth", "auto", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["n"], found["photos"], found["changed_photos"]) == (5, 30, 12)
    # The teacher says people of all, old.sqlite of these five, the workspace of none.
    [accuracy] = found["figures"]
    assert (accuracy["before"], accuracy["after"], accuracy["no_interval"]) == (1.0, 0.0, "n < 20")
    [question] = found["questions"]
    # Five flips, all one way: 2 / 2^5.
    assert (question["difference"], question["adjusted_p"], question["answer"]) == (
        1.0,
        0.0625,
        "cannot tell",
    )
    assert [flip["kind"] for flip in found["flips"]] == ["now wrong"] * 5
    assert found["truth"] == "auto"


@pytest.mark.usefixtures("workspace")
def test_in_brief_and_as_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "workspace", "workspace", "--brief"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "ran since workspace: no stage",
        "workspace (B) against workspace (A): the labels are the same on all 30 photos that both label",
    ]
    assert main(["compare", "old.sqlite", "--html", "page.html"]) == 0
    assert "2019/p00.jpg" in Path("page.html").read_text()


@pytest.mark.usefixtures("workspace")
def test_what_is_not_there_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", "nothing-like-it"]) == 1
    assert "nothing-like-it is no commit, no experiment, no file" in capsys.readouterr().err
