"""The servers of the session, and a night: runs of the annotate stage with a store of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.vllm.night import Night
from tests.vllm.servers import LiteLlmServer, Server, VllmServer


@pytest.fixture(scope="session")
def installed(repository: Path) -> Path:
    return repository / ".vllm"


@pytest.fixture(scope="session")
def vllm(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with VllmServer(installed, tmp_path_factory.mktemp("vllm") / "vllm.log") as server:
        yield server


@pytest.fixture(scope="session")
def litellm(
    installed: Path, vllm: VllmServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiteLlmServer]:
    with LiteLlmServer(installed, tmp_path_factory.mktemp("litellm") / "litellm.log", vllm) as server:
        yield server


@pytest.fixture(params=["vllm", "litellm"])
def server(request: pytest.FixtureRequest) -> Server:
    """What the annotator talks to: vLLM itself, or LiteLLM with vLLM behind it."""
    server: Server = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def night(server: Server, repository: Path, tmp_path: Path) -> Iterator[Night]:
    night = Night(repository, tmp_path, server.base_url)
    yield night
    night.kill()
