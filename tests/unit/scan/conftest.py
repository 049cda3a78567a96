"""Pictures in every format, a library to put them into, and a count of the files that are opened."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.pictures import FORMATS, draw_picture, encode_picture

from vibe_photos.settings import Library


@pytest.fixture(scope="session")
def jpeg() -> bytes:
    return encode_picture(draw_picture(0), "JPEG")


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """The same picture in every format that is read."""
    return {name: encode_picture(draw_picture(1), name) for name in FORMATS}


@pytest.fixture
def library(tmp_path: Path) -> Library:
    root = tmp_path / "photos"
    root.mkdir()
    return Library(
        root=str(root),
        content_hash="xxh3_128",
        extensions=[*FORMATS.values(), "jpeg", "tiff", "heif"],
        skip_names=[".*", "@eaDir"],
    )


class OpenedFiles:
    """The paths that this process opened since the last `clear`."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def under(self, folder: str) -> list[str]:
        return [path for path in self.paths if path.startswith(folder + "/")]

    def clear(self) -> None:
        self.paths.clear()


_listeners: list[OpenedFiles] = []


def _note_open(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _listeners and isinstance(arguments[0], str | bytes):
        for listener in _listeners:
            listener.paths.append(os.fsdecode(arguments[0]))


sys.addaudithook(_note_open)


@pytest.fixture
def opened_files() -> Iterator[OpenedFiles]:
    listener = OpenedFiles()
    _listeners.append(listener)
    yield listener
    _listeners.remove(listener)
