import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.errors import InputError
from vibe_photos.human_truth.backup import backup_log
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.label_studio.annotations import ORIGINAL, find_differences, read_annotations
from vibe_photos.label_studio.interface import Interface
from vibe_photos.label_studio.tasks import CONFIG_FILE, TASKS_FILE, TaskPhoto, write_project
from vibe_photos.records.ground_truth import Decision, GroundTruth
from vibe_photos.records.photos import Photo
from vibe_photos.records.taxonomy import head_keys
from vibe_photos.review.decisions import append_lines
from vibe_photos.storage.jsonl import read_jsonl

PHOTOS = [
    Photo(image_id="id-a", rel_path="2019/Zoë & Bob?.JPG", bytes=1, format="JPEG"),
    Photo(image_id="id-b", rel_path="b\\xff.jpg", bytes=1, format="JPEG"),
]
FOOD = GroundTruth(image_id="id-a", scene=["scene.food"], attributes={"attr.has_text": False})


@pytest.fixture(scope="module")
def interface(taxonomy):
    return Interface(taxonomy)


def annotate(task, interface, truth=None, by=3, at="2026-01-02T10:00:00.500000Z", **fields):
    """Return the task with an annotation more; without a truth the predictions are accepted as they are."""
    results = task["predictions"][0]["result"] if truth is None else interface.write_results(truth)
    annotation = {
        "id": len(task.get("annotations", [])) + 100,
        "completed_by": by,
        "result": results,
        "was_cancelled": False,
        "created_at": "2026-01-02T09:00:00.000000Z",
        "updated_at": at,
        "lead_time": 4.288,
        **fields,
    }
    return {**task, "annotations": [*task.get("annotations", []), annotation]}


@pytest.fixture
def task(tmp_path, interface):
    write_project(tmp_path, [TaskPhoto(PHOTOS[0], FOOD, "teach")], interface, "qwen", "/data/local-files/?d=")
    return json.loads((tmp_path / TASKS_FILE).read_text())[0]


@pytest.fixture
def read(tmp_path, interface):
    def read(*tasks, names=None):
        file = tmp_path / "export.json"
        file.write_text(json.dumps(tasks))
        return read_annotations(file, PHOTOS, interface, tmp_path, names or {})

    return read


def test_a_task_names_the_photo_and_holds_what_the_teacher_said(task, interface, tmp_path):
    assert task["data"] == {
        "image": "/data/local-files/?d=2019/Zo%C3%AB%20%26%20Bob%3F.JPG",
        "image_id": "id-a",
        "rel_path": "2019/Zoë & Bob?.JPG",
        "purpose": "teach",
    }
    assert task["predictions"] == [{"model_version": "qwen", "result": interface.write_results(FOOD)}]
    assert (tmp_path / CONFIG_FILE).read_text() == interface.write_config()


def test_a_name_that_is_no_text_is_addressed_by_its_bytes_and_no_answer_is_no_prediction(tmp_path, interface):
    write_project(tmp_path, [TaskPhoto(PHOTOS[1], None, "measure")], interface, "qwen", "https://photos/")
    (task,) = json.loads((tmp_path / TASKS_FILE).read_text())
    assert task["data"]["image"] == "https://photos/b%FF.jpg"
    assert "predictions" not in task


def test_an_annotation_becomes_a_decision_with_all_that_came(read, task, interface, tmp_path):
    labelled = annotate(task, interface, unique_id="4f", last_action="submitted")
    found = read(labelled)
    append_lines(tmp_path, tmp_path / "store", found.lines)
    (line,) = read_jsonl(tmp_path / "decisions" / "label-studio-3.jsonl", Decision)
    assert (line.image_id, line.decided_at, line.seen) == ("id-a", "2026-01-02T10:00:00.500000Z", ["teacher"])
    (record,) = [*read_human_truth(tmp_path, {}).everything.values()]
    assert (record.scene, record.attributes, record.objects) == (FOOD.scene, FOOD.attributes, [])
    assert record.extra == {ORIGINAL: labelled["annotations"][0]}
    # What the task was for says what its labels do, and the store has the same line.
    assert (line.purpose, [*read_human_truth(tmp_path, {}).taught]) == ("teach", ["id-a"])
    assert list(read_jsonl(backup_log(tmp_path / "store", "label-studio-3"), Decision)) == [line]


def test_the_same_file_twice_and_in_another_order_changes_nothing(read, task, interface, tmp_path):
    other = {**task, "data": {**task["data"], "image_id": "id-b"}}
    first, second = (
        annotate(task, interface),
        annotate(other, interface),
    )  # at the same time to the microsecond
    append_lines(tmp_path, tmp_path / "store", read(first, second).lines)
    logs = {path: path.read_bytes() for path in (tmp_path / "decisions").iterdir()}
    for tasks in ((first, second), (second, first)):
        found = read(*tasks)
        assert (found.lines, found.counts["known"]) == ({}, 2)
    changed = read(annotate(task, interface, lead_time=9.9), second)
    assert changed.counts["annotations"] == 1
    assert {path: path.read_bytes() for path in logs} == logs
    times = [line.decided_at for line in read_jsonl(next(iter(logs)), Decision)]
    assert times == ["2026-01-02T10:00:00.500000Z", "2026-01-02T10:00:00.500001Z"]


def test_of_the_prediction_that_an_annotation_began_from_only_the_id_is_kept(read, task, interface, tmp_path):
    def export(ago):
        return annotate(task, interface, prediction={"id": 7, "created_ago": ago, "result": []})

    append_lines(tmp_path, tmp_path / "store", read(export("0 minutes")).lines)
    assert read(export("2 hours")).counts["known"] == 1
    (record,) = [*read_human_truth(tmp_path, {}).everything.values()]
    assert record.extra[ORIGINAL]["prediction"] == 7


