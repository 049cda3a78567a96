"""Is B better than A? Two label tables of one library, measured against the same truth.

Compared are judged photos that both have labels for and that neither has learnt from, which would flatter one
side alone; what is left out is counted. A flip is a judged label on which A and B differ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate, Taxonomy
from vibe_photos.statistics import metrics
from vibe_photos.statistics.label_arrays import (
    JudgedPhotos,
    LabelArrays,
    LabelKeys,
    arrays_of_labels,
    judge_photos,
    most_specific,
    own_scores,
    read_keys,
)
from vibe_photos.statistics.metrics import UNJUDGED, Ratio
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
    keys, ids = a.keys, a.image_ids
    names = [*(label_name(key) for key in keys.scene), "nothing"]
    scenes = (a.prediction.scene, b.prediction.scene, a.truth.scene)
    for row in np.flatnonzero((scenes[2] >= 0) & (scenes[0] != scenes[1])):
        yield _flip(ids[row], "scene", *(names[scene[row]] for scene in scenes))

    words = {1: "yes", 0: "no", UNJUDGED: "nothing"}
    attributes = (a.prediction.attributes, b.prediction.attributes, a.truth.attributes)
    for column, key in enumerate(keys.attribute):
        before, after, truth = (flags[:, column] for flags in attributes)
        for row in np.flatnonzero((truth != UNJUDGED) & (before != after)):
            yield _flip(
                ids[row], label_name(key), *(words[int(side[row])] for side in (before, after, truth))
            )

    objects = [
        most_specific(side.objects, keys.object) == 1 for side in (a.prediction, b.prediction, a.truth)
    ]
    for row in np.flatnonzero((objects[0] != objects[1]).any(axis=1)):
        before, after, truth = (side[row] for side in objects)
        said = [
            ", ".join(label_name(keys.object[i]) for i in np.flatnonzero(side)) or "none"
            for side in (before, after, truth)
        ]
        change = int((after != truth).sum()) - int((before != truth).sum())
        kind: Kind = "fixed" if change < 0 else "broken" if change > 0 else "wrong"
        yield Flip(ids[row], "objects", said[0], said[1], said[2], kind)


def _flip(image_id: str, label: str, before: str, after: str, true: str) -> Flip:
    kind: Kind = "fixed" if after == true else "broken" if before == true else "wrong"
    return Flip(image_id, label, before, after, true, kind)


SHARE = ((1.0, 1.0), (0.0, 1.0))
F1 = ((2.0, 2.0), (0.0, 1.0))
"""What one photo adds to a figure's numerator and denominator when it is hit, and when it is missed."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of one side: its name, its label table, and the splits by which its heads were trained.

    `is_tuned` says whether thresholds were chosen on the audited photos of the `tune` half.
    """

    name: str
    labels: LabelTable
    memberships: Mapping[str, Membership]
    is_tuned: bool = False

    def has_learnt_from(self, image_id: str) -> bool:
        """Return whether a photo trained these heads or chose a threshold, and so flatters the labels."""
        membership = self.memberships.get(image_id)
        if membership is None:
            return False
        return membership.role == "train" or (self.is_tuned and membership.half == "tune")


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """One figure of both sides; `adjusted_p` accounts for the other figures that were tested with it."""

    name: str
    difference: Difference
    adjusted_p: float


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """The differences between A and B.

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
        """Return the figures that change on some judged photo."""
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
    """Measure both sides against `records`; `memberships` say which photos are near-duplicates.

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
    a, b = (judge_photos(fair, memberships, side.labels, taxonomy) for side in (before, after))
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
    # A figure that no photo moves cannot be different, so it is not among those that p is adjusted for.
    moved = {name: found[name].p_value for name in found if found[name].changed_groups}
    adjusted = dict(zip(moved, adjust_p_values(list(moved.values())), strict=True))
    return [FigureDifference(name, found[name], adjusted.get(name, 1.0)) for name in found]


def _pair_figures(a: JudgedPhotos, b: JudgedPhotos) -> Iterator[tuple[str, PairedRatio]]:
    def pair(figure: Callable[[LabelArrays], Ratio], unit: tuple[tuple[float, float], ...]) -> PairedRatio:
        return PairedRatio(figure(a.prediction), figure(b.prediction), *unit)

    truth, keys = a.truth, a.keys
    yield "scene accuracy", pair(lambda said: metrics.accuracy(truth.scene, said.scene), SHARE)
    for i, key in enumerate(keys.attribute):
        yield f"{label_name(key)} F1", pair(partial(_attribute_f1, truth, i), F1)
    objects = most_specific(truth.objects, keys.object)

    def top1(said: LabelArrays) -> Ratio:
        ranks = metrics.rank_of_truth(objects, own_scores(said.object_scores, keys.object))
        return metrics.top_k(objects, ranks, 1)

    yield "objects top-1", pair(top1, SHARE)
    yield "objects F1", pair(lambda said: metrics.f1(objects, most_specific(said.objects, keys.object)), F1)


def _attribute_f1(truth: LabelArrays, column: int, said: LabelArrays) -> Ratio:
    return metrics.f1(truth.attributes[:, column], said.attributes[:, column])
