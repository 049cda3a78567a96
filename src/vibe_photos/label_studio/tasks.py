"""What waits for a person's eyes as Label Studio tasks, the teacher's labels as their predictions."""

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
from vibe_photos.review.queue import read_measuring_queue, read_teaching_queue
from vibe_photos.review.requests import Purpose
from vibe_photos.settings import Settings
from vibe_photos.storage.files import write_bytes, write_json
from vibe_photos.storage.jsonl import read_jsonl

TASKS_FILE = "tasks.json"
CONFIG_FILE = "labeling_config.xml"

_LOCAL_FILES = "/data/local-files/?d="
"""The address at which Label Studio serves folders of its own machine."""

Task = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    """One photo to be labelled: what the teacher said, if anything, and what its labels are for."""

    photo: Photo
    said: GroundTruth | None
    purpose: Purpose


@dataclass(frozen=True, slots=True)
class Waiting:
    """The photos to be labelled, in their order, and how many of the queue are left out, by why."""

    asked: list[Asked]
    audited: int
    gone: int


def find_waiting(settings: Settings, with_audited: bool, purpose: Purpose = "measure") -> Waiting:
    """Return the photos of a review queue that wait for a person.

    Args:
        settings: the configuration.
        purpose: which queue.
        with_audited: whether photos that are audited already are to be labelled again.

    Raises:
        InputError: a file of the pipeline is missing, or one that people wrote is malformed.
    """
    paths = settings.paths
    queue = read_measuring_queue(settings) if purpose == "measure" else read_teaching_queue(settings)
    photos = {photo.image_id: photo for photo in read_manifest(paths.photos)}
    there = [one for one in queue if one.image_id in photos]
    audited = set() if with_audited else read_human_truth(paths.human).everything.keys()
    waiting = [one for one in there if one.image_id not in audited]
    ids = {one.image_id for one in waiting}
    auto = read_jsonl(paths.auto / ALL_LABELS, GroundTruth)
    said = {record.image_id: record for record in auto if record.image_id in ids}
    asked = [Asked(photos[one.image_id], said.get(one.image_id), purpose) for one in waiting]
    return Waiting(asked, audited=len(there) - len(waiting), gone=len(queue) - len(there))


def local_prefix(root: Path) -> str:
    """Return what stands before a photo's place where Label Studio serves the folder above `root`.

    It refuses to serve its document root itself, only folders in it.
    """
    return f"{_LOCAL_FILES}{quote_from_bytes(os.fsencode(root.resolve().name))}/"


def write_project(
    folder: Path, asked: Iterable[Asked], interface: Interface, model: str, prefix: str
) -> None:
    """Write the tasks and the labelling configuration.

    Args:
        folder: where `TASKS_FILE` and `CONFIG_FILE` go.
        asked: the photos, in the order to be labelled.
        interface: the taxonomy's controls.
        model: the teacher's name, by which Label Studio tells predictions apart.
        prefix: what stands before a photo's place under the library's root to make its address.
    """
    tasks = [write_task(one, interface, model, prefix) for one in asked]
    write_json(folder / TASKS_FILE, tasks)
    write_bytes(folder / CONFIG_FILE, interface.write_config().encode())


def write_task(asked: Asked, interface: Interface, model: str, prefix: str) -> Task:
    """Return one task in Label Studio's JSON format."""
    place = asked.photo.rel_path
    data = {
        "image": prefix + quote_from_bytes(text_to_path(place)),
        "image_id": asked.photo.image_id,
        "rel_path": place,
        "purpose": asked.purpose,
    }
    if asked.said is None:
        return {"data": data}
    results = interface.write_results(asked.said)
    return {"data": data, "predictions": [{"model_version": model, "result": results}]}
