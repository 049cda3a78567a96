"""A browser, a library under review, and a tab of it: nothing here needs a `dvc repro`."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext
from tests.e2e.review.audit_page import AuditPage, open_chromium
from tests.e2e.review.reviewed_library import NAMES, SAMPLED, Library, copy_library
from tests.unit.review.review_library import write_review_library
from tests.unit.review.running_review import RunningReview


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    folder = tmp_path_factory.mktemp("review_page") / "library"
    write_review_library(folder, repository, NAMES, SAMPLED)
    return folder


@pytest.fixture
def library(finished: Path, tmp_path: Path) -> Library:
    return copy_library(finished, tmp_path / "library")


@pytest.fixture(scope="module")
def reading(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReview]:
    """A server for tests that decide nothing."""
    library = copy_library(finished, tmp_path_factory.mktemp("reading") / "library")
    with RunningReview(library.folder, "--reviewer", "reader") as review:
        yield review


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    yield context
    context.close()


@pytest.fixture
def open_audit(context: BrowserContext) -> Iterator[Callable[[str], AuditPage]]:
    """A function that opens the audit in a tab of its own; at the end no tab may have seen an error."""
    opened: list[AuditPage] = []

    def open_one(address: str) -> AuditPage:
        opened.append(AuditPage(context.new_page(), address))
        return opened[-1]

    yield open_one
    assert [error for audit in opened for error in audit.errors] == []
