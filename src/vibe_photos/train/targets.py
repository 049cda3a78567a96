"""What one head learns from: vectors, and a table of 0 and 1 of the labels that are not too rare to learn."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Loss
from vibe_photos.records.ground_truth import TrainingRecord
from vibe_photos.records.taxonomy import head_keys, with_ancestors
from vibe_photos.settings import HeadName, HeadTraining, Taxonomy


@dataclass(frozen=True, slots=True)
class Targets:
    """The training data of a head, without vectors.

    `rows` [n] are the positions of its photos in the given records. `y` is float32 [n, labels] of 0 and 1,
    one-hot for scenes. `is_judged` is bool [n, labels], for scenes [n, 1]. `support` counts each learnable
    label's photos; `not_learnable` the photos of each other label (present or absent, whichever is fewer).
    """

    rows: NDArray[np.int64]
    labels: tuple[str, ...]
    y: NDArray[np.float32]
    is_judged: NDArray[np.bool_]
    support: dict[str, int]
    not_learnable: dict[str, int]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a head learns from, and how.

    `vectors` float32 [n, dim]; `folds` int64 [n]; `groups`: each photo's near-duplicate group, all of it in
    one fold (only bootstrap intervals need them).
    """

    targets: Targets
    vectors: NDArray[np.float32]
    folds: NDArray[np.int64]
    groups: Sequence[str]
    loss: Loss
    options: HeadTraining


def find_targets(
    head: HeadName, records: Sequence[TrainingRecord], taxonomy: Taxonomy, min_positive: int
) -> Targets:
    """Return what one head can learn from these photos' labels.

    A label is learnable with at least `min_positive` photos; an attribute or object also needs as many photos
    without it. Scenes are learned from photos with exactly one. Ancestors of objects count as present.
    """
    keys = head_keys(taxonomy, head)
    column = {key: index for index, key in enumerate(keys)}
    y = np.zeros((len(records), len(keys)), dtype=np.float32)
    is_judged = np.zeros((len(records), len(keys)), dtype=bool)
    for row, record in enumerate(records):
        for key, is_present in _judgements(head, record, keys):
            y[row, column[key]] = is_present
            is_judged[row, column[key]] = True
    present = (y * is_judged).sum(axis=0).astype(np.int64)
    absent = is_judged.sum(axis=0) - present
    counts = present if head == "scene" else np.minimum(present, absent)
    learnable = np.flatnonzero(counts >= min_positive)
    y, is_judged = y[:, learnable], is_judged[:, learnable]
    if head == "scene":
        is_judged = y.max(axis=1, keepdims=True, initial=0.0) > 0
    rows = np.flatnonzero(np.any(is_judged, axis=1))
    return Targets(
        rows=rows,
        labels=tuple(keys[index] for index in learnable),
        y=y[rows],
        is_judged=is_judged[rows],
        support={keys[index]: int(present[index]) for index in learnable},
        not_learnable={key: int(counts[index]) for key, index in column.items() if index not in learnable},
    )


def find_people_labels(
    head: HeadName, records: Sequence[TrainingRecord], labels: Sequence[str]
) -> NDArray[np.bool_]:
    """Return which labels of these photos a person gave: bool [n, labels], [n, 1] for scenes and objects."""
    names = {"scene": ["scene"], "object": ["objects"], "attribute": labels}[head]
    given = [[name in record.by_people for name in names] for record in records]
    return np.array(given, bool).reshape(len(records), len(names))


def _judgements(head: HeadName, record: TrainingRecord, keys: Sequence[str]) -> list[tuple[str, bool]]:
    """Return `(key, is present)` for every key that was judged."""
    if head == "scene":
        # A photo with one scene has no other.
        return [(key, key in record.scene) for key in keys] if len(record.scene) == 1 else []
    if head == "attribute":
        return list(record.attributes.items())
    present = with_ancestors(record.objects, keys)
    return [(key, key in present) for key in keys]
