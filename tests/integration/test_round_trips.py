"""The commands that take labels out and bring them back, on a library of two photos."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from vibe_photos.cli import main
from vibe_photos.configuration import read_resolved
from vibe_photos.human_truth.draws import read_draws
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.ground_truth import Decision, GroundTruth, truth_object
from vibe_photos.records.label_tables import LabelTable, write_labels
from vibe_photos.records.photos import Photo
from vibe_photos.records.splits import Membership
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

KEYS = ["object.food", "scene.food", "scene.people"]
TEACHER = [
    GroundTruth(image_id="id-a", scene=["scene.food"], objects=["object.food"]),
    GroundTruth(image_id="id-b", scene=["scene.other"], attributes={"attr.has_text": True}),
]


@pytest.fixture
def workspace(tmp_path, repository, monkeypatch):
    """Stand in a repository whose pipeline has run over `data/demo/photos/{a,b}.png`."""
    for name in ("conf/config.yaml", "data/config/resolved.yaml"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(repository / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "data" / "demo" / "photos"
    root.mkdir(parents=True)
    photos = []
    for name in ("a", "b"):
        Image.new("RGB", (8, 8)).save(root / f"{name}.png")
        size = (root / f"{name}.png").stat().st_size
        photos.append(Photo(image_id=f"id-{name}", rel_path=f"{name}.png", bytes=size, format="PNG"))
    write_jsonl(tmp_path / "data" / "library" / "photos.jsonl", photos)
    write_jsonl(tmp_path / "data" / "ground_truth" / "auto" / "ground_truth_auto.jsonl", TEACHER)
    drawn = {"stratum": "all", "inclusion_probability": 1.0}
    sample = [{**truth_object(record), **drawn} for record in TEACHER]
    write_json(tmp_path / "data" / "ground_truth" / "to_review.json", sample)
    table = LabelTable(
        image_ids=["id-a", "id-b"],
        keys=KEYS,
        level=dict(zip(KEYS, ["object", "scene", "scene"], strict=True)),
        source=dict.fromkeys(KEYS, "head"),
        threshold=dict.fromkeys(KEYS),
        score=np.full((2, 3), 0.5),
        value=np.array([[1, 1, 0], [0, 0, 1]], dtype=np.int8),
    )
    write_labels(tmp_path / "data" / "labels" / "labels.sqlite", table, dict.fromkeys(KEYS))
    return tmp_path


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_keywords_are_written_only_when_asked_and_taken_back(workspace, capsys):
    photos = workspace / "data" / "demo" / "photos"
    before = read_files(photos)
    assert main(["export-xmp"]) == 0
    assert "would be: 2 written, 0 unchanged, 0 removed, 0 problems" in capsys.readouterr().out
    assert read_files(photos) == before
    assert main(["export-xmp", "--write"]) == 0
    assert read_files(photos).keys() == {"a.png", "a.png.xmp", "b.png", "b.png.xmp"}
    assert b"vibe-photos|scene|people" in (photos / "b.png.xmp").read_bytes()
    (photos / "a.png.xmp").write_bytes(b"not XML")
    assert main(["export-xmp", "--write", "--labels", "human"]) == 0
    said = capsys.readouterr().out
    assert "0 written, 0 unchanged, 1 removed, 1 problems" in said
    assert "problem: data/demo/photos/a.png.xmp is not XML" in said
    (photos / "a.png.xmp").unlink()
    assert main(["export-xmp", "--write"]) == 0
    assert main(["export-xmp", "--remove", "--write"]) == 0
    assert read_files(photos) == before


def test_tasks_go_out_and_annotations_come_back(workspace, capsys):
    project = workspace / "project"
    assert main(["label-studio", "export", str(project)]) == 0
    tasks = json.loads((project / "tasks.json").read_text())
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=photos/a.png"
    for number, task in enumerate(tasks, start=1):
        accepted = {
            "id": number,
            "completed_by": 1,
            "result": task["predictions"][0]["result"],
            "created_at": f"2026-01-02T10:0{number}:00.000000Z",
        }
        task["annotations"] = [accepted]
    export = workspace / "export.json"
    export.write_text(json.dumps(tasks))
    command = ["label-studio", "import", str(export), "--reviewer", "1=ada"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "id-b: new: scene.other attr.has_text=yes" in said
    assert "nothing is written yet" in said
    assert [*read_human_truth(workspace / "data" / "human", {}).everything.values()] == []
    assert main([*command, "--write"]) == 0
    log = workspace / "data" / "human" / "decisions" / "ada.jsonl"
    taken = log.read_bytes()
    assert [record.scene for record in [*read_human_truth(log.parent.parent, {}).everything.values()]] == [
        ["scene.food"],
        ["scene.other"],
    ]
    assert main([*command, "--write"]) == 0
    assert "there is nothing to write" in capsys.readouterr().out
    assert log.read_bytes() == taken
    assert main(["label-studio", "export", str(project)]) == 0
    assert "0 tasks written" in capsys.readouterr().out


def test_an_export_with_a_problem_is_taken_not_at_all(workspace, capsys):
    assert main(["label-studio", "export", str(workspace)]) == 0
    tasks = json.loads((workspace / "tasks.json").read_text())
    for task in tasks:
        task["annotations"] = [{"created_at": "2026-01-02T10:00:00Z", "result": []}]
    tasks[1]["data"]["image_id"] = "id-z"
    (workspace / "export.json").write_text(json.dumps(tasks))
    assert main(["label-studio", "import", str(workspace / "export.json"), "--write"]) == 1
    assert "record 2: photo id-z is not in the library" in capsys.readouterr().err
    assert not (workspace / "data" / "human").exists()


def test_truth_by_hand_is_shown_before_it_is_taken(workspace, capsys):
    file = workspace / "mine.json"
    file.write_text(json.dumps([{"rel_path": "a.png", "scene": ["scene.people"]}]))
    assert main(["import-human", str(file)]) == 0
    assert "id-a: new: scene.people" in capsys.readouterr().out
    assert [*read_human_truth(workspace / "data" / "human", {}).everything.values()] == []
    assert main(["import-human", str(file), "--write", "--sample"]) == 0
    assert "how they were drawn is in data/human/draws/1.json" in capsys.readouterr().out
    truth = read_human_truth(workspace / "data" / "human", {})
    assert truth.measured["id-a"].extra["inclusion_probability"] == 1.0
    (draw,) = read_draws(workspace / "data" / "human")
    # The teacher calls a food and b something else.
    assert (draw.how, {name: stratum.photos for name, stratum in draw.strata.items()}) == (
        "stratified",
        {"scene.food": 1, "scene.other": 1},
    )
    assert draw.teacher == read_resolved().teacher.model


def test_truth_of_chosen_photos_is_taken_to_teach(workspace, capsys):
    file = workspace / "mine.json"
    file.write_text(json.dumps([{"rel_path": "b.png", "scene": ["scene.people"]}]))
    for _ in range(2):  # the second time changes nothing
        assert main(["import-human", str(file), "--teach", "--write"]) == 0
    truth = read_human_truth(workspace / "data" / "human", {})
    assert ([*truth.measured], truth.taught["id-b"].scene) == ([], ["scene.people"])
    (line,) = read_jsonl(workspace / "data" / "human" / "decisions" / "imported.jsonl", Decision)
    assert (line.purpose, line.image_id) == ("teach", "id-b")
    assert read_draws(workspace / "data" / "human") == []
    # git takes the log away: what it held is named, and comes back.
    (workspace / "data" / "human" / "decisions" / "imported.jsonl").unlink()
    capsys.readouterr()
    assert main(["restore-decisions"]) == 0
    assert "restored 1 decisions of imported" in capsys.readouterr().out
    assert read_human_truth(workspace / "data" / "human", {}).taught == truth.taught
    assert main(["restore-decisions"]) == 0
    assert capsys.readouterr().out == "nothing is missing\n"


def test_a_test_set_says_how_it_was_drawn_or_is_ones_own(workspace, capsys):
    file, human = workspace / "mine.json", workspace / "data" / "human"
    file.write_text(json.dumps([{"rel_path": "b.png", "scene": ["scene.people"]}]))
    members = {
        f"id-{name}": Membership(group=name, fold=0, role="reserved", number=place / 2)
        for place, name in enumerate("ab")
    }
    taxonomy = read_resolved().taxonomy
    assert main(["import-human", str(file), "--write"]) == 0
    sample = read_measured_sample(human, taxonomy, members)
    assert ([one.image_id for one in sample.own_set], sample.records) == (["id-b"], [])
    assert main(["import-human", str(file), "--drawn-uniformly-from", "2", "--write"]) == 0
    assert "how they were drawn is in data/human/draws/1.json" in capsys.readouterr().out
    sample = read_measured_sample(human, taxonomy, members)
    # One of two photos, drawn with the same chance, stands for both.
    assert {one.image_id: one.extra["inclusion_probability"] for one in sample.records} == {"id-b": 0.5}
    assert sample.own_set == []


def test_an_import_is_for_one_thing_only(workspace, capsys):
    with pytest.raises(SystemExit):
        main(["import-human", "mine.json", "--sample", "--teach"])
    assert "--teach: not allowed with argument --sample" in capsys.readouterr().err
