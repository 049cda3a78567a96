"""A folder that is either the old one or the new one, whole."""

from collections.abc import Mapping
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.storage.files import replace_folder

FILES = frozenset(
    {
        "MODEL_CARD.md",
        "decision.json",
        "encoder.onnx",
        "example.py",
        "heads.onnx",
        "labels.json",
        "preprocessing.json",
        "__pycache__",
    }
)
"""What an export holds, and what Python leaves there: a folder with anything else is not replaced."""


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder that takes its place in one step.

    Raises:
        InputError: there is something else in that place.
    """
    refuse_another(folder)
    replace_folder(folder, files)


def refuse_another(folder: Path) -> None:
    """Refuse a place that holds anything but an earlier export.

    Raises:
        InputError: says what is there.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; name a folder to write")
    held = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if others := sorted(held - FILES):
        raise InputError(
            f"{folder} holds {others[0]}, which no export wrote: name a new folder, or an earlier export"
        )
