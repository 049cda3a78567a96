"""A small library under review, as settings for calls and as a folder for the real command."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.unit.review.review_library import read_settings, write_review_library

from vibe_photos.review.decisions import DecisionLog
from vibe_photos.review.likeness import Likeness
from vibe_photos.review.queue import read_measuring_queue
from vibe_photos.review.service import ReviewService
from vibe_photos.review.sources import ReviewSources, open_sources
from vibe_photos.settings import Settings, Taxonomy

PHOTOS = 12
SAMPLED = 6


@dataclass(frozen=True)
class Library:
    """`image_ids` are those of all photos, by number; `queue` those that wait, in their order."""

    folder: Path
    settings: Settings
    image_ids: list[str]
    queue: list[str]

    @property
    def decisions(self) -> Path:
        return self.settings.paths.human / "decisions"


@pytest.fixture(scope="session")
def finished_library(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("review") / "library"
    names = [f"{2020 + number % 3}/IMG_{number:03}.JPG" for number in range(PHOTOS)]
    return folder, write_review_library(folder, repository, names, SAMPLED)


@pytest.fixture
def library(finished_library: tuple[Path, list[str]], tmp_path: Path) -> Library:
    """Return a copy that a test may write into."""
    finished, image_ids = finished_library
    folder = tmp_path / "library"
    shutil.copytree(finished, folder)
    settings = read_settings(folder)
    return Library(folder, settings, image_ids, list(read_measuring_queue(settings)))


OpenService = Callable[..., tuple[ReviewService, ReviewSources]]


@pytest.fixture
def open_service(library: Library) -> Iterator[OpenService]:
    """Return a function that sits a reviewer down; their logs are given back at the end."""
    opened: list[ReviewSources] = []

    def open_one(reviewer: str = "ada", *, is_blind: bool = False) -> tuple[ReviewService, ReviewSources]:
        sources = open_sources(library.settings, reviewer, library.folder / ".store")
        opened.append(sources)
        likeness = Likeness(library.settings.paths.embeddings, library.folder / ".store", sources.row_of)
        service = ReviewService(sources, likeness, is_blind=is_blind, project=library.folder)
        return service, sources

    yield open_one
    for sources in opened:
        sources.decisions.close()


@pytest.fixture
def ada(tmp_path: Path, taxonomy: Taxonomy) -> Iterator[DecisionLog]:
    decisions = DecisionLog(tmp_path, "ada", taxonomy, tmp_path / ".store")
    yield decisions
    decisions.close()


@pytest.fixture
def bob(tmp_path: Path, taxonomy: Taxonomy) -> Iterator[DecisionLog]:
    decisions = DecisionLog(tmp_path, "bob", taxonomy, tmp_path / ".store")
    yield decisions
    decisions.close()
