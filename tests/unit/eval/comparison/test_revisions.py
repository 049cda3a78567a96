"""A repository with two commits, an experiment and a cache, made with git alone."""

import hashlib
import subprocess
from pathlib import Path

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.eval.comparison.revisions import find_revision
from vibe_photos.settings import Paths
from vibe_photos.storage.dvc_records import Lock, changed_stages, find_commit, read_lock

LABELS, SPLITS = Path("data/labels/labels.sqlite"), Path("data/ground_truth/splits.json")


def git(*arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], check=True, capture_output=True, text=True).stdout


def lock_text(labels: bytes, tuned_on: str = "none", **more: object) -> str:
    def out(path: Path, data: bytes) -> dict[str, object]:
        return {"path": str(path), "hash": "md5", "md5": hashlib.md5(data).hexdigest(), "size": len(data)}

    params = {"data/config/resolved.yaml": {"classify": {"tuned_on": tuned_on}}}
    stages = {
        "split": {"cmd": "python split.py", "outs": [out(SPLITS, b"{}")]},
        "classify": {"cmd": "python classify.py", "params": params, "outs": [out(LABELS, labels)], **more},
    }
    return msgspec.yaml.encode({"schema": "2.0", "stages": stages}).decode()


def keep_in_cache(data: bytes, folder: Path = Path(".dvc/cache")) -> Path:
    digest = hashlib.md5(data).hexdigest()
    path = folder / "files" / "md5" / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def paths() -> Paths:
    return Paths(
        **{field: Path(field) for field in Paths.__struct_fields__} | {"labels": LABELS, "splits": SPLITS}
    )


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two commits, the first with the labels `one`, the second and the workspace with `two`."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q", "-b", "main")
    for labels in (b"one", b"two"):
        Path("dvc.lock").write_text(lock_text(labels))
        git("add", "dvc.lock")
        git("commit", "-q", "-m", labels.decode())
    return tmp_path


def test_a_commit_leads_to_its_files_in_the_cache(paths: Paths) -> None:
    one, splits = keep_in_cache(b"one"), keep_in_cache(b"{}")
    found = find_revision("HEAD~1", paths)
    assert (found.labels, found.splits) == (one, splits)
    assert not found.is_tuned_on_people()


def test_a_project_in_a_folder_of_the_repository(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("sub").mkdir()
    Path("sub/dvc.lock").write_text(lock_text(b"three"))
    git("add", "sub")
    git("commit", "-q", "-m", "three")
    monkeypatch.chdir("sub")
    keep_in_cache(b"{}")
    three = keep_in_cache(b"three")
    assert find_revision("HEAD", paths).labels == three


def test_what_is_not_in_the_cache_says_how_to_fetch_it(paths: Paths) -> None:
    keep_in_cache(b"{}")
    command = r"dvc fetch --all-commits data/labels/labels\.sqlite$"
    with pytest.raises(InputError, match=command):
        find_revision("HEAD", paths)


@pytest.mark.parametrize("config", ["config", "config.local"])
def test_the_cache_may_be_elsewhere(paths: Paths, config: str) -> None:
    for data in (b"two", b"{}"):
        kept = keep_in_cache(data, Path("big/cache"))
    Path(".dvc").mkdir()
    remote = "[core]\n    remote = far\n['remote \"far\"']\n    url = s3://x%y\n"
    Path(".dvc", config).write_text(f"{remote}[cache]\n    dir = ../big/cache\n")
    assert find_revision("HEAD", paths).splits.resolve() == kept.resolve()


def test_workspace_and_files_are_taken_as_they_are(paths: Paths) -> None:
    Path("dvc.lock").write_text(lock_text(b"three", tuned_on="human_tune_half"))
    Path("other.sqlite").write_bytes(b"")
    assert find_revision("workspace", paths).labels == LABELS
    assert find_revision("workspace", paths).is_tuned_on_people()
    assert find_revision("other.sqlite", paths).labels == Path("other.sqlite")


def test_an_experiment_by_its_name() -> None:
    first, second = git("rev-parse", "HEAD~1").strip(), git("rev-parse", "HEAD").strip()
    git("update-ref", f"refs/exps/{first[:2]}/{first[2:]}/able-seal", second)
    assert find_commit("able-seal") == second
    git("update-ref", f"refs/exps/{second[:2]}/{second[2:]}/able-seal", first)
    with pytest.raises(InputError, match="2 experiments are called able-seal"):
        find_commit("able-seal")


@pytest.mark.parametrize("name", ["nothing-like-it", "--all", ""])
def test_an_unknown_name_is_named(name: str) -> None:
    with pytest.raises(InputError, match="is no commit, no experiment, no file"):
        find_commit(name)


def test_a_commit_without_a_lock_or_with_a_broken_one(paths: Paths) -> None:
    git("rm", "-q", "dvc.lock")
    git("commit", "-q", "-m", "none")
    with pytest.raises(InputError, match=r"has no dvc\.lock"):
        find_revision("HEAD", paths)
    Path("dvc.lock").write_text("stages: {a: [")
    with pytest.raises(InputError, match=r"dvc\.lock of the workspace cannot be read"):
        read_lock()


def test_labels_that_no_stage_writes(paths: Paths) -> None:
    with pytest.raises(InputError, match=r"HEAD has no elsewhere\.sqlite"):
        find_revision("HEAD", msgspec.structs.replace(paths, labels=Path("elsewhere.sqlite")))


def test_stages_that_changed() -> None:
    one, two = (msgspec.yaml.decode(lock_text(labels), type=Lock) for labels in (b"one", b"two"))
    assert changed_stages(one, two) == ["classify"]
    assert changed_stages(one, one) == []
    assert changed_stages(Lock(), one) == ["split", "classify"]
