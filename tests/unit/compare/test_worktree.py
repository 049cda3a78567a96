"""`vibe-photos compare --compute` in a small project of git and DVC that lacks files of its own commit."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.hand_made_library import write_truth
from tests.unit.locked_project import git

from vibe_photos.cli import main
from vibe_photos.lineage import find_cached_object, read_lock
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Settings

LABELS = Path("data/labels/labels.sqlite")
CACHE, RUNS = Path(".dvc/cache"), Path(".store/runs")
IDS = [f"p{number:02d}" for number in range(30)]
PIPELINE = """\
stages:
  scan:
    cmd: python -m at_hand scan photos photos.txt
    always_changed: true
    outs: [photos.txt]
  split:
    cmd: python -m at_hand split splits.source data/ground_truth/splits.json
    deps: [splits.source, photos.txt]
    outs: [data/ground_truth/splits.json]
  classify:
    cmd: python -m at_hand classify labels.source data/labels/labels.sqlite
    deps: [labels.source, data/ground_truth/splits.json, src/at_hand.py]
    outs: [data/labels/labels.sqlite]
"""
CODE = """\
import os, sys
from pathlib import Path
stage, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
target.parent.mkdir(parents=True, exist_ok=True)
target.write_bytes("".join(os.listdir(source)).encode() if source.is_dir() else source.read_bytes())
with open(os.path.join(os.environ.get("VIBE_PHOTOS_STORE", ".store"), "runs"), "a") as runs:
    print(stage, file=runs)
"""


def dvc(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True)


@pytest.fixture
def project(
    library: Settings,
    repository: Path,
    write_table: Callable[..., Path],
    write_roles: Callable[..., Path],
    make_truth: Callable[..., GroundTruth],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """Commit labels of which twelve are wrong; the workspace has all right. Photos are outside git."""
    root = tmp_path / "project"
    for folder in ("photos", "src", "data/config", "conf", ".dvc", ".store"):
        (root / folder).mkdir(parents=True)
    monkeypatch.chdir(root)
    monkeypatch.setenv("PYTHONPATH", "src")
    monkeypatch.delenv("VIBE_PHOTOS_STORE", raising=False)
    for file in ("conf/config.yaml", "data/config/resolved.yaml"):
        Path(file).write_bytes((repository / file).read_bytes())
    resolved = Path("data/config/resolved.yaml")
    resolved.write_text(resolved.read_text().replace("root: data/demo/photos", "root: photos"))
    write_truth(library, [make_truth(image_id, "food") for image_id in IDS])
    library.paths.human.rename("data/human")
    write_roles(dict.fromkeys(IDS, "reserved")).rename("splits.source")
    Path("src/at_hand.py").write_text(CODE)
    Path("photos/a.jpg").touch()
    Path("dvc.yaml").write_text(PIPELINE)
    Path(".dvc/config").touch()
    Path(".gitignore").write_text("/photos/\n/photos.txt\n/data/labels/\n/data/ground_truth/\n/.store/\n")
    Path(".dvc/.gitignore").write_text("/config.local\n/tmp\n/cache\n")
    git("init", "-q", "-b", "main")
    scenes = {i: "scene.people" if i in IDS[:12] else "scene.food" for i in IDS}
    write_table({i: {scene: (0.9, 1)} for i, scene in scenes.items()}).rename("labels.source")
    dvc("repro", "-q")
    git("add", "-A")
    git("commit", "-q", "-m", "twelve wrong")
    write_table({i: {"scene.food": (0.9, 1)} for i in IDS}).replace(LABELS)
    RUNS.unlink()
    return root


def compare(capsys: pytest.CaptureFixture[str], *options: str) -> float:
    """Return scene accuracy of HEAD as `compare` says it."""
    assert main(["compare", "HEAD", *options, "--json"]) == 0
    [accuracy] = json.loads(capsys.readouterr().out)["figures"]
    return accuracy["before"]


@pytest.mark.usefixtures("project")
def test_labels_of_a_commit_are_computed_beside_the_workspace(capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(CACHE)
    assert main(["compare", "HEAD"]) == 1
    assert "Repeat this command with --compute" in capsys.readouterr().err
    # What is not committed is not in the labels of the commit.
    Path("labels.source").write_bytes(LABELS.read_bytes())
    Path("src/at_hand.py").write_text("raise SystemExit('the workspace was imported')")
    before = {
        path: path.read_bytes() for path in Path().rglob("*") if path.is_file() and ".git" not in path.parts
    }
    assert compare(capsys, "--compute") == 0.6
    # All stages ran, with this project's store, and saw its photos.
    assert RUNS.read_text().split() == ["scan", "split", "classify"]
    assert find_cached_object(read_lock().find_out(Path("photos.txt"))[1]).read_text() == "a.jpg"
    assert {path: path.read_bytes() for path in before} == before
    assert git("status", "--porcelain").split() == ["M", "labels.source", "M", "src/at_hand.py"]
    assert len(git("worktree", "list").splitlines()) == 1
    # The cache has them now, and HEAD's record is what was committed.
    assert main(["compare", "HEAD", "--brief"]) == 0
    assert capsys.readouterr().out.startswith("ran since HEAD: no stage\n")
    assert compare(capsys) == 0.6


def test_only_what_is_missing_runs_and_a_failure_leaves_nothing_behind(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    find_cached_object(read_lock().find_out(LABELS)[1]).unlink()
    # The commit's list of photos stays as it was, whatever is in the library today.
    Path("photos/b.jpg").touch()
    assert compare(capfd, "--compute") == 0.6
    assert RUNS.read_text().split() == ["classify"]

    Path("src/at_hand.py").write_text("raise SystemExit(3)")
    git("commit", "-q", "-a", "-m", "broken")
    find_cached_object(read_lock().find_out(LABELS)[1]).unlink()
    assert main(["compare", "HEAD", "--compute"]) == 1
    assert "error: the labels of HEAD could not be computed" in capfd.readouterr().err
    assert len(git("worktree", "list").splitlines()) == 1
    assert LABELS.is_file()


@pytest.mark.usefixtures("project")
def test_what_a_remote_has_is_fetched(capsys: pytest.CaptureFixture[str]) -> None:
    Path(".dvc/config.local").write_text(
        "[core]\n    remote = far\n['remote \"far\"']\n    url = ../../far\n"
    )
    dvc("push", "-q")
    shutil.rmtree(CACHE)
    assert compare(capsys, "--compute") == 0.6
    assert not RUNS.exists()
