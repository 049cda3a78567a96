"""A small library, a typed configuration, and what a run needs."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.unit.annotate.small_library import MakeSettings, make_library

from vibe_photos.configuration import from_mapping
from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings, Teacher


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("QWEN_BASE_URL", "QWEN_API_KEY", "QWEN_MODEL", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    yield
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def composed(repository: Path) -> dict[str, Any]:
    """The repository's configuration without Hydra: `conf/config.yaml` with a teacher laid in."""

    def load(name: str) -> dict[str, Any]:
        loaded: dict[str, Any] = msgspec.yaml.decode((repository / "conf" / name).read_bytes())
        return {key: value for key, value in loaded.items() if key not in ("defaults", "hydra")}

    return {
        **load("config.yaml"),
        "teacher": {**load("question.yaml"), **load("teacher/qwen3_vl_32b.yaml")},
        "taxonomy": load("taxonomy/m2.yaml"),
        "embedder": load("embedder/hog.yaml"),
    }


@pytest.fixture
def make_settings(composed: dict[str, Any], tmp_path: Path) -> MakeSettings:
    def make(**sections: dict[str, Any]) -> Settings:
        mapping: dict[str, Any] = msgspec.to_builtins(composed)
        mapping["library"]["root"] = str(tmp_path / "photos")
        mapping["paths"] = {key: str(tmp_path / value) for key, value in mapping["paths"].items()}
        for section, values in sections.items():
            mapping[section].update(values)
        return from_mapping(mapping)

    return make


@pytest.fixture
def teacher(make_settings: MakeSettings) -> Teacher:
    return make_settings().teacher


@pytest.fixture
def library(tmp_path: Path) -> list[Photo]:
    """Twelve small photos on disk, with their manifest."""
    return make_library(tmp_path, 12)
