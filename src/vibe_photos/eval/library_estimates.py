"""The library's own figures, from people's answers alone and together with the teacher's.

The student's accuracy, of scenes and of each attribute, on photos that it has not seen, and how common each
attribute is. What the two kinds of intervals rest on, and what they assume, stands in `prediction_powered`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vibe_photos.eval.design import Design, Floats, Indices, group_photos
from vibe_photos.eval.intervals import estimate_intervals
from vibe_photos.eval.metrics import UNJUDGED, Bools, Ratio
from vibe_photos.eval.opinions import Opinions, opinions_of_labels, opinions_of_records
from vibe_photos.eval.prediction_powered import estimate_powered, mean_proxy
from vibe_photos.eval.summary import Comparison, Figures, round_figure, show_interval
from vibe_photos.heads.label_table import LabelTable
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.split import Membership
from vibe_photos.labels.taxonomy import label_name
from vibe_photos.settings import Evaluate


@dataclass(frozen=True, slots=True)
class Library:
    """What is said of a library's photos: the teacher's records by id, the student's labels, the splits."""

    answers: dict[str, GroundTruth]
    labels: LabelTable
    memberships: Mapping[str, Membership]


@dataclass(frozen=True, slots=True)
class _Answered:
    """What the teacher says of the n audited photos, and what both say of the m others that it answered.

    `groups` int64 [m] are near-duplicates, `is_holdout` bool [m] those that no head was trained on.
    """

    teacher: Opinions
    teacher_of_others: Opinions
    student_of_others: Opinions
    groups: Indices
    is_holdout: Bools


@dataclass(frozen=True, slots=True)
class _Question:
    """A question with the answer yes or no: what people say, and its proxy, the teacher's word for theirs.

    Attributes:
        is_judged: bool [n], of which audited photos people answer it.
        said: bool [n], what they say.
        proxy: bool [n], the proxy of the audited photos.
        others: bool [m], the proxy of the others of which it is known.
        groups: int64 [m], near-duplicates among those.
    """

    is_judged: Bools
    said: Bools
    proxy: Bools
    others: Bools
    groups: Indices


def estimate_library(audited: Comparison, library: Library, evaluate: Evaluate) -> Figures:
    """Return `accuracy` of `scene` and of `attributes.<name>`, and their `prevalence`, each also as `_ppi`.

    Accuracy is the student's; its proxy, agreement with the teacher, is known of the holdout. `prevalence`
    is the share of photos with the attribute; its proxy, the teacher's word, is known of every photo it
    answered. Without audited records that state an inclusion probability nothing is known of the library,
    and only `reason` is returned.

    Args:
        audited: people's records, all in the library, beside the student's labels.
        library: what teacher and student say of all photos.
        evaluate: confidence level, repetitions and seed.
    """
    if not audited.design.is_weighted:
        return {"reason": "no audited record states its inclusion_probability"}
    answered = _read_answers(audited, library)
    photos = len(audited.image_ids) + len(answered.groups)

    def estimate(name: str, question: _Question) -> Figures:
        return _estimate(name, question, audited.design, photos, evaluate)

    return {
        "scene": estimate("accuracy", _ask_for_accuracy(audited, answered, _read_scenes)),
        "attributes": {
            label_name(key): {
                **estimate("prevalence", _ask_for_prevalence(audited, answered, column)),
                **estimate("accuracy", _ask_for_accuracy(audited, answered, _read_attribute(column))),
            }
            for column, key in enumerate(audited.keys.attribute)
        },
    }


def _read_answers(audited: Comparison, library: Library) -> _Answered:
    said = {i: record for i, record in library.answers.items() if i in library.memberships}
    others = sorted(said.keys() - set(audited.image_ids))
    is_holdout = [library.memberships[image_id].role == "holdout" for image_id in others]
    return _Answered(
        teacher=opinions_of_records([said.get(image_id) for image_id in audited.image_ids], audited.keys),
        teacher_of_others=opinions_of_records([said[image_id] for image_id in others], audited.keys),
        student_of_others=opinions_of_labels(library.labels, others, audited.keys),
        groups=group_photos(others, library.memberships),
        is_holdout=np.array(is_holdout, dtype=np.bool_),
    )


def _read_scenes(opinions: Opinions) -> Indices:
    return opinions.scene


def _read_attribute(column: int) -> Callable[[Opinions], Indices]:
    return lambda opinions: opinions.attributes[:, column].astype(np.int64)


def _ask_for_accuracy(
    audited: Comparison, answered: _Answered, read: Callable[[Opinions], Indices]
) -> _Question:
    """Ask whether the student is right about what `read` takes from an opinion (below 0: nothing)."""
    people, student = read(audited.truth), read(audited.prediction)
    others = _agrees(read(answered.teacher_of_others), read(answered.student_of_others))
    return _Question(
        is_judged=people >= 0,
        said=people == student,
        proxy=_agrees(read(answered.teacher), student),
        others=others[answered.is_holdout],
        groups=answered.groups[answered.is_holdout],
    )


def _ask_for_prevalence(audited: Comparison, answered: _Answered, column: int) -> _Question:
    people = audited.truth.attributes[:, column]
    return _Question(
        is_judged=people != UNJUDGED,
        said=people == 1,
        proxy=answered.teacher.attributes[:, column] == 1,
        others=answered.teacher_of_others.attributes[:, column] == 1,
        groups=answered.groups,
    )


def _agrees(teacher: Indices, student: Indices) -> Bools:
    return np.asarray((teacher >= 0) & (teacher == student))


def _estimate(name: str, question: _Question, design: Design, photos: int, evaluate: Evaluate) -> Figures:
    """Return the share of yes among a library's `photos`, by people alone and prediction-powered."""
    is_judged = question.is_judged
    if not is_judged.any():
        return {name: None}
    design, said = design.restrict(is_judged), _floats(question.said[is_judged])
    ratio = Ratio(said, np.ones(len(said)), len(said))
    figures: Figures = {name: round_figure(ratio.value(design.weights))}
    figures |= show_interval(name, estimate_intervals([ratio], design, evaluate)[0])
    known = mean_proxy(_floats(question.proxy), _floats(question.others), _renumber(question.groups), photos)
    if known is None:
        return figures
    found = estimate_powered(
        said, _floats(question.proxy[is_judged]), design, known, evaluate.confidence_level
    )
    powered = f"{name}_ppi"
    return figures | {powered: round_figure(found.value)} | show_interval(powered, found.interval)


def _floats(flags: Bools) -> Floats:
    return flags.astype(np.float64)


def _renumber(groups: Indices) -> Indices:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
