"""The keywords of each photo: a person's labels if there are any, else the student's."""

import sqlite3
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Literal

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import NO_IDS, read_human_truth
from vibe_photos.keywords.sidecar import Keywords
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.taxonomy import head_keys, label_name, with_ancestors
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.sqlite import open_database

ROOT = "vibe-photos"
"""The root of all our keywords."""

Whose = Literal["final", "human"]
"""`final`: every photo's labels, a person's if there are any; `human`: only audited photos."""


def read_keywords(
    labels: Path, human: Path, taxonomy: Taxonomy, whose: Whose, current_ids: Mapping[str, str] = NO_IDS
) -> dict[str, Keywords]:
    """Return each labelled photo's keywords by `image_id`; `current_ids` is as in `read_human_truth`.

    For a scene or attribute that the person did not judge, `final` uses the student's label and `human` none.

    Raises:
        InputError: `labels` is missing, or a record in `human` is malformed or has an unknown label key.
    """
    keys = _read_final(labels) if whose == "final" else {}
    objects = head_keys(taxonomy, "object")
    for record in read_human_truth(human, current_ids).fit(taxonomy, human).everything.values():
        keys[record.image_id] = _override(keys.get(record.image_id, set()), record, objects)
    return {image_id: to_keywords(own) for image_id, own in keys.items()}


def to_keywords(keys: Iterable[str]) -> Keywords:
    """Return keys as keywords: `object.food.dessert` is `vibe-photos|object|food|dessert` and `dessert`."""
    ordered = sorted(keys)
    return Keywords(
        paths=tuple((ROOT, *key.split(".")) for key in ordered),
        words=tuple(dict.fromkeys(label_name(key) for key in ordered)),
    )


def _read_final(labels: Path) -> dict[str, set[str]]:
    with open_database(labels) as connection:
        try:
            query = "SELECT image_id, scene, attributes, objects FROM photo_labels"
            rows = connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            raise InputError(f"{labels} has no final labels: {error}; make it with `dvc repro`") from None
    return {row[0]: {key for part in row[1:] if part for key in part.split(",")} for row in rows}


def _override(student: set[str], record: GroundTruth, objects: Collection[str]) -> set[str]:
    """Return the student's keys, overridden by a person's labels."""
    scenes = set(record.scene) or {key for key in student if key.startswith("scene.")}
    attributes = {key for key in student if key.startswith("attr.")} - record.attributes.keys()
    attributes |= {key for key, is_true in record.attributes.items() if is_true}
    return scenes | attributes | with_ancestors(record.objects, objects)
