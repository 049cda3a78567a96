"""What every test may use: the repository's own configuration, typed."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from tests.postgres import create_database, start_postgres
from tests.preloaded import start_preloaded

from vibe_photos.settings import Taxonomy

os.environ["HF_HUB_OFFLINE"] = "1"

_IS_PROOF = os.environ.get("VIBE_PHOTOS_PROVE") == "1"
hypothesis_settings.register_profile(
    "ours",
    deadline=None,
    max_examples=1000 if _IS_PROOF else 40,
    derandomize=not _IS_PROOF,  # what passed once passes again
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
    ],  # also on a busy machine
)
hypothesis_settings.load_profile("ours")

_TREE = Path(__file__).resolve().parent.parent
_HAS_DEMO = (_TREE / "data" / "demo").is_dir()


_THRESHOLDS = """\
classify:
  attribute_threshold:
    default: 0.5
    has_person: 0.5
    has_text: 0.5
    has_animal: 0.5
  object_threshold:
    default: 0.5
    keyboard: 0.5
"""


def _lay_out_with_default_settings() -> Path:
    """Return a folder like the tree, but with the settings and no data of its own.

    A project of one's own (`vibe-photos new`) has its owner's settings, and tests are of the code.
    """
    root = Path(tempfile.mkdtemp(prefix="vibe-photos-tests-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    for path in _TREE.iterdir():
        if path.name not in (".git", ".dvc", ".store", "data", "models", "params.yaml", "dvc.lock"):
            (root / path.name).symlink_to(path)
    (root / "params.yaml").write_text(_THRESHOLDS)
    subprocess.run([sys.executable, "stages/compose_config.py"], cwd=root, check=True)
    return root


REPOSITORY = _TREE if _HAS_DEMO else _lay_out_with_default_settings()

_NEEDS_DEMO = [
    *("e2e", "stages", "unit/tools", "integration/test_leaks.py", "unit/encoders/test_sameness.py"),
    *("unit/evaluate/test_review_estimates.py", "unit/agreement/test_error_model_recovery.py"),
    "unit/test_classifier.py",
]
collect_ignore = [] if _HAS_DEMO else _NEEDS_DEMO


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _HAS_DEMO:
        terminalreporter.write_line(f"no demo library here, so these tests were left out: {_NEEDS_DEMO}")


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def taxonomy() -> Taxonomy:
    text = (REPOSITORY / "conf" / "taxonomy" / "m2.yaml").read_bytes()
    return msgspec.convert(msgspec.yaml.decode(text), Taxonomy)


@pytest.fixture(scope="session")
def preloaded_commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For `preloaded_environment`: the libraries of stages, DVC and the command line are imported once."""
    with start_preloaded(tmp_path_factory.mktemp("bin")):
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of a real server's administrator; the one server of the session."""
    with start_postgres() as url:
        yield url


@pytest.fixture
def app_database(postgres: str) -> str:
    """The URL of an empty database."""
    return create_database(postgres)
