"""A library of a few photos whose every figure can be worked out by hand."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest

from vibe_photos.configuration import read_resolved
from vibe_photos.human_truth.labels import AUDITED_FILE
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth, truth_object
from vibe_photos.records.label_tables import LabelTable, write_labels
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import all_keys, parent_key
from vibe_photos.settings import Evaluate, Settings, Taxonomy
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl

Labels = dict[str, dict[str, tuple[float, int]]]
"""Photo -> label key -> score and value."""


@pytest.fixture(scope="session")
def evaluate() -> Evaluate:
    return Evaluate(confidence_level=0.95, bootstrap_repetitions=200, seed=0)


@pytest.fixture
def library(tmp_path: Path, repository: Path, evaluate: Evaluate) -> Settings:
    """Return settings of a library in which nobody has said anything yet; its files lie in `tmp_path`."""
    base = read_resolved(repository)
    names = {
        "raw_annotations": "raw_annotations.jsonl",
        "labels": "labels.sqlite",
        "splits": "splits.json",
        "human": "human",
        "auto": "auto",
        "eval": "eval",
    }
    paths = msgspec.structs.replace(base.paths, **{name: tmp_path / file for name, file in names.items()})
    settings = msgspec.structs.replace(base, paths=paths, evaluate=evaluate)
    write_truth(settings)
    return settings


def write_truth(
    settings: Settings,
    people: Sequence[GroundTruth] = (),
    teacher: Sequence[GroundTruth] = (),
    drawn: float | None = 0.5,
) -> None:
    """Write people's records and the teacher's.

    People's photos were all drawn with the probability `drawn`, but for those that state one themselves; with
    None they are somebody's own set.
    """
    design = {} if drawn is None else {"inclusion_probability": drawn}
    write_json(settings.paths.human / AUDITED_FILE, [design | truth_object(record) for record in people])
    write_jsonl(settings.paths.auto / ALL_LABELS, [truth_object(record) for record in teacher])


@pytest.fixture
def write_table(tmp_path: Path, taxonomy: Taxonomy) -> Callable[[Labels], Path]:
    """Return a function that writes a label database and returns its path."""

    def write(labels: Labels) -> Path:
        ids = sorted(labels)
        keys = sorted({key for row in labels.values() for key in row})
        score, value = np.full((len(ids), len(keys)), np.nan), np.full((len(ids), len(keys)), -1, np.int8)
        for row, image_id in enumerate(ids):
            for key, (one_score, one_value) in labels[image_id].items():
                score[row, keys.index(key)], value[row, keys.index(key)] = one_score, one_value
        known = all_keys(taxonomy)
        names = {"scene": "scene", "attr": "attribute", "object": "object"}
        level = {key: names[key.partition(".")[0]] for key in known}
        table = LabelTable(
            ids, keys, level, dict.fromkeys(keys, "head"), dict.fromkeys(keys, 0.5), score, value
        )
        path = tmp_path / "labels.sqlite"
        write_labels(path, table, {key: parent_key(key, known) for key in known})
        return path

    return write


@pytest.fixture
def write_roles(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Return a function that writes splits with the given roles, every photo a group of its own."""

    def write(roles: dict[str, str]) -> Path:
        path = tmp_path / "splits.json"
        members = {
            image_id: Membership(
                group=image_id,
                fold=0,
                role=role,
                number=place / len(roles),
                half="tune" if role == "reserved" else None,
            )
            for place, (image_id, role) in enumerate(roles.items())
        }
        write_splits(path, members)
        return path

    return write


def truth(
    image_id: str, scene: str | None = None, objects: tuple[str, ...] = (), **attributes: bool
) -> GroundTruth:
    return GroundTruth(
        image_id=image_id,
        scene=[f"scene.{scene}"] if scene else [],
        attributes={f"attr.{name}": value for name, value in attributes.items()},
        objects=[f"object.{name}" for name in objects],
    )


@pytest.fixture
def make_truth() -> Callable[..., GroundTruth]:
    return truth
