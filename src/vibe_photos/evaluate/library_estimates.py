"""Prediction-powered estimates: figures for the library from few human labels and many teacher labels.

The figures are the student's accuracy, of scenes and of each attribute, on photos that it has not seen, and
the share of photos with each attribute. A mean over the library is estimated from the photos that people
audited, and corrected by a proxy: the same quantity with the teacher's answer as the truth (Angelopoulos et
al. 2023, "Prediction-powered inference", with the proxy's weight `trust` of Angelopoulos, Duchi and Zrnic
2023, "PPI++: efficient prediction-powered inference"; survey sampling calls it the difference estimator):

    estimate = audited mean of (y - trust * proxy) + trust * library mean of the proxy

It is unbiased however wrong the teacher is. With a good teacher the interval is narrower than from human
labels alone, with a poor one it may be wider; `<name>_ppi_is_narrower` says which. It assumes that the
audited photos were drawn with the inclusion probabilities that they state, and that the photos with a known
proxy are a random part of the photos that were not audited. Photos without an answer of the teacher have the
proxy 0, in both samples. Both parts leave out strata in which nobody measured a photo yet.

Of photos that `annotate.budget` kept from being asked, nothing is known. So the mean is estimated over those
that were asked, a simple random sample of all, and its variance as such is added (`first_phase_variance`).

The audited part's variance is that of `intervals`: near-duplicate groups, strata, weights, finite library.
Two photos of average weight are added, one positive only for people and one only for the teacher, as in
`paired`: if the teacher is wrong on only a few photos, the interval would otherwise be too narrow.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.human_truth.draws import NOT_ASKED, split_name
from vibe_photos.human_truth.sample import NOT_DRAWN, MeasuredSample
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate
from vibe_photos.statistics.design import Design, degrees_of_freedom, group_photos
from vibe_photos.statistics.intervals import (
    FEWEST_CASES,
    TOO_FEW,
    Interval,
    estimate_intervals,
    first_phase_variance,
    linearised_variance,
    logit_interval,
)
from vibe_photos.statistics.label_arrays import JudgedPhotos, LabelArrays, arrays_of_labels, arrays_of_records
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Floats, Indices, Labels, Ratio
from vibe_photos.statistics.paired import average_weight, find_influence
from vibe_photos.statistics.summary import Figures, show_figure
from vibe_photos.storage.files import round_metric

FEWEST_HOLDOUT = 50
"""With fewer holdout photos, prediction-powered intervals have too little coverage."""


@dataclass(frozen=True, slots=True)
class ProxyMean:
    """The mean of the proxy over the library, and its variance (0 if every photo's proxy is known)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class PoweredEstimate:
    """A prediction-powered mean in 0..1, and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class MeasuredPhotos:
    """The measured photos with the student's labels, and their sample, in the same order."""

    judged: JudgedPhotos
    sample: MeasuredSample


@dataclass(frozen=True, slots=True)
class TeacherLabels:
    """The teacher's labels of the n measured photos, and of m others in strata with measured photos.

    `image_ids`, `groups` (int64 [m], equal for near-duplicates), `strata` and `is_holdout` (bool [m]) are of
    the others, which all have an answer; `unanswered` counts those without.
    """

    measured: LabelArrays
    others: LabelArrays
    image_ids: list[str]
    groups: Indices
    strata: list[str]
    is_holdout: Bools
    unanswered: int


def estimate_library(
    scored: MeasuredPhotos,
    everyone: MeasuredPhotos,
    answers: Sequence[GroundTruth],
    labels: LabelTable,
    memberships: Mapping[str, Membership],
    evaluate: Evaluate,
) -> Figures:
    """Return `accuracy` of `scene` and of `attributes.<name>`, and their `prevalence`, each also as `_ppi`.

    Accuracy is the student's; its proxy, agreement with the teacher, is known of the holdout, where each
    photo stands for its stratum's share of the rest; below `FEWEST_HOLDOUT` there is no `_ppi`. `prevalence`
    is the share of photos with the attribute; its proxy, that the teacher says so, is known of every photo.
    All are about all photos, also those without an answer of the teacher. Where photos were skipped,
    `<name>_with_skipped` holds what the figure would be if all of them were wrong (had no such attribute),
    and if all were right. Without measured records that state an inclusion probability nothing can be said
    about the library, and only `reason` is returned.

    `scored` are the measured photos on which the student is scored: one half, where thresholds were tuned on
    the other. `everyone` are all of them, for the shares of photos. `answers` are the teacher's records,
    `labels` the student's labels of all photos.
    """
    if not scored.judged.design.is_weighted:
        return {"reason": "no audited record states its inclusion_probability"}
    answer_of = {one.image_id: one for one in answers if one.image_id in memberships}
    keys = scored.judged.keys
    teacher, teacher_all = (find_teacher_labels(one, answer_of, memberships) for one in (scored, everyone))
    student = arrays_of_labels(labels, teacher.image_ids, keys)
    is_holdout, weights = teacher.is_holdout, weigh_rest(teacher.strata, teacher.is_holdout)

    def estimate_accuracy(read: Callable[[LabelArrays], Labels]) -> Figures:
        """Estimate how often the student is right about what `read` returns (below 0: not judged)."""
        people, predicted, known = read(scored.judged.truth), read(scored.judged.prediction), None
        proxy = _agree(read(teacher.measured), predicted)
        if weights is not None:
            others = _agree(read(teacher.others), read(student))[is_holdout]
            known = mean_proxy(proxy, others, teacher.groups[is_holdout], weights, teacher.unanswered)
        return _estimate("accuracy", people >= 0, people == predicted, proxy, known, scored, evaluate)

    def estimate_prevalence(column: int) -> Figures:
        people = everyone.judged.truth.attributes[:, column]
        proxy, others = (one.attributes[:, column] == 1 for one in (teacher_all.measured, teacher_all.others))
        known = mean_proxy(proxy, others, teacher_all.groups, np.ones(len(others)), teacher_all.unanswered)
        return _estimate("prevalence", people != UNJUDGED, people == 1, proxy, known, everyone, evaluate)

    def read_attribute(column: int) -> Callable[[LabelArrays], Labels]:
        return lambda arrays: arrays.attributes[:, column]

    return {
        "scene": estimate_accuracy(lambda arrays: arrays.scene),
        "attributes": {
            label_name(key): estimate_prevalence(column) | estimate_accuracy(read_attribute(column))
            for column, key in enumerate(keys.attribute)
        },
    }


def find_teacher_labels(
    measured: MeasuredPhotos, answer_of: Mapping[str, GroundTruth], memberships: Mapping[str, Membership]
) -> TeacherLabels:
    """Return the teacher's labels; `answer_of` has its records of the library's photos.

    Photos that `annotate.budget` kept from being asked are not counted. The teacher is asked in the order of
    the photos' random numbers, so photos above the highest answered number were not asked.
    """
    judged, unmeasured_strata = measured.judged, measured.sample.unmeasured_strata
    is_all_asked = judged.design.asked_share is None
    highest_asked = 1.0 if is_all_asked else max(memberships[image_id].number for image_id in answer_of)
    others = [
        image_id
        for image_id in sorted(memberships.keys() - set(judged.image_ids))
        if (stratum := memberships[image_id].stratum or NOT_DRAWN) not in unmeasured_strata
        and split_name(stratum)[0] != NOT_ASKED
        and (image_id in answer_of or memberships[image_id].number <= highest_asked)
    ]
    answered = [image_id for image_id in others if image_id in answer_of]
    return TeacherLabels(
        measured=arrays_of_records([answer_of.get(one) for one in judged.image_ids], judged.keys),
        others=arrays_of_records([answer_of[one] for one in answered], judged.keys),
        image_ids=answered,
        groups=group_photos(answered, memberships),
        strata=[memberships[one].stratum or (answer_of[one].scene or [""])[0] for one in answered],
        is_holdout=np.array([memberships[one].role == "holdout" for one in answered], dtype=np.bool_),
        unanswered=len(others) - len(answered),
    )


def bound_by_skips(is_judged: Bools, is_true: Bools, measured: MeasuredPhotos) -> tuple[float, float] | None:
    """Return a share if all skipped photos were no, and if all were yes; None if none was skipped.

    In a stratum of m answers with s skips it is then yes / (m + s), or (yes + s) / (m + s).
    """
    strata = measured.sample.strata
    names = np.array([str(record.extra["stratum"]) for record in measured.sample.records], dtype=np.str_)
    low = high = total = 0.0
    for name in np.unique(names[is_judged]).tolist():
        rows, skipped = is_judged & (names == name), strata[name].skipped
        weight, yes = float(measured.judged.design.weights[rows].sum()), int(is_true[rows].sum())
        shown = int(rows.sum()) + skipped
        low, high, total = low + weight * yes / shown, high + weight * (yes + skipped) / shown, total + weight
    return (low / total, high / total) if high > low else None


def weigh_rest(strata: Sequence[str], is_known: Bools) -> Floats | None:
    """Return the weight of each photo with a known proxy: photos of its stratum / known photos of it.

    `strata` are those of m photos that nobody audited; `is_known`, bool [m], is true for a random part of
    each. Returns float64 [known photos], or None if too few are known, or none in a stratum.
    """
    _, numbers = np.unique(np.array(strata, dtype=np.str_), return_inverse=True)
    sizes = np.bincount(numbers)
    known = np.bincount(numbers[is_known], minlength=len(sizes))
    if is_known.sum() < FEWEST_HOLDOUT or (known == 0).any():
        return None
    return (sizes / known)[numbers[is_known]]


def mean_proxy(
    audited: Floats | Bools, others: Floats | Bools, groups: Indices, weights: Floats, zeros: int = 0
) -> ProxyMean | None:
    """Return the proxy's mean over a library, or None if there are too few photos that are not audited.

    The `audited` photos [n] stand for themselves; `others` [m] are a random part of the other photos, or all
    of them, and each stands for `weights` photos (at least 1). `groups`: int64 [m], equal for near-duplicates
    among them. `zeros` counts further photos, all with proxy 0.
    """
    total_weight = len(audited) + float(weights.sum()) + zeros
    if not len(others):
        return ProxyMean(float(audited.sum()) / total_weight, 0.0)
    numbers = np.unique(groups, return_inverse=True)[1]
    group_count = int(numbers.max()) + 1
    if group_count < 2:
        return None
    value = (float(audited.sum()) + float((weights * others).sum())) / total_weight
    residuals = np.bincount(numbers, weights * (others - np.average(others, weights=weights)))
    spread = group_count / (group_count - 1) * float((residuals**2).sum())
    return ProxyMean(value, (1.0 - len(others) / float(weights.sum())) * spread / total_weight**2)


def estimate_powered(
    y: Floats, proxy: Floats, design: Design, known: ProxyMean, level: float
) -> PoweredEstimate:
    """Return the prediction-powered mean of `y` over the library.

    `y`: people's answers for the n audited photos, float64 [n] of 0 and 1; `proxy`: the same with the
    teacher's answers as the truth; `known`: the proxy's mean over the library.
    """
    trust, ones = tune_trust(y, proxy, design.asked(), known), np.ones(len(y))
    value = float(np.average(y - trust * proxy, weights=design.weights)) + trust * known.value
    if len(y) < FEWEST_CASES:
        return PoweredEstimate(value, Interval(reason=TOO_FEW))
    added_weight = average_weight(ones > 0, design)
    # Added to y - trust * proxy: a photo with y = 1 and proxy = 0, and one with y = 0 and proxy = 1.
    added = [(1.0, 1.0), (-trust, 1.0)]
    influence = find_influence(Ratio(y - trust * proxy, ones, len(y)), added, added_weight, design)
    value_with_added = influence.value + trust * known.value
    if not 0.0 < value_with_added < 1.0:
        return PoweredEstimate(value, Interval(reason="outside 0 to 1"))
    variance = linearised_variance(influence.by_photo, design.asked())  # of the audited part
    variance += first_phase_variance(y / design.weights.sum(), design)  # of the photos that were asked
    # Of the added photos, and of the proxy's mean over the library.
    variance += float(((added_weight * influence.by_added) ** 2).sum()) + trust**2 * known.variance
    interval = logit_interval(value_with_added, float(np.sqrt(variance)), degrees_of_freedom(design), level)
    if not interval.reason:  # the added photos pull it away from 0 and 1: it could exclude a value near them
        interval = Interval(min(interval.low, value), max(interval.high, value))
    return PoweredEstimate(value, interval)


def tune_trust(y: Floats, proxy: Floats, design: Design, known: ProxyMean) -> float:
    """Return the weight of the proxy with the least variance, kept in 0..1, as PPI++ chooses it."""

    def variance(values: Floats) -> float:
        centred = values - np.average(values, weights=design.weights)
        return linearised_variance(centred / design.weights.sum(), design)

    covariance = (variance(y + proxy) - variance(y - proxy)) / 4
    total = variance(proxy) + known.variance
    return float(np.clip(covariance / total, 0.0, 1.0)) if total > 0 else 0.0


def _agree(teacher: Labels, student: Labels) -> Bools:
    return np.asarray((teacher >= 0) & (teacher == student))


def _estimate(
    name: str,
    is_judged: Bools,
    is_true: Bools,
    proxy: Bools,
    known: ProxyMean | None,
    measured: MeasuredPhotos,
    evaluate: Evaluate,
) -> Figures:
    """Return a share of the library's photos, by people alone and prediction-powered.

    Of the n measured photos `is_judged` are those for which people answered, `is_true` are people's answers,
    and `proxy` those of the teacher: bool [n]. `known` is the proxy's mean over the library.
    """
    if not is_judged.any():
        return {name: None}
    design, y = measured.judged.design.restrict(is_judged), is_true[is_judged].astype(np.float64)
    ratio = Ratio(y, np.ones(len(y)), len(y))
    interval = estimate_intervals([ratio], design, evaluate)[0]
    figures = show_figure(name, ratio.value(design.weights), interval)
    if bounds := bound_by_skips(is_judged, is_true, measured):
        figures[f"{name}_with_skipped"] = [round_metric(bound) for bound in bounds]
    if known is None:
        return figures
    judged_proxy = proxy[is_judged].astype(np.float64)
    found = estimate_powered(y, judged_proxy, design, known, evaluate.confidence_level)
    figures |= show_figure(f"{name}_ppi", found.value, found.interval)
    if not found.interval.reason and not interval.reason:
        figures[f"{name}_ppi_is_narrower"] = bool(found.interval.width < interval.width)
    return figures
