"""`vibe-photos new`: a user's own project, without a trace of the demo."""

import json
import subprocess

import pytest
import yaml
from tests.e2e.conftest import Checkout

pytestmark = pytest.mark.timeout(900)

SHORT = "0123456789abcdef"


def _files(checkout, commit="HEAD"):
    listed = checkout.run("git", "ls-tree", "-r", "-z", "--name-only", commit).stdout
    return set(filter(None, listed.split("\0")))


def _top_level(files):
    return {path.partition("/")[0] for path in files}


def test_it_has_the_code_and_nothing_of_the_demo(started):
    ours, theirs = _files(started.project), _files(started.clone)
    assert ours < theirs
    assert _top_level(ours) == _top_level(theirs) - {"dvc.lock"}
    left_out = theirs - ours
    assert {path for path in left_out if not path.startswith("data/")} == {"dvc.lock"}
    data = {path for path in ours if path.startswith("data/")}
    assert {path for path in data if not path.endswith(".gitignore")} == {"data/human/README.md"}
    for path in ours - {"params.yaml", ".dvc/config", "README.md"}:
        assert started.project.bytes(path) == started.clone.bytes(path)
    assert b"is a project for one photo library" in started.project.bytes("README.md")


def test_its_settings_are_what_was_asked_for(started):
    params = yaml.safe_load(started.project.bytes("params.yaml"))
    theirs = yaml.safe_load(started.clone.bytes("params.yaml"))
    assert params["use"] == {"teacher": "offline", "taxonomy": "m2", "embedder": "hog"}
    assert params["library"] == {"root": str(started.photos), "content_hash": "xxh3_128"}
    assert params["sample"]["size"] == 16  # a third of the 47 photos
    thresholds = {
        key: set(params["classify"][f"{key}_threshold"].values()) for key in ("attribute", "object")
    }
    assert params["classify"].keys() == theirs["classify"].keys()
    assert thresholds == {"attribute": {0.5}, "object": {0.5}}  # not those that were chosen for the demo
    assert params.keys() == theirs.keys() - {"train"}
    assert b"demo" not in started.project.bytes("params.yaml")


def test_its_history_is_its_own(started):
    project = started.project
    subjects = project.run("git", "log", "--format=%s").stdout.splitlines()
    assert subjects[0] == "A project for photos"
    assert subjects[1].startswith("vibe-photos at ")
    assert len(subjects) == 2
    assert project.run("git", "status", "--porcelain").stdout == ""
    assert project.run("dvc", "remote", "list").stdout == ""


def test_a_newer_version_can_be_fetched_and_nothing_pushed(fresh):
    project = fresh.project
    project.run("git", "fetch", "upstream")
    before = _files(fresh.clone)
    for push in (["git", "push", "upstream", "main"], ["git", "push", "--all", "upstream"]):
        refused = project.run(*push, check=False)
        assert refused.returncode
        assert "only-fetched-never-pushed" in refused.stdout
    assert project.run("git", "push", check=False).returncode
    assert _files(fresh.clone) == before


def test_lint_types_and_the_tests_that_need_no_demo_run_in_it(fresh):
    """What `make test` runs, but of the tests only a few, to be quick."""
    project = fresh.project
    at_home = {"PYTHONPATH": f"{project.root}/src:{project.root}"}
    for command in ("ruff format --check .", "ruff check .", "lint-imports"):
        project.run(*command.split(), **at_home)
    tests = ["tests/architecture/test_layers.py", "tests/unit/classify", "tests/unit/test_configuration.py"]
    ran = project.run("python", "-m", "pytest", "-p", "no:cacheprovider", *tests, **at_home)
    assert " passed" in ran.stdout
    assert "no demo library here, so these tests were left out: " in ran.stdout


