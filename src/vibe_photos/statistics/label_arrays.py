"""Labels of n photos as arrays: a ground truth, the teacher's answers or the student's labels in one form.

With truth and prediction in the same form, the student and its teacher are measured by the same code.

Object keys form a tree, and a phone is electronics. `with_parents` closes sets of keys under ancestors: then
electronics is right about a phone, and only what is wrong is wrong (Kiritchenko et al. 2006, "Learning and
evaluation in the presence of class hierarchies"). `most_specific` keeps the keys that name an object exactly.
The object head learns parents along with their children, so a parent would win every ranking; `own_scores`
takes from it what its children have.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import HEADS, head_keys, parent_key
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.design import Design, read_design
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Floats, Indices


@dataclass(frozen=True, slots=True)
class LabelKeys:
    """The label keys in the order of the arrays' columns: those of the taxonomy, sorted."""

    scene: list[str]
    attribute: list[str]
    object: list[str]


@dataclass(frozen=True, slots=True)
class LabelArrays:
    """One source's labels of n photos.

    Attributes:
        scene: int64 [n], a column of the scene keys, or -1.
        attributes: int8 [n, attributes], 1, 0 or -1 (not judged).
        objects: int8 [n, objects], 1, 0 or -1 (not judged).
        scene_score: float32 [n], the score of the chosen scene; NaN where there is none.
        attribute_scores: float32 [n, attributes], NaN where there is no score.
        object_scores: float32 [n, objects], NaN where there is no score.
        is_scored: whether there are scores at all; without them nothing can be ranked.
        gives_object: bool [objects], whether any photo of the source has the label, of those n or another.
    """

    scene: Indices
    attributes: Flags
    objects: Flags
    scene_score: Floats
    attribute_scores: Floats
    object_scores: Floats
    is_scored: bool
    gives_object: Bools

    def has_any(self) -> Bools:
        """Return bool [n]: whether the photo has any label."""
        flags = np.column_stack([self.attributes, self.objects])
        return np.asarray((flags != UNJUDGED).any(axis=1) | (self.scene >= 0))


@dataclass(frozen=True, slots=True)
class JudgedPhotos:
    """Ground truth and prediction of the same n photos, and how the photos were drawn."""

    image_ids: list[str]
    keys: LabelKeys
    truth: LabelArrays
    prediction: LabelArrays
    design: Design


def judge_photos(
    records: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    labels: LabelTable,
    taxonomy: Taxonomy,
) -> JudgedPhotos:
    """Join truth records with the student's labels of the same photos, in the order of the records."""
    keys, image_ids = read_keys(taxonomy), [record.image_id for record in records]
    return JudgedPhotos(
        image_ids=image_ids,
        keys=keys,
        truth=arrays_of_records(records, keys),
        prediction=arrays_of_labels(labels, image_ids, keys),
        design=read_design(records, memberships),
    )


def read_keys(taxonomy: Taxonomy) -> LabelKeys:
    """Return the taxonomy's keys as columns."""
    return LabelKeys(*(head_keys(taxonomy, head) for head in HEADS))


def arrays_of_records(records: Sequence[GroundTruth | None], keys: LabelKeys) -> LabelArrays:
    """Return the labels of truth records; None stands for a photo without a record.

    Keys that are not in `keys` are ignored (readers of files refuse them); objects that a record does not
    list count as absent, and where it has no list nobody judged them.
    """
    n = len(records)
    scene_columns = {key: column for column, key in enumerate(keys.scene)}
    object_columns = {key: column for column, key in enumerate(keys.object)}
    scene = np.fromiter((scene_columns.get(r.scene[0], -1) if r and r.scene else -1 for r in records), int, n)
    attributes = np.full((n, len(keys.attribute)), UNJUDGED, np.int8)
    for column, key in enumerate(keys.attribute):
        said = (record.attributes.get(key, UNJUDGED) if record else UNJUDGED for record in records)
        attributes[:, column] = np.fromiter(said, np.int8, n)
    objects = np.zeros((n, len(keys.object)), np.int8)
    for row, record in enumerate(records):
        if record is None or record.objects is None:
            objects[row] = UNJUDGED
        elif record.objects:
            objects[row, [object_columns[key] for key in record.objects if key in object_columns]] = 1
    a, b, c = (np.full(values.shape, np.nan, np.float32) for values in (scene, attributes, objects))
    return LabelArrays(scene, attributes, objects, a, b, c, False, (objects == 1).any(axis=0))


