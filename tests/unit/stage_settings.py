"""Settings for a stage that reads and writes in one folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace
from tests.conftest import REPOSITORY

from vibe_photos.configuration import read_resolved
from vibe_photos.settings import Paths, Settings


def settings_in(folder: Path, places: Mapping[str, Path] | None = None, **changes: Any) -> Settings:
    """Return the repository's settings with every file and folder in `folder`, but for other `places`.

    `changes` are other sections, such as `train` or `head`.
    """
    base = read_resolved(REPOSITORY)
    paths = {name: folder / path.name for name, path in asdict(base.paths).items()} | dict(places or {})
    return replace(base, paths=Paths(**paths), **changes)
