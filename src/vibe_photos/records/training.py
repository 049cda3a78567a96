"""`data/ground_truth/training/`: the training labels, one file per head, one photo per line."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from vibe_photos.records.ground_truth import HEAD_FILES
from vibe_photos.settings import HeadName
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo's training labels for one head, with its group and fold.

    `by_people` lists the fields (`scene`, `objects`) or attribute keys that are a person's, not the
    teacher's.
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
