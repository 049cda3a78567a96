"""Another project takes the truth or the heads alone, by `dvc get` and `dvc import`."""

import pytest

HEAD = "models/scene_head_from_qwen.pt"
AUTO = "data/ground_truth/auto/ground_truth_auto.jsonl"
HUMAN = "data/human/ground_truth_human.audited.json"
DOCUMENTED = "https://git.example.org/anna/photos.git"


@pytest.fixture
def app(pushed, tmp_path):
    """Another git repository with DVC, and nothing of vibe-photos."""
    (tmp_path / "app").mkdir()
    app = type(pushed)(type(pushed.checkout)(tmp_path / "app"))
    app.run("git", "init", "--quiet")
    app.run("dvc", "init", "--quiet")
    return app


def test_truth_and_heads_are_had_one_by_one(pushed, app, documented):
    for command in documented("In another project"):
        app.shell(command.replace(DOCUMENTED, str(pushed.root)))
    for path, there in ((AUTO, AUTO.split("/")[-1]), (HUMAN, HUMAN.split("/")[-1]), (HEAD, HEAD)):
        assert app.bytes(there) == pushed.bytes(path)


def test_an_import_follows_the_project(owner, app):
    app.run("dvc", "import", str(owner.root), AUTO)
    first = app.bytes("ground_truth_auto.jsonl")
    assert first == owner.bytes(AUTO)
    owner.replace("params.yaml", "min_object_confidence: 0.7", "min_object_confidence: 0.9")
    owner.repro("convert")
    owner.commit("surer objects")
    owner.run("dvc", "push", "convert")
    app.run("dvc", "update", "ground_truth_auto.jsonl.dvc")
    assert app.bytes("ground_truth_auto.jsonl") == owner.bytes(AUTO) != first
