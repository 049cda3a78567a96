"""What people's few answers and the teacher's many say together: prediction-powered estimates.

A mean over the library is estimated from the photos that people audited, and corrected by what is known of
a proxy: the same quantity with the teacher's word for the truth (Angelopoulos et al. 2023,
"Prediction-powered inference", with the proxy's weight `trust` of Angelopoulos, Duchi and Zrnic 2023,
"PPI++: efficient prediction-powered inference"; survey sampling knows it as the difference estimator):

    estimate = audited mean of (y - trust * proxy) + trust * library mean of the proxy

It is right on average however wrong the teacher is; the better the teacher, the narrower the interval.
It assumes that the audited photos were drawn with the inclusion probabilities that they state, and that of
the photos not drawn, those whose proxy is known are a random part. Who has no answer of the teacher has the
proxy 0, on either side.

The audited part's variance is that of `intervals`: near-duplicate groups, strata, weights, finite library.
Two photos of average weight are added, one that only people call true and one that only the teacher does, as
in `paired`: with a teacher who errs on a handful of photos the interval would otherwise be too narrow.

The library's own figures, from people's answers alone and together with the teacher's.

The student's accuracy, of scenes and of each attribute, on photos that it has not seen, and how common each
attribute is. What the two kinds of intervals rest on, and what they assume, stands in `prediction_powered`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, Floats, Indices, group_photos, strata_of_groups
from vibe_photos.statistics.intervals import (
    FEWEST_CASES,
    Interval,
    estimate_intervals,
    linearised_variance,
    logit_interval,
)
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Ratio
from vibe_photos.statistics.opinions import Opinions, opinions_of_labels, opinions_of_records
from vibe_photos.statistics.paired import average_weight, find_influence
from vibe_photos.statistics.summary import Comparison, Figures, round_figure, show_interval


@dataclass(frozen=True, slots=True)
class ProxyMean:
    """The mean of the proxy over the library, and its variance (0 where every photo's proxy is known)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class PoweredEstimate:
    """A prediction-powered mean in 0..1, its interval, and how much weight the proxy got."""

    value: float
    interval: Interval
    trust: float


def mean_proxy(audited: Floats, others: Floats, groups: Indices, photos: int) -> ProxyMean | None:
    """Return the proxy's mean over a library, or None where too little is known of the photos not audited.

    The audited photos stand for themselves, each of the `others` for an equal share of the rest.

    Args:
        audited: float64 [n], the proxy of the audited photos.
        others: float64 [m], the proxy of a random part of the other photos, or of all of them.
        groups: int64 [m] from 0 without gaps, equal for near-duplicates among the others.
        photos: how many the library has, at least n + m.
    """
    rest = photos - len(audited)
    if rest == 0:
        return ProxyMean(float(audited.mean()), 0.0)
    group_count = int(groups.max()) + 1 if len(groups) else 0
    if group_count < 2:
        return None
    weight = rest / len(others)
    value = float(audited.sum() + weight * others.sum()) / photos
    residuals = np.bincount(groups, others - others.mean())
    spread = group_count / (group_count - 1) * float((residuals**2).sum())
    return ProxyMean(value, weight**2 * (1.0 - 1.0 / weight) * spread / photos**2)


def estimate_powered(
    y: Floats, proxy: Floats, design: Design, known: ProxyMean, level: float
) -> PoweredEstimate:
    """Return the prediction-powered mean of `y` over the library.

    Args:
        y: float64 [n] of 0 and 1, what people say of the audited photos.
        proxy: float64 [n] of 0 and 1, the same with the teacher's word for the truth.
        design: how the n photos were drawn.
        known: the proxy's mean over the library.
        level: of confidence.
    """
    trust = tune_trust(y, proxy, design, known)
    value = float(np.average(y - trust * proxy, weights=design.weights)) + trust * known.value
    if len(y) < FEWEST_CASES:
        return PoweredEstimate(value, Interval(reason=f"n < {FEWEST_CASES}"), trust)
    interval = _powered_interval(y, proxy, design, known, trust, level)
    if not interval.reason:  # its centre leans away from 0 and 1, and so could leave out a value at the edge
        interval = Interval(min(interval.low, value), max(interval.high, value))
    return PoweredEstimate(value, interval, trust)


def tune_trust(y: Floats, proxy: Floats, design: Design, known: ProxyMean) -> float:
    """Return the weight of the proxy with the least variance, kept in 0..1, as PPI++ chooses it."""
    strata = strata_of_groups(design)

    def variance(values: Floats) -> float:
        centred = values - np.average(values, weights=design.weights)
        return linearised_variance(centred / design.weights.sum(), design, strata)

    covariance = (variance(y + proxy) - variance(y - proxy)) / 4
    total = variance(proxy) + known.variance
    return float(np.clip(covariance / total, 0.0, 1.0)) if total > 0 else 0.0


def _powered_interval(
    y: Floats, proxy: Floats, design: Design, known: ProxyMean, trust: float, level: float
) -> Interval:
    strata, everyone = strata_of_groups(design), np.ones(len(y))
    extra = average_weight(everyone > 0, design)
    rectified = Ratio(y - trust * proxy, everyone, len(y))
    found = find_influence(rectified, [(1.0, 1.0), (-trust, 1.0)], extra, design)
    variance = linearised_variance(found.of_photos, design, strata)
    variance += float(((extra * found.of_extra) ** 2).sum()) + trust**2 * known.variance
    centre = found.value + trust * known.value
    if not 0.0 < centre < 1.0:
        return Interval(reason="outside 0 to 1")
    return logit_interval(centre, float(np.sqrt(variance)), len(strata) - len(np.unique(strata)), level)


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