def test_two_annotators_count_as_two_reviewers(read, task, interface, tmp_path, taxonomy):
    people = GroundTruth(image_id="id-a", scene=["scene.people"])
    both = annotate(annotate(task, interface), interface, people, by=4, at="2026-01-02T12:00:00+01:00")
    found = read(both, names={"4": "ada"})
    assert {reviewer: len(lines) for reviewer, lines in found.lines.items()} == {
        "label-studio-3": 1,
        "ada": 1,
    }
    differences = find_differences(tmp_path, taxonomy, found.lines)
    assert differences.changes == ["id-a: new: scene.people objects=none"]
    assert differences.disagreements == [
        "id-a: label-studio-3 says scene.food attr.has_text=no objects=none; "
        "ada says scene.people objects=none"
    ]
    append_lines(tmp_path, tmp_path / "store", found.lines)
    assert [record.scene for record in [*read_human_truth(tmp_path, {}).everything.values()]] == [
        ["scene.people"]
    ]


def test_what_was_decided_later_stands_and_is_named(read, task, interface, tmp_path, taxonomy):
    later = annotate(task, interface, by=4, at="2026-03-01T10:00:00Z")
    append_lines(tmp_path, tmp_path / "store", read(later, names={"4": "ada"}).lines)
    found = read(annotate(task, interface, GroundTruth(image_id="id-a", scene=["scene.other"])))
    differences = find_differences(tmp_path, taxonomy, found.lines)
    assert differences.changes == []
    assert differences.unchanged_by_later == ["id-a: ada decided later"]


def test_a_skipped_task_is_a_skip_and_decides_nothing(read, task, interface, tmp_path):
    skipped = annotate(task, interface, was_cancelled=True)
    found = read(skipped, {**task, "annotations": []})
    assert (found.counts["skips"], found.counts["unlabelled"], found.counts["annotations"]) == (1, 1, 0)
    append_lines(tmp_path, tmp_path / "store", found.lines)
    (line,) = read_jsonl(tmp_path / "decisions" / "label-studio-3.jsonl", Decision)
    assert (line.kind, line.after) == ("skip", {ORIGINAL: skipped["annotations"][0]})
    assert [*read_human_truth(tmp_path, {}).everything.values()] == []
    assert read(skipped).counts["known"] == 1


@pytest.mark.parametrize(
    ("person", "reviewer"),
    [
        (3, "ada"),
        ({"id": 3, "email": "ada@example.org", "first_name": "Ada"}, "ada"),
        ({"id": 5, "email": "bob@example.org"}, "bob"),
        (9, "label-studio-9"),
        (None, "label-studio-unknown"),
    ],
)
def test_an_annotator_is_named_by_id_or_address(read, task, interface, person, reviewer):
    names = {"3": "ada", "bob@example.org": "bob"}
    assert list(read(annotate(task, interface, by=person), names=names).lines) == [reviewer]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": {"image_id": "id-z"}, "annotations": []}, "record 1: photo id-z is not in the library"),
        ({"data": {"image": "x.jpg"}}, "record 1: not a Label Studio task: .*image_id"),
        ({"annotations": [7]}, "record 1: not a Label Studio task"),
        (
            {"annotations": [{"result": []}]},
            r"annotation 1 \(photo id-a\): not a Label Studio annotation: .*created_at",
        ),
        (
            {"annotations": [{"created_at": "2026-01-02T10:00:00Z", "result": [{"from_name": "scene"}]}]},
            r"annotation 1 \(photo id-a\): scene has a value",
        ),
        (
            {"annotations": [{"created_at": "2026-01-02T10:00:00Z", "result": [], "completed_by": "../x"}]},
            "cannot be a file name",
        ),
    ],
)
def test_each_problem_is_named_with_its_place(read, task, change, reason):
    found = read({**task, **change})
    assert found.lines == {}
    (problem,) = found.problems
    assert re.search(reason, problem), problem


def test_the_short_export_is_refused_by_name(read):
    with pytest.raises(InputError, match="JSON-MIN export"):
        read({"image": "x.jpg", "image_id": "id-a", "scene": "food", "annotator": 1, "annotation_id": 100})


@given(st.data())
def test_truth_goes_out_is_accepted_and_comes_back_the_same(tmp_path_factory, interface, taxonomy, data):
    folder = tmp_path_factory.mktemp("round_trip")
    truths = [
        GroundTruth(
            image_id=photo.image_id,
            scene=data.draw(st.lists(st.sampled_from(head_keys(taxonomy, "scene")), max_size=1)),
            attributes=data.draw(
                st.dictionaries(st.sampled_from(head_keys(taxonomy, "attribute")), st.booleans())
            ),
            objects=sorted(data.draw(st.sets(st.sampled_from(head_keys(taxonomy, "object"))))),
        )
        for photo in PHOTOS
    ]
    asked = [TaskPhoto(photo, truth, "measure") for photo, truth in zip(PHOTOS, truths, strict=True)]
    write_project(folder, asked, interface, "qwen", "/")
    export = [annotate(task, interface) for task in json.loads((folder / TASKS_FILE).read_text())]
    (folder / "export.json").write_text(json.dumps(export))
    found = read_annotations(folder / "export.json", PHOTOS, interface, folder, {})
    append_lines(folder, folder / "store", found.lines)
    audited = [*read_human_truth(folder, {}).everything.values()]
    assert [(r.image_id, r.scene, r.attributes, r.objects) for r in audited] == [
        (r.image_id, r.scene, r.attributes, r.objects) for r in truths
    ]
