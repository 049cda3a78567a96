"""Is B better than A? Two label tables of one library, measured against the same truth.

The comparison uses judged photos that both sides label and that neither side was trained or tuned on, which
would favour that side; photos left out are counted. Only labels that differ are compared, as a reader sees
them: an unjudged label is not shown, like a negative one. An object is shown with its parents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import all_keys, label_name, show_name
from vibe_photos.settings import Evaluate, Taxonomy, TruthName
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design, read_design
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.label_arrays import (
    LabelArrays,
    LabelKeys,
    arrays_of_labels,
    arrays_of_records,
    find_rows,
    most_specific,
    read_keys,
    with_parents,
)
from vibe_photos.statistics.metrics import UNJUDGED
from vibe_photos.statistics.paired import Change, PairedRatio, compare_counts, simultaneous_intervals

Shown = NDArray[np.int16]
"""Labels of n photos as a reader sees them: [n, 1 + attributes + objects].

First the scene's column in the scene keys, or -1; then 1 if a label is shown, else 0. In a truth: -1 where
nobody judged it.
"""

Kind = Literal["now wrong", "now right", "still wrong"]
"""The outcome of a judged label that flipped."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A judged photo on which A and B differ in a label, or in some of several objects.

    `before`, `after` and `true` are keys, of those compared: what it has by A, by B and in truth; of objects
    the most specific.
    """

    image_id: str
    before: list[str]
    after: list[str]
    true: list[str]
    kind: Kind


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of one side: its name, its label table, and the splits by which its heads were trained.

    `is_tuned` is true if thresholds were chosen on the measured photos of the `tune` half.
    """

    name: str
    labels: LabelTable
    memberships: Mapping[str, Membership]
    is_tuned: bool = False

    def has_learnt_from(self, image_id: str) -> bool:
        """Return whether heads or thresholds were fitted to this photo, so that its figures are too good."""
        one = self.memberships.get(image_id)
        return one is not None and (one.role == "train" or (self.is_tuned and one.half == "tune"))


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A figure of both sides, None if its denominator is 0, and the interval of B minus A."""

    before: float | None
    after: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One label on which A and B differ: `scene`, one attribute or object, or `objects`, counted together.

    `keys` are the labels that differ (none for the scene), `judged` counts the compared photos that are
    judged for it, and `flips` are those on which it differs. `questions` say how often a photo is `wrong`, a
    false positive or a false negative (the scene: `wrong`). `figures` are precision, recall, F1 and accuracy
    (the scene: accuracy).
    """

    label: str
    keys: list[str]
    judged: int
    flips: list[Flip]
    questions: dict[str, Change]
    figures: dict[str, FigureDifference]


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """The differences between A (`before`) and B (`after`).

    `n` judged photos are compared. `learnt_from` and `not_in_both` judged photos are left out because one
    side has learned from them, or not both sides label them. `photos` are labelled by both, `changed_photos`
    of these differently, in the labels that `labels` lists. `names` has what people read for each key.
    """

    before: str
    after: str
    truth: TruthName
    level: float
    n: int
    learnt_from: int
    not_in_both: int
    photos: int
    only_before: int
    only_after: int
    changed_photos: int
    labels: list[LabelChange]
    names: Mapping[str, str]

    def is_real(self, change: Change) -> bool:
        """Return whether a difference is larger than chance explains."""
        return change.adjusted_p <= 1.0 - self.level


@dataclass(frozen=True, slots=True)
class JudgedSides:
    """The labels of both sides and the truth for n judged photos, and how the photos were drawn."""

    image_ids: list[str]
    keys: LabelKeys
    truth: Shown
    before: Shown
    after: Shown
    design: Design


def compare_labels(
    before: LabelSet,
    after: LabelSet,
    truth: TruthName,
    records: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
) -> LabelComparison:
    """Measure both sides against `records`; `memberships` say which photos are near-duplicates."""
    keys = read_keys(taxonomy)
    shared = sorted({*before.labels.image_ids} & {*after.labels.image_ids})
    in_both = set(shared)
    known = [one for one in records if one.image_id in in_both]
    fair = [one for one in known if not any(side.has_learnt_from(one.image_id) for side in (before, after))]
    a, b = (show_labels(arrays_of_labels(side.labels, shared, keys), keys) for side in (before, after))
    ids = [one.image_id for one in fair]
    rows, design = find_rows(shared, ids), _read_design(records, fair, memberships)
    judged = JudgedSides(ids, keys, show_truth(arrays_of_records(fair, keys), keys), a[rows], b[rows], design)
    return LabelComparison(
        before=before.name,
        after=after.name,
        truth=truth,
        level=evaluate.confidence_level,
        n=len(fair),
        learnt_from=len(known) - len(fair),
        not_in_both=len(records) - len(known),
        photos=len(shared),
        only_before=len(before.labels.image_ids) - len(shared),
        only_after=len(after.labels.image_ids) - len(shared),
        changed_photos=int((a != b).any(axis=1).sum()),
        labels=measure_changes(judged, find_changed(a, b, keys), evaluate),
        names={key: show_name(key, taxonomy) for key in all_keys(taxonomy)},
    )


def show_truth(labels: LabelArrays, keys: LabelKeys) -> Shown:
    """Return the truth as a reader should see it."""
    objects = with_parents(labels.objects, keys.object)
    return np.column_stack([labels.scene.astype(np.int16), labels.attributes, objects])


def show_labels(labels: LabelArrays, keys: LabelKeys) -> Shown:
    """Return labels as a reader sees them."""
    shown = show_truth(labels, keys)
    shown[:, 1:] = shown[:, 1:] == 1
    return shown