def arrays_of_labels(table: LabelTable, image_ids: Sequence[str], keys: LabelKeys) -> LabelArrays:
    """Return the labels that a label table has of the photos `image_ids`, in their order.

    A photo's scene is the scene key with value 1, the one with the best score if there are several.
    """
    rows = find_rows(table.image_ids, image_ids)

    def take(columns: list[str]) -> tuple[Flags, Floats]:
        values = take_columns(table.value, table.keys, rows, columns, np.int8(UNJUDGED))
        return values, take_columns(table.score, table.keys, rows, columns, np.float32(np.nan))

    scenes, scene_scores = take(keys.scene)
    attributes, attribute_scores = take(keys.attribute)
    objects, object_scores = take(keys.object)
    chosen = np.where(scenes == 1, np.nan_to_num(scene_scores, nan=0.0), -np.inf)
    best = chosen.argmax(axis=1)
    top = chosen[np.arange(len(rows)), best]
    has_scene = ~np.isneginf(top)
    given = (table.value == 1).any(axis=0)[None, :]
    return LabelArrays(
        np.where(has_scene, best, -1),
        attributes,
        objects,
        np.where(has_scene, top, np.nan).astype(np.float32),
        attribute_scores,
        object_scores,
        is_scored=True,
        gives_object=take_columns(given, table.keys, np.zeros(1, np.int64), keys.object, np.False_)[0],
    )


def find_rows(known_ids: Sequence[str], image_ids: Sequence[str]) -> Indices:
    """Return the place of each of `image_ids` among `known_ids`, -1 where it is not there: int64 [n]."""
    place_of = {image_id: place for place, image_id in enumerate(known_ids)}
    return np.fromiter((place_of.get(image_id, -1) for image_id in image_ids), np.int64, len(image_ids))


def take_columns(
    values: NDArray[Any], known_keys: Sequence[str], rows: Indices, keys: Sequence[str], fill: np.generic
) -> NDArray[Any]:
    """Return `rows` (`find_rows`) and the columns of `keys` of a table `values` [photos, known_keys].

    What the table lacks is `fill`, whose dtype the result has.
    """
    taken, is_known = np.full((len(rows), len(keys)), fill), rows >= 0
    for column, place in enumerate(find_rows(known_keys, keys)):
        if place >= 0:
            taken[is_known, column] = values[rows[is_known], place]
    return taken


def most_specific(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 0 for a key where a descendant of it is 1 as well."""
    kept = values.copy()
    for column, below in _descendants(keys):
        kept[(values[:, column] == 1) & (values[:, below] == 1).any(axis=1), column] = 0
    return kept


def own_scores(scores: Floats, keys: Sequence[str]) -> Floats:
    """Return scores (float [n, keys]) of "this and nothing more specific": p(key) - sum of p(children)."""
    own, known = scores.copy(), set(keys)
    for column, key in enumerate(keys):
        parent = parent_key(key, known)
        if parent is not None:
            own[:, keys.index(parent)] -= np.nan_to_num(scores[:, column], nan=0.0)
    return own


def with_parents(values: Flags, keys: Sequence[str]) -> Flags:
    """Return `values` (int8 [n, keys]) with 1 for every ancestor of a key that is 1."""
    closed = values.copy()
    for column, below in _descendants(keys):
        closed[(values[:, below] == 1).any(axis=1), column] = 1
    return closed


def _descendants(keys: Sequence[str]) -> list[tuple[int, list[int]]]:
    """Return, for each key that has keys below it in the tree, its column and theirs."""
    below = [[i for i, other in enumerate(keys) if other.startswith(f"{key}.")] for key in keys]
    return [(column, others) for column, others in enumerate(below) if others]
