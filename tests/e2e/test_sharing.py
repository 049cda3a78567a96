"""Experiments re-pay nothing; datasets travel between clones; what people wrote survives."""

import csv
import io
import json

AUDITED = "data/human/ground_truth_human.audited.json"


def test_a_queued_experiment_finds_the_store(checkout):
    """It runs in a copy of the workspace; this one annotates anew, the first ten photos only."""
    before = checkout.paid()
    # No recorded answer is left: whatever is asked again fails, and the stage with it.
    (checkout.root / "data/demo/teacher_answers.simulated.jsonl").write_text("")
    checkout.commit("no answers")
    checkout.run("dvc", "exp", "run", "--queue", "-n", "queued", "-S", "+annotate.budget=10", "annotate")
    checkout.run("dvc", "exp", "run", "--run-all")
    assert checkout.paid() == before
    table = csv.DictReader(io.StringIO(checkout.run("dvc", "exp", "show", "--csv").stdout))
    (queued,) = [row for row in table if row["Experiment"] == "queued"]
    assert queued["State"] == "Success"
    assert queued["answered"] == "10"


def test_a_second_clone_pulls_the_same_has_nothing_to_do_and_pays_nothing(checkout, tmp_path):
    checkout.run("dvc", "remote", "add", "--default", "shared", str(tmp_path / "remote"))
    checkout.commit("a remote")
    checkout.run("dvc", "push")
    checkout.run("git", "clone", "--quiet", str(checkout.root), str(tmp_path / "colleague"))
    colleague = type(checkout)(tmp_path / "colleague")
    colleague.run("dvc", "pull")
    assert colleague.repro().ran == set()
    assert colleague.run("git", "status", "--porcelain").stdout == ""
    for out in ("data/labels/labels.sqlite", "models/scene_head_from_qwen.pt", "data/report/index.html"):
        assert colleague.bytes(out) == checkout.bytes(out)
    raw = colleague.bytes("data/annotations/qwen_vl_raw_annotations.jsonl")
    # No recorded answer is left, and no store: whatever is asked again fails.
    (colleague.root / "data/demo/teacher_answers.simulated.jsonl").write_text("")
    result = colleague.repro("--force", "--single-item", "annotate")
    assert result.ran == {"annotate"}
    assert colleague.bytes("data/annotations/qwen_vl_raw_annotations.jsonl") == raw
    assert "vectors reused, 0 computed" in colleague.repro("--force", "--single-item", "embed").text


def test_an_experiment_pays_nothing_is_shown_and_leaves_what_people_wrote(checkout):
    records = json.loads(checkout.bytes(AUDITED))
    records[0]["note"] = "ça va"
    written = json.dumps(records, ensure_ascii=False).encode()
    (checkout.root / AUDITED).write_bytes(written)
    assert checkout.repro("agreement").ran >= {"split", "agreement"}
    assert checkout.bytes(AUDITED) == written
    before = checkout.paid()
    said = checkout.run("dvc", "exp", "run", "-n", "classic", "-S", "use.embedder=hog", "embed").stdout
    assert "model hog-" in said
    assert checkout.paid() == before
    assert checkout.bytes(AUDITED) == written
    assert "classic" in checkout.run("dvc", "exp", "show", "--csv").stdout
    checkout.run("dvc", "checkout", "--force")
    assert checkout.bytes(AUDITED) == written


def test_an_edited_sample_stops_the_stage_with_the_way_out(checkout):
    path = "data/ground_truth/to_review.json"
    edited = checkout.bytes(path).replace(b"scene.people", b"scene.food", 1)
    (checkout.root / path).write_bytes(edited)
    result = checkout.repro("sample", check=False)
    assert result.status != 0
    assert "was edited" in result.text
    assert AUDITED in result.text
    assert checkout.bytes(path) == edited
