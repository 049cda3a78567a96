"""What every test may use: the repository's own configuration, typed."""

import os
from pathlib import Path

import msgspec
import pytest

from vibe_photos.settings import Taxonomy

REPOSITORY = Path(__file__).resolve().parent.parent

os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    text = (REPOSITORY / "conf" / "taxonomy" / "m2.yaml").read_bytes()
    return msgspec.convert(msgspec.yaml.decode(text), Taxonomy)
