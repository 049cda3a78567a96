"""The demo gives the bytes that git has, whichever instructions a processor has."""

import os
import sys

import pytest
from tests.e2e.conftest import clone_tree_at_hand
from tests.profiles import PROFILES, find_wrong_kernels, list_missing

if os.environ.get("VIBE_PHOTOS_PROFILE"):  # the whole suite runs under this one
    NAMES = [os.environ["VIBE_PHOTOS_PROFILE"]]
else:
    NAMES = list(PROFILES) if os.environ.get("VIBE_PHOTOS_PROVE") == "1" else ["oldest"]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_the_demo_from_nothing_leaves_git_clean(repository, tmp_path, name):
    """A clone has an empty store and an empty cache, so every answer, vector and head is computed again."""
    missing = list_missing(name)
    if missing:
        pytest.skip(f"this processor lacks {', '.join(missing)}")
    assert find_wrong_kernels(name) == []
    clone = clone_tree_at_hand(repository, tmp_path / "clone")
    ran = clone.run(sys.executable, "-m", "tests.profiles", "run", name, "--", "dvc", "repro", "--force")
    changed = clone.run("git", "status", "--porcelain").stdout
    if changed:
        pytest.fail(f"profile {name} changed\n{changed}\n{clone.run('git', 'diff').stdout}\n{ran.stdout}")