def find_changed(a: Shown, b: Shown, keys: LabelKeys) -> dict[str, list[int]]:
    """Return the labels that differ on some photo, each with its columns."""
    names = ["scene", *map(label_name, (*keys.attribute, *keys.object))]
    differing = np.flatnonzero((a != b).any(axis=0)).tolist()
    objects = [column for column in differing if column > len(keys.attribute)]
    changed = {names[column]: [column] for column in differing if column <= len(keys.attribute)}
    return changed | ({"objects" if len(objects) > 1 else names[objects[0]]: objects} if objects else {})


def measure_changes(
    judged: JudgedSides, changed: Mapping[str, list[int]], evaluate: Evaluate
) -> list[LabelChange]:
    """Return the change of each label of `changed` (`find_changed`); all questions are tested together."""
    asked, pairs, judged_photos = [], [], {}
    for label, columns in changed.items():
        truth, a, b = (one[:, columns] for one in (judged.truth, judged.before, judged.after))
        is_judged = (truth != UNJUDGED).any(axis=1)
        judged_photos[label] = int(is_judged.sum())
        if judged_photos[label]:
            asked += [(label, *one, is_judged) for one in _count_wrong(truth, a, b, columns == [0])]
            pairs += [(label, *one) for one in _pair_figures(truth, a, b, columns == [0])]
    changes: list[Change] = []
    if asked:
        before, after, is_counted = (np.column_stack([one[place] for one in asked]) for place in (2, 3, 4))
        changes = compare_counts(before, after, is_counted, judged.design, evaluate)
    intervals = simultaneous_intervals([p for *_, p in pairs], judged.design, evaluate.confidence_level)
    weights = judged.design.weights
    return [
        LabelChange(
            label=label,
            keys=[_flag_keys(judged.keys)[column - 1] for column in columns if column],
            judged=judged_photos[label],
            flips=_find_flips(judged, columns),
            questions={
                name: change for (of, name, *_), change in zip(asked, changes, strict=True) if of == label
            },
            figures={
                name: FigureDifference(pair.before.value(weights), pair.after.value(weights), interval)
                for (of, name, pair), interval in zip(pairs, intervals, strict=True)
                if of == label
            },
        )
        for label, columns in changed.items()
    ]


def _flag_keys(keys: LabelKeys) -> list[str]:
    return [*keys.attribute, *keys.object]


def _count_wrong(truth: Shown, before: Shown, after: Shown, is_scene: bool) -> list[tuple[str, Any, Any]]:
    """Return each question with its number of cases in each photo, for A and for B: float64 [n]."""
    where = {"wrong": truth != UNJUDGED}
    if not is_scene:
        where |= {"false positives": truth == 0, "false negatives": truth == 1}
    return [
        (name, *((one & (side != truth)).sum(axis=1, dtype=float) for side in (before, after)))
        for name, one in where.items()
    ]


def _pair_figures(truth: Shown, before: Shown, after: Shown, is_scene: bool) -> list[tuple[str, PairedRatio]]:
    accuracy = PairedRatio(metrics.accuracy(truth, before), metrics.accuracy(truth, after))
    if is_scene:
        return [("accuracy", accuracy)]
    a, b = (metrics.precision_recall_f1(truth, side) for side in (before, after))
    return [
        ("precision", PairedRatio(a["precision"], b["precision"])),
        ("recall", PairedRatio(a["recall"], b["recall"])),
        ("F1", PairedRatio(a["f1"], b["f1"], worth=2.0)),
        ("accuracy", accuracy),
    ]


def _find_flips(judged: JudgedSides, columns: list[int]) -> list[Flip]:
    """Return the judged photos on which the sides differ in some of the columns, in order."""
    truth, before, after = (one[:, columns] for one in (judged.truth, judged.before, judged.after))
    is_known = truth != UNJUDGED
    better = (is_known & (before != truth)).sum(axis=1) - (is_known & (after != truth)).sum(axis=1)
    flips = []
    for row in np.flatnonzero((is_known & (before != after)).any(axis=1)).tolist():
        kind: Kind = "now right" if better[row] > 0 else "now wrong" if better[row] < 0 else "still wrong"
        a, b, true = (_read_keys(side[row], columns, judged.keys) for side in (before, after, truth))
        flips.append(Flip(judged.image_ids[row], a, b, true, kind))
    return flips


def _read_keys(shown: Shown, columns: list[int], keys: LabelKeys) -> list[str]:
    """Return the keys that one photo has in these columns; of objects the most specific."""
    if columns == [0]:
        return [keys.scene[shown[0]]] if shown[0] >= 0 else []
    known = [_flag_keys(keys)[column - 1] for column in columns]
    own = most_specific((shown[None, :] == 1).astype(np.int8), known)[0]
    return [key for key, is_own in zip(known, own, strict=True) if is_own]


def _read_design(
    records: Sequence[GroundTruth], kept: Sequence[GroundTruth], memberships: Mapping[str, Membership]
) -> Design:
    """Return the design of the records that are kept: in each stratum they stand for all of its records."""
    of_all, of_kept = (Counter(record.extra.get("stratum") for record in some) for some in (records, kept))
    strata = [one.extra.get("stratum") if "inclusion_probability" in one.extra else None for one in kept]
    share = np.array([of_kept[name] / of_all[name] if name else 1.0 for name in strata])
    design = read_design(kept, memberships)
    return replace(design, weights=design.weights / share, drawn_share=design.drawn_share * share)
