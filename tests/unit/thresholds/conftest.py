"""The library whose figures can be worked out by hand, for this room; thresholds are 0.5, not the demo's."""

import re
from pathlib import Path

import pytest
from tests.unit.hand_made_library import evaluate, library, make_truth, write_roles, write_table

from vibe_photos.configuration import RESOLVED


@pytest.fixture(scope="session")
def repository(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    (folder / RESOLVED).parent.mkdir(parents=True)
    (folder / "conf").symlink_to(repository / "conf")
    for file in (RESOLVED, Path("params.yaml")):
        text = (repository / file).read_text()
        (folder / file).write_text(re.sub(r"(has_text|default|keyboard): 0\.\d+", r"\1: 0.5", text))
    return folder


__all__ = ["evaluate", "library", "make_truth", "write_roles", "write_table"]