@pytest.fixture(scope="module")
def beside(home, tmp_path_factory):
    """A folder with a clone, in which git knows who commits, and one photo."""
    folder = tmp_path_factory.mktemp("beside")
    subprocess.run(["git", "clone", "--quiet", str(home / "clone"), str(folder / "clone")], check=True)
    Checkout(folder / "clone").run("git", "config", "user.name", "Test")
    Checkout(folder / "clone").run("git", "config", "user.email", "test@example.org")
    (folder / "photos").mkdir()
    (folder / "photos" / "a.jpg").touch()
    return folder


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["clone/inside", "--photos", "{photos}"], "is inside this clone"),
        (["photos/inside", "--photos", "{photos}"], "is inside the photo folder"),
        (["no/where", "--photos", "{photos}"], "does not exist: create it first"),
        (["photos", "--photos", "{photos}"], "exists and is not empty"),
        (["project", "--photos", "photos"], "is a relative path: write the full path"),
        (["project", "--photos", "{photos}/nowhere"], "is not a folder"),
        (["project", "--photos", "{clone}/conf"], "has no photos: no file in it ends in jpg"),
        (
            ["project", "--photos", "{photos}", "--teacher", "demo"],
            "--teacher demo does not exist: choose one of offline, qwen3",
        ),
        (
            ["project", "--photos", "{photos}", "--embedder", "x"],
            "--embedder x does not exist: choose one of database, hog",
        ),
        (["project", "--photos", "{photos}", "--annotations", "{clone}/README.md"], "has no answers"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_written(beside, arguments, what):
    """Of each one sentence."""
    clone = beside / "clone"
    given = [argument.format(photos=beside / "photos", clone=clone) for argument in arguments]
    given[0] = str(beside / given[0])
    before = sorted(beside.rglob("[!.]*"))
    ended = subprocess.run(
        ["vibe-photos", "new", *given], cwd=clone, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert what in ended.stderr
    assert sorted(beside.rglob("[!.]*")) == before


@pytest.mark.parametrize(
    ("ids", "model", "flags", "chosen"),
    [
        ([], None, ["--content-hash", "xxh64"], ("qwen3_vl_32b", "xxh64")),
        ([SHORT], None, [], ("offline", "xxh64")),
        ([SHORT], None, ["--content-hash", "xxh64", "--teacher", "qwen3_vl_8b"], ("qwen3_vl_8b", "xxh64")),
        ([SHORT * 2], "Qwen/Qwen3-VL-8B-Instruct", [], ("qwen3_vl_8b", "xxh3_128")),
        (
            [SHORT * 2],
            None,
            ["--content-hash", "xxh64"],
            "are xxh3_128, so no photo would match its answer",
        ),
        ([SHORT * 2], "GPT", [], "no teacher in conf/teacher uses that model: choose one"),
        ([SHORT, SHORT * 2], None, [], "all ids must have 16 hex digits"),
        (["IMG_1.jpg"], None, [], "all ids must have 16 hex digits"),
    ],
)
def test_given_answers_decide_ids_and_teacher(home, tmp_path, ids, model, flags, chosen):
    given = tmp_path / "given.jsonl"
    records = [
        {"image_id": image_id, "annotation": {"scene": "food"}} | ({"model": model} if model else {})
        for image_id in ids
    ]
    given.write_text("".join(json.dumps(record) + "\n" for record in records))
    command = ["vibe-photos", "new", str(tmp_path / "project"), "--photos", str(home / "photos")]
    ended = subprocess.run(
        [*command, *(["--annotations", str(given)] if ids else []), *flags],
        cwd=home / "clone",
        capture_output=True,
        text=True,
        check=False,
    )
    if isinstance(chosen, str):
        assert chosen in ended.stderr
        assert not (tmp_path / "project").exists()
    else:
        params = yaml.safe_load((tmp_path / "project" / "params.yaml").read_text())
        assert (params["use"]["teacher"], params["library"]["content_hash"]) == chosen


def test_where_a_model_file_goes_is_said(beside):
    given = (str(beside / "with_onnx"), "--photos", str(beside / "photos"), "--embedder", "onnx")
    ended = subprocess.run(
        ["vibe-photos", "new", *given], cwd=beside / "clone", capture_output=True, text=True, check=False
    )
    assert "\n  cp MODEL.onnx models/encoder.onnx\n" in ended.stdout
