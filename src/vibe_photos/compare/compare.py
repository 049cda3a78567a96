"""Is B better than A? Two label tables of one library, measured against the same truth.

The comparison uses judged photos that both sides label and that neither side was trained or tuned on, which
would favour that side; photos left out are counted. Only labels that differ are compared, as a reader sees
them: an unjudged label is not shown, like a negative one. An object is shown with its parents.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate, Taxonomy, TruthName
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design, Floats, read_design
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
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Indices, Labels
from vibe_photos.statistics.paired import Change, PairedRatio, compare_counts, simultaneous_intervals

Kind = Literal["now right", "now wrong", "still wrong"]
"""The outcome of a judged label that flipped."""


@dataclass(frozen=True, slots=True)
class Flip:
    """A judged label of one photo on which A and B differ; `label` as in `LabelChange`."""

    image_id: str
    label: str
    before: str
    after: str
    true: str
    kind: Kind


SHARE = ((1.0, 1.0), (0.0, 1.0))
F1 = ((2.0, 2.0), (0.0, 1.0))
"""What a photo adds to a figure's (numerator, denominator) if it is right, and if it is wrong."""


@dataclass(frozen=True, slots=True)
class LabelSet:
    """The labels of one side: its name, its label table, and the splits by which its heads were trained.

    `is_tuned` is true if thresholds were chosen on the audited photos of the `tune` half.
    """

    name: str
    labels: LabelTable
    memberships: Mapping[str, Membership]
    is_tuned: bool = False

    def has_learnt_from(self, image_id: str) -> bool:
        """Return whether heads or thresholds were fitted to this photo, so that its figures are too good."""
        membership = self.memberships.get(image_id)
        if membership is None:
            return False
        return membership.role == "train" or (self.is_tuned and membership.half == "tune")


@dataclass(frozen=True, slots=True)
class FigureDifference:
    """A figure of both sides, None if its denominator is 0, and the interval of B minus A."""

    before: float | None
    after: float | None
    interval: Interval


@dataclass(frozen=True, slots=True)
class LabelChange:
    """One label on which A and B differ.

    Attributes:
        label: `scene`, an attribute, an object, or `objects` for several, which are counted together.
        names: the labels that differ.
        judged: how many of the compared photos are judged for it.
        flips: the judged photos on which it differs.
        questions: how often a photo is `wrong`, a false positive or a false negative (the scene: `wrong`).
        figures: precision, recall, F1 and accuracy (the scene: accuracy).
    """

    label: str
    names: list[str]
    judged: int
    flips: list[Flip]
    questions: dict[str, Change]
    figures: dict[str, FigureDifference]


