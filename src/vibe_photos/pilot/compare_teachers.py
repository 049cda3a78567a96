"""Compare teachers on photos that people checked: quality with paired intervals, price, cost of right labels.

A label is a photo's scene, each judged attribute, and each object (the most specific) that is there or that
the teacher gives; a photo without an answer has none right. Every figure is weighted as those of the library.
Differences are paired (`statistics.paired`): all pairs' intervals hold at once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from vibe_photos.compare.compare import (
    JudgedSides,
    LabelChange,
    find_changed,
    measure_changes,
    show_labels,
    show_truth,
)
from vibe_photos.pilot.ask import TeacherAnswers
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Evaluate, Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import (
    JudgedPhotos,
    LabelArrays,
    arrays_of_records,
    most_specific,
    read_keys,
)
from vibe_photos.statistics.metrics import Floats, Ratio
from vibe_photos.statistics.paired import PairedRatio, simultaneous_intervals
from vibe_photos.statistics.summary import Figures, summarise


@dataclass(frozen=True, slots=True)
class TeacherCost:
    """What a teacher costs for the whole library, from the tokens really used; in `currency`."""

    hours: float
    price: float
    currency: str


@dataclass(frozen=True, slots=True)
class JudgedTeacher:
    """One teacher on the checked photos.

    Attributes:
        name: of the teacher.
        answered: photos of the pilot that it answered.
        right: the share of its labels that are right, with `interval`.
        right_per_photo: right labels per photo.
        figures: per label, as stage `agreement` has them.
        cost: None where no server reported tokens.
        price_of_thousand: the price of 1,000 right labels.
    """

    name: str
    answered: int
    right: float | None
    interval: Interval
    right_per_photo: float
    figures: Figures
    cost: TeacherCost | None
    price_of_thousand: float | None


@dataclass(frozen=True, slots=True)
class TeacherPair:
    """Two teachers: by how much `second` has a larger share of right labels, and each label's change."""

    first: str
    second: str
    difference: float
    interval: Interval
    labels: list[LabelChange]

    @property
    def better(self) -> str | None:
        """The teacher that is better beyond chance, if one is."""
        if self.interval.reason or self.interval.low <= 0 <= self.interval.high:
            return None
        return self.second if self.interval.low > 0 else self.first


def compare_teachers(
    teachers: Sequence[TeacherAnswers],
    checked: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
    library: int,
) -> tuple[list[JudgedTeacher], list[TeacherPair]]:
    """Return the teachers, the best first, and all pairs.

    Args:
        teachers: their answers.
        checked: people's records of the measured photos, with their design.
        memberships: near-duplicates.
        taxonomy: label keys.
        evaluate: level, repetitions, seed.
        library: photos of the whole library.
    """
    keys, design = read_keys(taxonomy), read_design(checked, memberships)
    ids, truth = [record.image_id for record in checked], arrays_of_records(checked, keys)
    said = {}
    for teacher in teachers:
        answer_of = {record.image_id: record for record in teacher.records}
        said[teacher.name] = arrays_of_records([answer_of.get(image_id) for image_id in ids], keys)
    ratios = {name: count_right(truth, arrays, keys.object) for name, arrays in said.items()}
    intervals = estimate_intervals(list(ratios.values()), design, evaluate)
    judged = []
    for teacher, interval in zip(teachers, intervals, strict=True):
        ratio, cost = ratios[teacher.name], estimate_cost(teacher, library)
        per_photo = float(np.average(ratio.numerator, weights=design.weights))
        photos = JudgedPhotos(ids, keys, truth, said[teacher.name], design)
        judged.append(
            JudgedTeacher(
                name=teacher.name,
                answered=len(teacher.records),
                right=ratio.value(design.weights),
                interval=interval,
                right_per_photo=per_photo,
                figures=summarise(photos, evaluate),
                cost=cost,
                price_of_thousand=1000 * cost.price / (per_photo * library) if cost and per_photo else None,
            )
        )
    judged.sort(key=lambda one: (-(one.right or 0.0), one.name))
    pairs = list(combinations([one.name for one in judged[::-1]], 2))
    paired = [PairedRatio(ratios[a], ratios[b]) for a, b in pairs]
    found = simultaneous_intervals(paired, design, evaluate.confidence_level)
    compared = []
    for (a, b), pair, interval in zip(pairs, paired, found, strict=True):
        before, after = (show_labels(said[name], keys) for name in (a, b))
        sides = JudgedSides(ids, keys, show_truth(truth, keys), before, after, design)
        values = [one.value(design.weights) or 0.0 for one in (pair.before, pair.after)]
        labels = measure_changes(sides, find_changed(before, after, keys), evaluate)
        compared.append(TeacherPair(a, b, values[1] - values[0], interval, labels))
    return judged, compared


def count_right(truth: LabelArrays, said: LabelArrays, objects: Sequence[str]) -> Ratio:
    """Return the share of labels that are right: per photo, how many are, of how many."""
    has_scene, judged = truth.scene >= 0, truth.attributes >= 0
    right: Floats = (has_scene & (truth.scene == said.scene)).astype(np.float64)
    right += (judged & (truth.attributes == said.attributes)).sum(axis=1)
    there, given = (most_specific(one.objects, objects) == 1 for one in (truth, said))
    right += (there & given).sum(axis=1)
    total = has_scene.astype(np.float64) + judged.sum(axis=1) + (there | given).sum(axis=1)
    return Ratio(right, total, int((total > 0).sum()))


def estimate_cost(teacher: TeacherAnswers, library: int) -> TeacherCost | None:
    """Return the cost of the whole library at the tokens that this teacher's answers took on average."""
    if not teacher.usage:
        return None
    prompt, completion = (np.array(teacher.usage).mean(axis=0) * library).tolist()
    rates = teacher.rates
    return TeacherCost(rates.hours(prompt, completion), rates.price(prompt, completion), rates.currency)
