"""What every test may use: the repository's own configuration, typed."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.postgres import create_database, start_postgres

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real server's administrator; the one server of the session."""
    with start_postgres() as url:
        yield url


@pytest.fixture
def app_database(postgres: str) -> str:
    """The URL of an empty database."""
    return create_database(postgres)
