"""A commit, a file or the workspace leads to the files of a configuration."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.locked_project import LABELS, SPLITS, commit_twice, git, keep_in_cache, lock_text

from vibe_photos.compare.revisions import find_revision
from vibe_photos.errors import InputError
from vibe_photos.settings import Paths


@pytest.fixture
def paths() -> Paths:
    return Paths(
        **{field: Path(field) for field in Paths.__struct_fields__} | {"labels": LABELS, "splits": SPLITS}
    )


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commit_twice()


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


def test_what_is_not_on_this_machine_says_how_to_get_it(paths: Paths) -> None:
    keep_in_cache(b"{}")
    with pytest.raises(InputError) as raised:
        find_revision("HEAD", paths)
    assert str(raised.value) == (
        "data/labels/labels.sqlite of HEAD is not on this machine. Repeat this command with --compute: it "
        "checks HEAD out in a temporary folder and runs dvc repro there"
    )
    Path(".dvc/config").write_text("[core]\n    remote = far\n")
    with pytest.raises(InputError, match=r"dvc fetch --all-commits data/labels/labels\.sqlite\. Or repeat"):
        find_revision("HEAD", paths)


def test_a_workspace_that_still_has_the_committed_file_stands_in_for_the_cache(paths: Paths) -> None:
    keep_in_cache(b"{}")
    LABELS.parent.mkdir(parents=True)
    LABELS.write_bytes(b"two")
    assert find_revision("HEAD", paths).labels == LABELS
    with pytest.raises(InputError, match="HEAD~1 is not on this machine"):
        find_revision("HEAD~1", paths)


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


def test_a_commit_without_a_lock(paths: Paths) -> None:
    git("rm", "-q", "dvc.lock")
    git("commit", "-q", "-m", "none")
    with pytest.raises(InputError, match=r"has no dvc\.lock"):
        find_revision("HEAD", paths)


def test_labels_that_no_stage_writes(paths: Paths) -> None:
    with pytest.raises(InputError, match=r"HEAD has no elsewhere\.sqlite"):
        find_revision("HEAD", msgspec.structs.replace(paths, labels=Path("elsewhere.sqlite")))
