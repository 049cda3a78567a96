"""The library's own figures, from people's answers alone and together with the teacher's.

The student's scene accuracy on photos that it has not seen, and how common each attribute is. What the two
kinds of intervals rest on, and what they assume, stands in `prediction_powered`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.eval.design import Design, Floats, Indices, group_photos
from vibe_photos.eval.intervals import Interval, estimate_intervals
from vibe_photos.eval.metrics import UNJUDGED, Bools, Ratio
from vibe_photos.eval.opinions import LabelKeys, Opinions, opinions_of_labels, opinions_of_records
from vibe_photos.eval.prediction_powered import estimate_powered, mean_proxy
from vibe_photos.eval.summary import Figures, round_figure
from vibe_photos.heads.label_table import LabelTable
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.split import Membership
from vibe_photos.labels.taxonomy import label_name
from vibe_photos.settings import Evaluate


@dataclass(frozen=True, slots=True)
class _Side:
    """What the teacher and the student say of n photos."""

    teacher: Opinions
    student: Opinions


@dataclass(frozen=True, slots=True)
class _Library:
    """The audited photos, the others that the teacher has answered, and how many there are of both."""

    people: Opinions
    audited: _Side
    others: _Side
    design: Design
    groups_of_others: Indices
    is_holdout: Bools
    photos: int


def estimate_library(
    audited: Sequence[GroundTruth],
    auto: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    labels: LabelTable,
    keys: LabelKeys,
    design: Design,
    evaluate: Evaluate,
) -> Figures:
    """Return `scene` (`accuracy`) and `attributes.<name>` (`prevalence`), each by people alone and as `_ppi`.

    Accuracy is the student's; its proxy, agreement with the teacher, is known of the holdout. `prevalence`
    is the share of photos with the attribute; its proxy, the teacher's word, is known of every photo it
    answered. Without audited records that state an inclusion probability nothing is known of the library,
    and only `reason` is returned.

    Args:
        audited: people's records, all in the library.
        auto: the teacher's records.
        memberships: `splits.json`, which says what is in the library.
        labels: what the student says.
        keys: label keys.
        design: how the audited photos were drawn.
        evaluate: confidence level, repetitions and seed.
    """
    if not design.is_weighted:
        return {"reason": "no audited record states its inclusion_probability"}
    library = _read_library(audited, auto, memberships, labels, keys, design)
    names = {label_name(key): column for column, key in enumerate(keys.attribute)}
    return {
        "scene": _estimate_accuracy(library, evaluate),
        "attributes": {
            name: _estimate_prevalence(library, column, evaluate) for name, column in names.items()
        },
    }


def _read_library(
    audited: Sequence[GroundTruth],
    auto: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    labels: LabelTable,
    keys: LabelKeys,
    design: Design,
) -> _Library:
    said = {record.image_id: record for record in auto if record.image_id in memberships}
    ids = [record.image_id for record in audited]
    others = sorted(said.keys() - set(ids))

    def side(image_ids: Sequence[str]) -> _Side:
        return _Side(
            teacher=opinions_of_records([said.get(image_id) for image_id in image_ids], keys),
            student=opinions_of_labels(labels, image_ids, keys),
        )

    return _Library(
        people=opinions_of_records(audited, keys),
        audited=side(ids),
        others=side(others),
        design=design,
        groups_of_others=group_photos(others, memberships),
        is_holdout=np.array([memberships[image_id].role == "holdout" for image_id in others], dtype=np.bool_),
        photos=len(ids) + len(others),
    )


def _estimate_accuracy(library: _Library, evaluate: Evaluate) -> Figures:
    people, audited, others = library.people, library.audited, library.others
    return _estimate(
        "accuracy",
        is_judged=people.scene >= 0,
        y=people.scene == audited.student.scene,
        proxy=_agrees(audited),
        others=_agrees(others)[library.is_holdout],
        groups=library.groups_of_others[library.is_holdout],
        library=library,
        evaluate=evaluate,
    )


def _agrees(side: _Side) -> Bools:
    return np.asarray((side.teacher.scene >= 0) & (side.teacher.scene == side.student.scene))


def _estimate_prevalence(library: _Library, column: int, evaluate: Evaluate) -> Figures:
    people, teacher = library.people.attributes, library.audited.teacher.attributes
    return _estimate(
        "prevalence",
        is_judged=people[:, column] != UNJUDGED,
        y=people[:, column] == 1,
        proxy=teacher[:, column] == 1,
        others=library.others.teacher.attributes[:, column] == 1,
        groups=library.groups_of_others,
        library=library,
        evaluate=evaluate,
    )


def _estimate(
    name: str,
    *,
    is_judged: Bools,
    y: Bools,
    proxy: Bools,
    others: Bools,
    groups: Indices,
    library: _Library,
    evaluate: Evaluate,
) -> Figures:
    """Return a mean over the library by people alone, and prediction-powered."""
    if not is_judged.any():
        return {name: None}
    design = library.design.restrict(is_judged)
    said = y[is_judged].astype(np.float64)
    ratio = Ratio(said, np.ones(len(said)), len(said))
    interval = estimate_intervals([ratio], design, evaluate)[0]
    figures = _with_interval(name, ratio.value(design.weights), interval)
    known = mean_proxy(_floats(proxy), _floats(others), _renumber(groups), library.photos)
    if known is None:
        return figures
    found = estimate_powered(said, _floats(proxy[is_judged]), design, known, evaluate.confidence_level)
    return figures | _with_interval(f"{name}_ppi", found.value, found.interval)


def _with_interval(name: str, value: float | None, interval: Interval) -> Figures:
    figures: Figures = {name: round_figure(value)}
    if interval.reason:
        return figures | {f"{name}_interval": interval.reason}
    return figures | {f"{name}_low": round_figure(interval.low), f"{name}_high": round_figure(interval.high)}


def _floats(flags: Bools) -> Floats:
    return flags.astype(np.float64)


def _renumber(groups: Indices) -> Indices:
    return np.unique(groups, return_inverse=True)[1].astype(np.int64)
