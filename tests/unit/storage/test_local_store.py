import subprocess

import pytest

from vibe_photos.storage.local_store import find_store


def git(folder, *arguments):
    identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with a worktree, and beside it a copy with its own repository, as DVC's queue makes."""
    monkeypatch.delenv("VIBE_PHOTOS_STORE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    main = tmp_path / "main"
    (main / "docs").mkdir(parents=True)
    git(main, "init", "--quiet")
    git(main, "commit", "--quiet", "--allow-empty", "-m", "first")
    git(main, "worktree", "add", "--quiet", "../worktree")
    (tmp_path / "copy").mkdir()
    git(tmp_path / "copy", "init", "--quiet")
    return main


@pytest.mark.parametrize("folder", [".", "docs", "../worktree"])
def test_the_store_is_in_the_main_checkout(checkout, folder, monkeypatch):
    monkeypatch.chdir(checkout / folder)
    assert find_store().resolve() == checkout / ".store"


@pytest.mark.parametrize("started_in", [".", "../worktree"])
def test_a_queued_experiment_uses_the_store_of_where_it_was_started(checkout, started_in, monkeypatch):
    monkeypatch.chdir(checkout.parent / "copy")
    monkeypatch.setenv("DVC_ROOT", str((checkout / started_in).resolve()))
    assert find_store().resolve() == checkout / ".store"


def test_without_git_the_store_is_in_the_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("VIBE_PHOTOS_STORE", raising=False)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.chdir(tmp_path)
    assert find_store().resolve() == tmp_path / ".store"
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))
    assert find_store() == tmp_path / "project" / ".store"


def test_the_variable_says_where(checkout, monkeypatch):
    monkeypatch.setenv("VIBE_PHOTOS_STORE", "/big/disk")
    assert str(find_store()) == "/big/disk"
