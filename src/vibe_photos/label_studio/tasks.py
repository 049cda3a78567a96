"""Photos of a review queue as Label Studio tasks, with the teacher's labels as predictions."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.label_studio.interface import Interface
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.photos import Photo, read_manifest, text_to_path
from vibe_photos.records.splits import read_current_ids
from vibe_photos.review.api import Purpose
from vibe_photos.review.queue import read_measuring_queue, read_teaching_queue
from vibe_photos.settings import Settings
from vibe_photos.storage.files import write_bytes, write_json
from vibe_photos.storage.jsonl import read_jsonl

TASKS_FILE = "tasks.json"
CONFIG_FILE = "labeling_config.xml"

_LOCAL_FILES = "/data/local-files/?d="
"""The address at which Label Studio serves folders of its own machine."""


@dataclass(frozen=True, slots=True)
class TaskPhoto:
    """A photo to label, the teacher's labels if there are any, and the purpose of its labels."""

    photo: Photo
    teacher: GroundTruth | None
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Selection:
    """The photos to label, in order, and the counts of audited photos and missing photos left out."""

    photos: list[TaskPhoto]
    audited: int
    gone: int


def select_photos(settings: Settings, with_audited: bool, purpose: Purpose = "measure") -> Selection:
    """Return the photos of a review queue that are to be labelled.

    Args:
        settings: the configuration.
        purpose: which queue.
        with_audited: include photos that are already checked by people.

    Raises:
        InputError: a file of the pipeline is missing, or one that people wrote is malformed.
    """
    paths = settings.paths
    queue = read_measuring_queue(settings) if purpose == "measure" else read_teaching_queue(settings)
    photos = {photo.image_id: photo for photo in read_manifest(paths.photos) if photo.image_id in queue}
    there = [image_id for image_id in queue if image_id in photos]
    current_ids = read_current_ids(paths.splits)
    audited = set() if with_audited else read_human_truth(paths.human, current_ids).everything.keys()
    waiting = [image_id for image_id in there if image_id not in audited]
    auto = read_jsonl(paths.auto / ALL_LABELS, GroundTruth)
    teacher = {record.image_id: record for record in auto if record.image_id in photos}
    chosen = [TaskPhoto(photos[image_id], teacher.get(image_id), purpose) for image_id in waiting]
    return Selection(chosen, audited=len(there) - len(waiting), gone=len(queue) - len(there))


def local_prefix(root: Path) -> str:
    """Return the address prefix of photos, if Label Studio's document root is the parent folder of `root`.

    Label Studio refuses to serve the document root itself.
    """
    return f"{_LOCAL_FILES}{quote_from_bytes(os.fsencode(root.resolve().name))}/"


def write_project(
    folder: Path, photos: Iterable[TaskPhoto], interface: Interface, model: str, prefix: str
) -> None:
    """Write the tasks and the labelling configuration.

    Args:
        folder: where `TASKS_FILE` and `CONFIG_FILE` go.
        photos: the photos, in the order to be labelled.
        interface: the taxonomy's controls.
        model: the teacher's name, shown as the version of the predictions.
        prefix: the address of the library's root, to which a photo's path is appended.
    """
    tasks = [_make_task(one, interface, model, prefix) for one in photos]
    write_json(folder / TASKS_FILE, tasks)
    write_bytes(folder / CONFIG_FILE, interface.write_config().encode())


def _make_task(task: TaskPhoto, interface: Interface, model: str, prefix: str) -> dict[str, Any]:
    """Return one task in Label Studio's JSON format."""
    place = task.photo.rel_path
    data = {
        "image": prefix + quote_from_bytes(text_to_path(place)),
        "image_id": task.photo.image_id,
        "rel_path": place,
        "purpose": task.purpose,
    }
    if task.teacher is None:
        return {"data": data}
    results = interface.write_results(task.teacher)
    return {"data": data, "predictions": [{"model_version": model, "result": results}]}
