"""Judged labels on which two sides differ: what each said, what is true, and what became of it.

Is B better than A? Two label tables of one library, held against the same truth.

Compared are photos that both label and that neither has learnt from, which would flatter one side alone.
Everything that is left out is counted.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate, Taxonomy
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.label_arrays import (
    JudgedPhotos,
    LabelArrays,
    LabelKeys,
    arrays_of_labels,
    arrays_of_records,
    most_specific,
    own_scores,
    read_keys,
)
from vibe_photos.statistics.metrics import UNJUDGED, Flags, Ratio
from vibe_photos.statistics.paired import Difference, PairedRatio, adjust_p_values, estimate_difference

Kind = Literal["fixed", "broken", "wrong"]
"""What became of a judged label that flipped: now right, no longer right, or not right either way."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A judged label of one photo on which A and B differ; `label` is `scene`, `objects` or an attribute."""

    image_id: str
    label: str
    before: str
    after: str
    true: str
    kind: Kind


def find_flips(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[Flip]:
    """Yield every flip of scenes, then attributes, then objects; both sides are of the same photos.

    Objects flip as a whole, by their most specific keys: fixed where fewer of them are wrong than before.
    """
    yield from _scene_flips(a, b)
    yield from _attribute_flips(a, b)
    yield from _object_flips(a, b)


def _scene_flips(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[Flip]:
    names = [*(label_name(key) for key in a.keys.scene), "nothing"]
    truth, before, after = a.truth.scene, a.prediction.scene, b.prediction.scene
    for row in np.flatnonzero((truth >= 0) & (before != after)):
        words = (names[before[row]], names[after[row]], names[truth[row]])
        yield _flip(a.image_ids[row], "scene", *words)


def _attribute_flips(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[Flip]:
    words = {1: "yes", 0: "no", UNJUDGED: "nothing"}
    truth, before, after = a.truth.attributes, a.prediction.attributes, b.prediction.attributes
    for column, key in enumerate(a.keys.attribute):
        is_flipped = (truth[:, column] != UNJUDGED) & (before[:, column] != after[:, column])
        for row in np.flatnonzero(is_flipped):
            said = (words[int(side[row, column])] for side in (before, after, truth))
            yield _flip(a.image_ids[row], label_name(key), *said)


def _object_flips(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[Flip]:
    keys = a.keys.object
    sides = [
        most_specific(objects, keys) == 1
        for objects in (a.prediction.objects, b.prediction.objects, a.truth.objects)
    ]
    before, after, truth = sides
    for row in np.flatnonzero((before != after).any(axis=1)):
        words = [
            ", ".join(label_name(keys[i]) for i in np.flatnonzero(side[row])) or "none" for side in sides
        ]
        errors = [int((side[row] != truth[row]).sum()) for side in (before, after)]
        kind: Kind = "fixed" if errors[1] < errors[0] else "broken" if errors[1] > errors[0] else "wrong"
        yield Flip(a.image_ids[row], "objects", words[0], words[1], words[2], kind)


def _flip(image_id: str, label: str, before: str, after: str, true: str) -> Flip:
    kind: Kind = "fixed" if after == true else "broken" if before == true else "wrong"
    return Flip(image_id, label, before, after, true, kind)


SHARE = ((1.0, 1.0), (0.0, 1.0))
F1 = ((2.0, 2.0), (0.0, 1.0))
"""What one photo adds to a figure's numerator and denominator when it is hit, and when it is missed."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """One of the two: its name, its labels, and the splits by which it was trained.

    `is_tuned` says whether thresholds were chosen on the photos that people audited in the `tune` half.
    """

    name: str
    labels: LabelTable
    memberships: Mapping[str, Membership]
    is_tuned: bool = False

    def has_learnt_from(self, image_id: str) -> bool:
        """Return whether a photo trained this side or chose a threshold of it, and so flatters it."""
        membership = self.memberships.get(image_id)
        if membership is None:
            return False
        return membership.role == "train" or (self.is_tuned and membership.half == "tune")


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """One figure of both sides; `adjusted_p` may be held against the level together with the others'."""

    name: str
    difference: Difference
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """What lies between A and B.

    `n` judged photos are compared; `learnt_from` and `not_in_both` judged photos are left out. Of
    `photos` that both label, `changed_photos` have another label somewhere. `figures` holds those that
    both sides have, moved or not.
    """

    before: str
    after: str
    n: int
    learnt_from: int
    not_in_both: int
    photos: int
    changed_photos: int
    figures: list[FigureDifference]
    flips: list[Flip]

    def moved(self) -> list[FigureDifference]:
        """Return the figures that some judged photo moves."""
        return [figure for figure in self.figures if figure.difference.changed_groups]

    def real(self, level: float) -> list[FigureDifference]:
        """Return the figures whose difference is distinguishable from noise at a confidence level."""
        return [figure for figure in self.figures if figure.adjusted_p <= 1.0 - level]


def compare_labels(
    before: LabelSet,
    after: LabelSet,
    records: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
) -> LabelComparison:
    """Hold both sides against `records`; `memberships` say which photos are near-duplicates.

    Raises:
        InputError: a record's inclusion probability is impossible.
    """
    keys = read_keys(taxonomy)
    shared = sorted({*before.labels.image_ids} & {*after.labels.image_ids})
    in_both = set(shared)
    known = [record for record in records if record.image_id in in_both]
    fair = [
        record
        for record in known
        if not (before.has_learnt_from(record.image_id) or after.has_learnt_from(record.image_id))
    ]
    image_ids = [record.image_id for record in fair]
    truth, design = arrays_of_records(fair, keys), read_design(fair, memberships)
    a, b = (
        JudgedPhotos(image_ids, keys, truth, arrays_of_labels(side.labels, image_ids, keys), design)
        for side in (before, after)
    )
    return LabelComparison(
        before=before.name,
        after=after.name,
        n=len(fair),
        learnt_from=len(known) - len(fair),
        not_in_both=len(records) - len(known),
        photos=len(shared),
        changed_photos=_count_changed(before.labels, after.labels, shared, keys),
        figures=_compare_figures(a, b, evaluate) if fair else [],
        flips=list(find_flips(a, b)),
    )


def _count_changed(before: LabelTable, after: LabelTable, image_ids: Sequence[str], keys: LabelKeys) -> int:
    a, b = (arrays_of_labels(table, image_ids, keys) for table in (before, after))
    is_changed = a.scene != b.scene
    for one, other in ((a.attributes, b.attributes), (a.objects, b.objects)):
        is_changed |= (one != other).any(axis=1)
    return int(is_changed.sum())


def _compare_figures(a: JudgedPhotos, b: JudgedPhotos, evaluate: Evaluate) -> list[FigureDifference]:
    found = {
        name: difference
        for name, pair in _pair_figures(a, b)
        if (difference := estimate_difference(pair, a.design, evaluate)) is not None
    }
    # A figure that no photo moves cannot be called different, and takes nothing from the others' level.
    moved = {name: found[name].p_value for name in found if found[name].changed_groups}
    adjusted = dict(zip(moved, adjust_p_values(list(moved.values())), strict=True))
    return [FigureDifference(name, found[name], adjusted.get(name, 1.0)) for name in found]


def _pair_figures(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[tuple[str, PairedRatio]]:
    def pair(figure: Callable[[LabelArrays], Ratio], unit: tuple[tuple[float, float], ...]) -> PairedRatio:
        return PairedRatio(figure(a.prediction), figure(b.prediction), *unit)

    truth, keys = a.truth, a.keys
    yield "scene accuracy", pair(lambda said: metrics.accuracy(truth.scene, said.scene), SHARE)
    for column, key in enumerate(keys.attribute):
        y_true = truth.attributes[:, column]
        yield (
            f"{label_name(key)} F1",
            pair(lambda said, y=y_true, c=column: metrics.f1(y, said.attributes[:, c]), F1),  # type: ignore[misc]
        )
    y_true = most_specific(truth.objects, keys.object)
    yield "objects top-1", pair(lambda said: _top1(y_true, said, keys.object), SHARE)
    yield "objects F1", pair(lambda said: metrics.f1(y_true, most_specific(said.objects, keys.object)), F1)


def _top1(y_true: Flags, said: LabelArrays, keys: Sequence[str]) -> Ratio:
    return metrics.top_k(y_true, metrics.rank_of_truth(y_true, own_scores(said.object_scores, keys)), 1)
