"""`data/ground_truth/training/`: what each head learns, one file a head, one photo a line."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from vibe_photos.records.ground_truth import HEAD_FILES
from vibe_photos.settings import HeadName
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The labels of one head that a photo teaches, with what training needs of `splits.json`.

    Attributes:
        group: its near-duplicates; they share a fold.
        fold: of cross-validation.
        by_people: the fields (`scene`, `objects`) or attribute keys that a person said, not the teacher.
    """

    image_id: str
    group: str
    fold: int
    scene: list[str] = []
    attributes: dict[str, bool] = {}
    objects: list[str] = []
    by_people: list[str] = []


def read_training(folder: Path, head: HeadName) -> list[TrainingRecord]:
    """Return the records of one head, in the order of the manifest.

    Raises:
        InputError: the file is missing or malformed.
    """
    return list(read_jsonl(folder / HEAD_FILES[head], TrainingRecord))


def write_training(folder: Path, head: HeadName, records: Iterable[TrainingRecord]) -> None:
    """Write the records of one head."""
    write_jsonl(folder / HEAD_FILES[head], records)