@dataclass(frozen=True, slots=True)
class LabelComparison:
    """The differences between A and B.

    Attributes:
        before: the name of A.
        after: the name of B.
        truth: who judged.
        level: of confidence.
        n: judged photos that are compared.
        learnt_from: judged photos left out because one side has learnt from them.
        not_in_both: judged photos left out because not both sides have labels for them.
        photos: photos that both label.
        only_before: photos that only A labels.
        only_after: photos that only B labels.
        changed_photos: of `photos`, those that differ in some label.
        labels: those that differ.
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

    def is_real(self, change: Change) -> bool:
        """Return whether a difference is larger than chance explains."""
        return change.adjusted_p <= 1.0 - self.level


@dataclass(frozen=True, slots=True)
class Shown:
    """The labels of n photos as a reader sees them.

    `scene` is a column of the scene keys or -1, int64 [n]. `flags` are of attributes, then objects, int8
    [n, keys]: 1 if a label is shown, else 0; in a truth, -1 if nobody judged it.
    """

    scene: Indices
    flags: Flags

    def take(self, rows: Indices) -> "Shown":
        """Return some of the photos."""
        return Shown(self.scene[rows], self.flags[rows])


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
    known = [record for record in records if record.image_id in in_both]
    fair = [
        record
        for record in known
        if not (before.has_learnt_from(record.image_id) or after.has_learnt_from(record.image_id))
    ]
    ids = [record.image_id for record in fair]
    a, b = (show_labels(arrays_of_labels(side.labels, shared, keys), keys) for side in (before, after))
    rows, truths = find_rows(shared, ids), show_truth(arrays_of_records(fair, keys), keys)
    design = read_design(_rescale_probabilities(records, fair), memberships)
    judged = JudgedSides(ids, keys, truths, a.take(rows), b.take(rows), design)
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
        changed_photos=int(((a.scene != b.scene) | (a.flags != b.flags).any(axis=1)).sum()),
        labels=measure_changes(judged, find_changed(a, b, keys), evaluate),
    )


def show_labels(labels: LabelArrays, keys: LabelKeys) -> Shown:
    """Return labels as a reader sees them."""
    objects = with_parents((labels.objects == 1).astype(np.int8), keys.object)
    return Shown(labels.scene, np.column_stack([(labels.attributes == 1).astype(np.int8), objects]))


def show_truth(labels: LabelArrays, keys: LabelKeys) -> Shown:
    """Return the truth as a reader should see it."""
    return Shown(
        labels.scene, np.column_stack([labels.attributes, with_parents(labels.objects, keys.object)])
    )


def find_changed(a: Shown, b: Shown, keys: LabelKeys) -> dict[str, list[int]]:
    """Return the labels that differ on some photo, each with its columns of the flags; the scene has none."""
    changed: dict[str, list[int]] = {"scene": []} if (a.scene != b.scene).any() else {}
    differing = np.flatnonzero((a.flags != b.flags).any(axis=0)).tolist()
    names = [label_name(key) for key in (*keys.attribute, *keys.object)]
    objects = [column for column in differing if column >= len(keys.attribute)]
    changed |= {names[column]: [column] for column in differing if column < len(keys.attribute)}
    if objects:
        changed["objects" if len(objects) > 1 else names[objects[0]]] = objects
    return changed


def measure_changes(
    judged: JudgedSides, changed: Mapping[str, list[int]], evaluate: Evaluate
) -> list[LabelChange]:
    """Return the change of each label of `changed` (`find_changed`); all questions are tested together."""
    sides = [_Sides.of(judged, label, columns) for label, columns in changed.items()]
    asked = [(one.label, *question) for one in sides for question in one.count()]
    counted = {one.label: one.truth_is_known() for one in sides}
    changes = (
        compare_counts(
            np.column_stack([a for *_, a, _ in asked]),
            np.column_stack([b for *_, b in asked]),
            np.column_stack([counted[label] for label, *_ in asked]),
            judged.design,
            evaluate,
        )
        if asked
        else []
    )
    pairs = [(one.label, name, pair) for one in sides for name, pair in one.pair_figures()]
    intervals = simultaneous_intervals([p for *_, p in pairs], judged.design, evaluate.confidence_level)
    weights = judged.design.weights
    return [
        LabelChange(
            label=one.label,
            names=one.names,
            judged=int(counted[one.label].sum()),
            flips=one.find_flips(judged.image_ids),
            questions={
                name: change
                for (label, name, *_), change in zip(asked, changes, strict=True)
                if label == one.label
            },
            figures={
                name: FigureDifference(pair.before.value(weights), pair.after.value(weights), interval)
                for (label, name, pair), interval in zip(pairs, intervals, strict=True)
                if label == one.label
            },
        )
        for one in sides
    ]


@dataclass(frozen=True, slots=True)
class _Sides:
    """One label of n photos, or several objects: truth, labels of A and of B, [n, labels] each.

    The one column of the scene holds numbers of `scenes`; elsewhere 1, 0 or, in a truth, -1.
    """

    label: str
    names: list[str]
    keys: list[str]
    scenes: list[str]
    truth: Labels
    before: Labels
    after: Labels

    @classmethod
    def of(cls, judged: JudgedSides, label: str, columns: list[int]) -> "_Sides":
        """Take one label of `find_changed`."""
        shown, keys = (judged.truth, judged.before, judged.after), judged.keys
        if not columns:
            scenes = [*map(label_name, keys.scene), "none"]
            return cls(label, [label], [], scenes, *(one.scene[:, None] for one in shown))
        known = [*keys.attribute, *keys.object]
        chosen = [known[column] for column in columns]
        names = [label_name(key) for key in chosen]
        return cls(label, names, chosen, [], *(one.flags[:, columns] for one in shown))

    def truth_is_known(self) -> Bools:
        """Return bool [n]."""
        return np.asarray((self.truth != UNJUDGED).any(axis=1))

    def count(self) -> list[tuple[str, Floats, Floats]]:
        """Return each question with its number of cases in each photo, for A and for B: float64 [n]."""
        asked = {"wrong": self.truth != UNJUDGED}
        if not self.scenes:
            asked |= {"false positives": self.truth == 0, "false negatives": self.truth == 1}
        if not asked["wrong"].any():
            return []
        return [
            (name, *((where & (side != self.truth)).sum(axis=1, dtype=float) for side in self._both()))
            for name, where in asked.items()
        ]

    def pair_figures(self) -> list[tuple[str, PairedRatio]]:
        """Return each figure of both sides."""
        if not self.truth_is_known().any():
            return []
        a_right, b_right = (metrics.accuracy(self.truth, side) for side in self._both())
        accuracy = PairedRatio(a_right, b_right, *SHARE)
        if self.scenes:
            return [("accuracy", accuracy)]
        a, b = (metrics.precision_recall_f1(self.truth, side) for side in self._both())
        return [
            ("precision", PairedRatio(a["precision"], b["precision"], *SHARE)),
            ("recall", PairedRatio(a["recall"], b["recall"], *SHARE)),
            ("F1", PairedRatio(a["f1"], b["f1"], *F1)),
            ("accuracy", accuracy),
        ]

    def find_flips(self, image_ids: Sequence[str]) -> list[Flip]:
        """Return the judged photos on which the sides differ, in order."""
        known, flips = self.truth != UNJUDGED, []
        wrong_before, wrong_after = ((known & (side != self.truth)).sum(axis=1) for side in self._both())
        for row in np.flatnonzero((known & (self.before != self.after)).any(axis=1)).tolist():
            before, after, true = (self._name(side[row]) for side in (*self._both(), self.truth))
            better = int(wrong_before[row]) - int(wrong_after[row])
            kind: Kind = "now right" if better > 0 else "now wrong" if better < 0 else "still wrong"
            flips.append(Flip(image_ids[row], self.label, before, after, true, kind))
        return flips

    def _both(self) -> tuple[Labels, Labels]:
        return self.before, self.after

    def _name(self, shown: Labels) -> str:
        if self.scenes:
            return self.scenes[int(shown[0])]
        if len(self.names) == 1:
            return "yes" if shown[0] == 1 else "no"
        own = most_specific((shown[None, :] == 1).astype(np.int8), self.keys)[0]
        return ", ".join(name for name, is_own in zip(self.names, own, strict=True) if is_own) or "none"


def _rescale_probabilities(records: Sequence[GroundTruth], kept: Sequence[GroundTruth]) -> list[GroundTruth]:
    """Return the kept records, with inclusion probabilities times the kept share of each stratum."""
    strata = [Counter(record.extra.get("stratum") for record in some) for some in (kept, records)]
    rescaled = []
    for record in kept:
        extra = dict(record.extra)
        if "inclusion_probability" in extra:
            of_kept, of_all = (counts[extra.get("stratum")] for counts in strata)
            extra["inclusion_probability"] *= of_kept / of_all
        rescaled.append(msgspec.structs.replace(record, extra=extra))
    return rescaled
