"""The label tree in figures: a parent that only stands above its child is no statement of its own.

The object head learns parents along with their children, so that `object.electronics` is at least as
likely as `object.electronics.phone`. Taken as it is, a parent would win every ranking and be a false
assertion beside every right one.

What one side says of n photos, as arrays: a truth, a teacher or a student, all in the same form.

With truth and prediction in the same form, the student and its teacher are measured by the same code.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.taxonomy import head_keys, with_ancestors
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Floats, Indices


def most_specific(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 0 for a key of which a descendant is asserted as well."""
    kept = values.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            kept[(values[:, column] == 1) & (values[:, below] == 1).any(axis=1), column] = 0
    return kept


def own_scores(scores: Floats, keys: Sequence[str]) -> Floats:
    """Return scores (float [n, keys]) of "this and nothing more specific": p(key) - max p(descendants)."""
    own = scores.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            own[:, column] -= np.nan_to_num(scores[:, below], nan=0.0).max(axis=1)
    return own


def with_parents(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 1 for every ancestor of a key that is 1."""
    closed = values.copy()
    for column, below in enumerate(_descendants(keys)):
        if below:
            closed[(values[:, below] == 1).any(axis=1) & (values[:, column] != UNJUDGED), column] = 1
    return closed


def _descendants(keys: Sequence[str]) -> list[list[int]]:
    """Return, for each key, the columns of the keys below it in the tree."""
    above = [with_ancestors([key], keys) - {key} for key in keys]
    return [[column for column, ancestors in enumerate(above) if key in ancestors] for key in keys]


@dataclass(frozen=True, slots=True)
class LabelKeys:
    """The label keys, in the order of the arrays' columns: those of the taxonomy, sorted."""

    scene: list[str]
    attribute: list[str]
    object: list[str]


@dataclass(frozen=True, slots=True)
class Opinions:
    """One side's judgements of n photos.

    Attributes:
        scene: int64 [n], a column of the scene keys, or -1.
        attributes: int8 [n, attributes], 1, 0 or -1.
        objects: int8 [n, objects], 1, 0 or -1.
        scene_score: float32 [n], the score of the scene that was said; NaN where there is none.
        attribute_scores: float32 [n, attributes], NaN where nothing was scored.
        object_scores: float32 [n, objects], NaN where nothing was scored.
        is_scored: whether there are scores at all; without them nothing can be ranked.
    """

    scene: Indices
    attributes: Flags
    objects: Flags
    scene_score: Floats
    attribute_scores: Floats
    object_scores: Floats
    is_scored: bool

    def has_any(self) -> Bools:
        """Return bool [n]: whether anything at all is said of the photo."""
        flags = np.column_stack([self.attributes, self.objects])
        return np.asarray((flags != UNJUDGED).any(axis=1) | (self.scene >= 0))


def read_keys(taxonomy: Taxonomy) -> LabelKeys:
    """Return the taxonomy's keys as columns."""
    return LabelKeys(*(head_keys(taxonomy, head) for head in ("scene", "attribute", "object")))


def opinions_of_records(records: Sequence[GroundTruth | None], keys: LabelKeys) -> Opinions:
    """Return what truth records say; None stands for a photo of which nothing is said.

    Keys outside `keys` are passed over (who reads the file refuses them); objects that a record does not
    list are judged absent.
    """
    n = len(records)
    scenes = {key: column for column, key in enumerate(keys.scene)}
    scene = np.fromiter(
        (scenes.get(record.scene[0], -1) if record and record.scene else -1 for record in records),
        np.int64,
        n,
    )
    attributes = np.full((n, len(keys.attribute)), UNJUDGED, np.int8)
    for column, key in enumerate(keys.attribute):
        attributes[:, column] = np.fromiter(
            (record.attributes.get(key, UNJUDGED) if record else UNJUDGED for record in records), np.int8, n
        )
    return Opinions(
        scene,
        attributes,
        _objects_of_records(records, keys),
        np.full(n, np.nan, np.float32),
        np.full(attributes.shape, np.nan, np.float32),
        np.full((n, len(keys.object)), np.nan, np.float32),
        is_scored=False,
    )


def opinions_of_labels(table: LabelTable, image_ids: Sequence[str], keys: LabelKeys) -> Opinions:
    """Return what a label table says of the photos `image_ids`, in their order.

    The scene that is said is the scene key with value 1, the best-scored one if there are several.
    """
    row_of = {image_id: row for row, image_id in enumerate(table.image_ids)}
    rows = np.fromiter((row_of.get(image_id, -1) for image_id in image_ids), np.int64, len(image_ids))
    scene_value, scene_score = _take(table, rows, keys.scene)
    said = np.where(scene_value == 1, np.nan_to_num(scene_score, nan=0.0), -np.inf)
    best = said.argmax(axis=1)
    top = said[np.arange(len(rows)), best]
    is_said = ~np.isneginf(top)
    attributes, attribute_scores = _take(table, rows, keys.attribute)
    objects, object_scores = _take(table, rows, keys.object)
    return Opinions(
        np.where(is_said, best, -1),
        attributes,
        objects,
        np.where(is_said, top, np.nan).astype(np.float32),
        attribute_scores,
        object_scores,
        is_scored=True,
    )


def _objects_of_records(records: Sequence[GroundTruth | None], keys: LabelKeys) -> Flags:
    columns = {key: column for column, key in enumerate(keys.object)}
    objects = np.zeros((len(records), len(keys.object)), np.int8)
    for row, record in enumerate(records):
        if record is None:
            objects[row] = UNJUDGED
        else:
            for key in record.objects:
                if key in columns:
                    objects[row, columns[key]] = 1
    return objects


def _take(table: LabelTable, rows: Indices, keys: list[str]) -> tuple[Flags, Floats]:
    """Return values and scores [len(rows), len(keys)]; row -1 and unknown keys are not judged."""
    column_of = {key: column for column, key in enumerate(table.keys)}
    values = np.full((len(rows), len(keys)), UNJUDGED, np.int8)
    scores = np.full((len(rows), len(keys)), np.nan, np.float32)
    is_known = rows >= 0
    for column, key in enumerate(keys):
        if key in column_of:
            values[is_known, column] = table.value[rows[is_known], column_of[key]]
            scores[is_known, column] = table.score[rows[is_known], column_of[key]]
    return values, scores
