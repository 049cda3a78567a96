"""The keywords of each photo: a person's labels if there are any, else the student's."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.keywords.sidecar import Keywords
from vibe_photos.records.ground_truth import judged_labels
from vibe_photos.records.splits import read_current_ids
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name
from vibe_photos.settings import Settings
from vibe_photos.storage.sqlite import open_database

ROOT = "vibe-photos"
"""The root of all our keywords."""

Whose = Literal["final", "human"]
"""`final`: every photo's labels, a person's if there are any; `human`: only audited photos."""


def read_keywords(settings: Settings, whose: Whose) -> dict[str, Keywords]:
    """Return each labelled photo's keywords by `image_id`.

    For a scene or attribute that the person did not judge, `final` uses the student's label and `human` none.

    Raises:
        InputError: the labels are missing, or a person's record is malformed or has an unknown label key.
    """
    paths, taxonomy = settings.paths, settings.taxonomy
    found = _read_final(paths.labels) if whose == "final" else {}
    people = read_human_truth(paths.human, read_current_ids(paths.splits)).fit(taxonomy, paths.human)
    keys = {head: head_keys(taxonomy, head) for head in HEADS}
    for record in people.everything.values():
        said = judged_labels(record, keys, settings.classify.attribute_from_scene)
        others = found.get(record.image_id, set()) - said.keys()
        found[record.image_id] = others | {key for key, is_true in said.items() if is_true}
    return {image_id: to_keywords(own) for image_id, own in found.items()}


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
