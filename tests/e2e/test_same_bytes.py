"""The demo gives the bytes that git has, whichever instructions a processor has."""

import os
import sys

import pytest
import yaml
from tests.e2e.conftest import Checkout, clone_tree_at_hand
from tests.profiles import find_wrong_kernels, list_missing

NAME = os.environ.get("VIBE_PHOTOS_PROFILE", "oldest")
"""The profile of the whole suite; without one, what differs most from this processor."""


@pytest.mark.timeout(1800)
def test_the_demo_from_nothing_leaves_git_clean(repository, tmp_path):
    """A clone has an empty store and an empty cache, so every answer, vector and head is computed again."""
    missing = list_missing(NAME)
    if missing:
        pytest.skip(f"this processor lacks {', '.join(missing)}")
    assert find_wrong_kernels(NAME) == []
    clone = clone_tree_at_hand(repository, tmp_path / "clone")
    command = (sys.executable, "-m", "tests.profiles", "run", NAME, "--", "dvc", "repro", "--force")
    ran = clone.run(*command, OMP_NUM_THREADS="1")  # nothing depends on how many threads there are
    changed = clone.run("git", "status", "--porcelain").stdout
    if changed:
        metrics = clone.run("git", "diff", "--", "data", "models").stdout
        outs = "\n".join(list_changed_outs(clone))
        pytest.fail(
            f"profile {NAME} changed\n{changed}\nouts in dvc.lock:\n{outs}\n\n{metrics}\n{ran.stdout}"
        )


def list_changed_outs(clone: Checkout) -> list[str]:
    """Return each out whose hash in dvc.lock is not the committed one; without any, only inputs changed."""
    committed, present = (
        {out["path"]: out.get("md5") for stage in lock["stages"].values() for out in stage.get("outs", [])}
        for lock in map(
            yaml.safe_load, (clone.run("git", "show", "HEAD:dvc.lock").stdout, clone.bytes("dvc.lock"))
        )
    )
    return sorted(
        path for path in committed.keys() | present.keys() if committed.get(path) != present.get(path)
    )
