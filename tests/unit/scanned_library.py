"""The settings of a scan."""

from pathlib import Path

from msgspec.structs import replace
from tests.conftest import REPOSITORY

from vibe_photos.configuration import read_resolved
from vibe_photos.settings import Library, Settings


def scan_settings(root: Path, folder: Path) -> Settings:
    """Return the repository's settings for the photos in `root`, listed in `folder`."""
    base = read_resolved(REPOSITORY)
    library = Library(root=str(root), content_hash="xxh3_128", extensions=["jpg", "png"], skip_names=[])
    return replace(base, library=library, paths=replace(base.paths, photos=folder / "photos.jsonl"))
