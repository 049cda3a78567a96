"""Reasons why a person should look at a photo to teach, and how useful that is.

Each kind of reason has a fixed weight, spread evenly over its photos. A photo's usefulness is the sum over
its reasons. Training photos have the student's out-of-fold labels.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.taxonomy import show_name
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.label_arrays import (
    LabelArrays,
    LabelKeys,
    arrays_of_labels,
    arrays_of_records,
    find_rows,
    read_keys,
    take_columns,
)
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Floats

SHARES = {
    "disagreement": 0.4,
    "unsure student": 0.2,
    "rare scene": 0.05,
    "rare attribute": 0.1,
    "rare object": 0.05,
}
"""How much each kind of reason counts. A suspected answer is none of them: such photos come first anyway."""

SCENE = "scene"
"""The question that all scenes answer."""

_KINDS = list(SHARES)

_RARE = ("rare scene", "rare attribute", "rare object")

RARE_SHARE = 0.1
"""A label that the teacher gives to fewer photos than this is rare."""

SMALL_MARGIN = 0.2
"""The student is unsure if the probabilities of its two best scenes differ by less, or an attribute's differs
from the threshold by less than half of this."""

LIKELY_SCENE = 0.25
"""A photo may have a rare scene if its probability is at least this; a rare attribute or object, if it is at
least half the threshold."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A reason: for which of n photos it holds (bool [n]), and its sentence for the photo in a row.

    `question` is what it is about: `SCENE`, or the key of an attribute or object. The sentence of a rare
    label is its name: `explain` makes one sentence of all rare labels of a photo.
    """

    kind: str
    question: str
    holds: Bools
    sentence: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Library:
    """n photos and their labels; `scene_scores` is float64 [n, scenes], NaN where not scored.

    `names` are what people call the labels.
    """

    image_ids: Sequence[str]
    names: Mapping[str, str]
    keys: LabelKeys
    teacher: LabelArrays
    student: LabelArrays
    scene_scores: Floats
    thresholds: dict[str, float | None]


def read_library(records: Sequence[GroundTruth], labels: LabelTable, taxonomy: Taxonomy) -> Library:
    """Combine the teacher's records and the student's labels of the same photos."""
    image_ids, keys = [record.image_id for record in records], read_keys(taxonomy)
    rows = find_rows(labels.image_ids, image_ids)
    return Library(
        image_ids=image_ids,
        names={key: show_name(key, taxonomy) for key in (*keys.scene, *keys.attribute, *keys.object)},
        keys=keys,
        teacher=arrays_of_records(records, keys),
        student=arrays_of_labels(labels, image_ids, keys),
        scene_scores=take_columns(labels.score, labels.keys, rows, keys.scene, np.float64(np.nan)),
        thresholds=labels.threshold,
    )


def find_reasons(library: Library) -> list[Reason]:
    """Return every reason that holds for at least one photo."""
    found = [
        *_unsure_scene(library),
        *_attribute_reasons(library),
        _scene_disagreement(library),
        *_rare_labels(library),
    ]
    return [reason for reason in found if reason.holds.any()]


def explain(reasons: Sequence[Reason], row: int, told: Collection[str] = ()) -> list[str]:
    """Return a photo's reasons as sentences, those of one kind for each question; rare labels share one.

    Of the questions `told` nothing is said.
    """
    holding = sorted((one for one in reasons if one.holds[row]), key=lambda one: _KINDS.index(one.kind))
    kind_of = {one.question: one.kind for one in reversed(holding) if one.question not in told}
    first = [one for one in holding if one.kind == kind_of.get(one.question)]
    said = [reason.sentence(row) for reason in first if reason.kind not in _RARE]
    rare = [reason.sentence(row) for reason in first if reason.kind in _RARE]
    return [*said, f"perhaps one of the few photos with {', '.join(rare)}"] if rare else said


def estimate_usefulness(reasons: Sequence[Reason], photos: int) -> Floats:
    """Return how useful it is to look at each photo: float64 [photos], 0 without a reason.

    Reasons of one kind get equal parts of its share.
    """
    kinds: dict[str, list[Reason]] = {}
    for reason in reasons:
        kinds.setdefault(reason.kind, []).append(reason)
    usefulness = np.zeros(photos)
    for kind, same_kind in kinds.items():
        for reason in same_kind:
            usefulness += SHARES[kind] / len(same_kind) * photos * reason.holds / reason.holds.sum()
    return usefulness


def _unsure_scene(library: Library) -> list[Reason]:
    scores, names = library.scene_scores, [library.names[key] for key in library.keys.scene]
    known = np.where(np.isnan(scores), -1.0, scores)
    if known.shape[1] < 2:
        return []
    order = np.argsort(-known, axis=1, kind="stable")[:, :2]
    top = np.take_along_axis(known, order, axis=1)

    def sentence(row: int) -> str:
        (first, second), (high, low) = order[row], top[row]
        return f"the student is undecided between {names[first]} ({high:.2f}) and {names[second]} ({low:.2f})"

    is_close = (top[:, 1] >= 0) & (top[:, 0] - top[:, 1] < SMALL_MARGIN)
    return [Reason("unsure student", SCENE, is_close, sentence)]


def _attribute_reasons(library: Library) -> list[Reason]:
    reasons = []
    for column, key in enumerate(library.keys.attribute):
        teacher, student = library.teacher.attributes[:, column], library.student.attributes[:, column]
        scores, threshold = library.student.attribute_scores[:, column], library.thresholds.get(key)
        is_both = (teacher != UNJUDGED) & (student != UNJUDGED)
        said = _describe_disagreement(library.names[key], teacher)
        reasons.append(Reason("disagreement", key, is_both & (teacher != student), said))
        if threshold is not None:
            is_close = np.abs(scores - threshold) < SMALL_MARGIN / 2
            unsure = _describe_unsure(library.names[key], scores)
            reasons.append(Reason("unsure student", key, is_close, unsure))
    return reasons


def _describe_disagreement(name: str, teacher: NDArray[np.int8]) -> Callable[[int], str]:
    words = {0: "no, the student yes", 1: "yes, the student no"}
    return lambda row: f"{name}: the teacher says {words[int(teacher[row])]}"


def _describe_unsure(name: str, scores: NDArray[np.float32]) -> Callable[[int], str]:
    return lambda row: f"the student is unsure of {name} ({scores[row]:.2f})"


def _scene_disagreement(library: Library) -> Reason:
    teacher, student = library.teacher.scene, library.student.scene
    names = [library.names[key] for key in library.keys.scene]
    return Reason(
        "disagreement",
        SCENE,
        (teacher >= 0) & (student >= 0) & (teacher != student),
        lambda row: f"the teacher says {names[teacher[row]]}, the student {names[student[row]]}",
    )


def _rare_labels(library: Library) -> list[Reason]:
    teacher, student, keys = library.teacher, library.student, library.keys
    thresholds = {key: value for key, value in library.thresholds.items() if value is not None}
    reasons = [
        _rare(
            "rare scene",
            SCENE,
            library.names[key],
            teacher.scene == column,
            library.scene_scores[:, column] >= LIKELY_SCENE,
        )
        for column, key in enumerate(keys.scene)
    ]
    for column, key in enumerate(keys.attribute):
        likely = student.attribute_scores[:, column] >= thresholds.get(key, 2 * LIKELY_SCENE) / 2
        is_said = teacher.attributes[:, column] == 1
        reasons.append(_rare("rare attribute", key, library.names[key], is_said, likely))
    for column, key in enumerate(keys.object):
        likely = student.object_scores[:, column] >= thresholds.get(key, np.inf) / 2
        is_said = teacher.objects[:, column] == 1
        reasons.append(_rare("rare object", key, library.names[key], is_said, likely))
    return [reason for reason in reasons if reason is not None]


def _rare(kind: str, question: str, name: str, is_said: Bools, is_likely: Bools) -> Reason | None:
    if is_said.mean() >= RARE_SHARE:
        return None
    return Reason(kind, question, is_said | is_likely, lambda _: name)
