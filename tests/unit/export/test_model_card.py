"""What the card says of the data, in a real git repository."""

import hashlib
import subprocess

import msgspec
import pytest

from vibe_photos.export.model_card import find_data_revision
from vibe_photos.heads.linear import head_path
from vibe_photos.records.taxonomy import HEADS


@pytest.fixture
def checkout(small_settings, tmp_path, monkeypatch):
    """A repository with heads that its `dvc.lock` names; yields settings with relative paths."""
    monkeypatch.chdir(tmp_path)
    paths = msgspec.structs.replace(small_settings.paths, models=tmp_path.relative_to(tmp_path) / "models")
    (tmp_path / "models").mkdir()
    outs = [{"path": small_settings.paths.photos.as_posix(), "md5": "0123"}]
    for level in HEADS:
        content = head_path(small_settings.paths.models, level).read_bytes()
        path = head_path(paths.models, level)
        path.write_bytes(content)
        outs.append({"path": path.as_posix(), "md5": hashlib.md5(content, usedforsecurity=False).hexdigest()})
    (tmp_path / "dvc.lock").write_bytes(
        msgspec.yaml.encode({"stages": {"all": {"cmd": "make", "outs": outs}}})
    )
    return msgspec.structs.replace(small_settings, paths=paths)


def commit():
    git = ["git", "-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "--quiet"], ["add", "dvc.lock"], ["commit", "--quiet", "--message", "lock"]):
        subprocess.run([*git, *command], check=True)
    return subprocess.run(
        ["git", "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_commit_and_hashes_of_what_decides_labels(checkout):
    name = commit()
    revision = find_data_revision(checkout)
    assert revision.commit == name
    assert revision.is_committed
    assert revision.changed == []
    assert revision.files[checkout.paths.photos.as_posix()] == "0123"
    assert set(revision.files) == {
        checkout.paths.photos.as_posix(),
        *(f"models/{level}_head_from_qwen.pt" for level in HEADS),
    }


def test_a_lock_that_is_not_the_commits_and_a_head_that_is_not_the_locks_are_told(checkout, tmp_path):
    commit()
    (tmp_path / "models" / "object_head_from_qwen.pt").write_bytes(b"another")
    lock = (tmp_path / "dvc.lock").read_text()
    (tmp_path / "dvc.lock").write_text(lock.replace("'0123'", "'4567'").replace("cmd: make", "cmd: other"))
    revision = find_data_revision(checkout)
    assert not revision.is_committed
    assert revision.changed == ["models/object_head_from_qwen.pt"]


def test_outside_of_git_there_is_no_commit(checkout, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "dvc.lock").unlink()
    revision = find_data_revision(checkout)
    assert (revision.commit, revision.is_committed, revision.files) == (None, False, {})
    assert len(revision.changed) == 3
