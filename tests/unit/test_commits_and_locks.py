"""What git and dvc.lock record about a project, read without DVC."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.locked_project import commit_twice, git, lock_text

from vibe_photos.errors import InputError
from vibe_photos.lineage import GitError, Lock, changed_stages, find_commit, read_lock, run_git


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commit_twice()


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


def test_a_broken_lock_is_named() -> None:
    Path("dvc.lock").write_text("stages: {a: [")
    with pytest.raises(InputError, match=r"dvc\.lock of the workspace cannot be read"):
        read_lock()


def test_git_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(GitError, match="`git rev-parse --verify nothing` failed: fatal"):
        run_git("rev-parse", "--verify", "nothing")
    # sha1 of "blob 3", a zero byte, and "abc".
    assert run_git("hash-object", "--stdin", text="abc") == "f2ba8f84ab5c1bce84a7b441cb1959cfc7093b7f\n"
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="git is not installed"):
        find_commit("HEAD")


def test_stages_that_changed() -> None:
    one, two = (msgspec.yaml.decode(lock_text(labels), type=Lock) for labels in (b"one", b"two"))
    assert changed_stages(one, two) == ["classify"]
    assert changed_stages(one, one) == []
    assert changed_stages(Lock(), one) == ["split", "classify"]
