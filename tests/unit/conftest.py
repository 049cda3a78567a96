"""What several rooms' tests share, made once."""

from pathlib import Path

import pytest
from tests.unit.app_settings import make_settings

from vibe_photos.settings import Settings


@pytest.fixture(scope="session")
def small_settings(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A small library after all stages, by the embedder `hog`; nobody writes into it."""
    return make_settings(repository, tmp_path_factory.mktemp("small"))
