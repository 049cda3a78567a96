"""A half of the measured photos: thresholds are tuned and cross-validated on one, and scored on the other.

The best threshold looks better on the photos on which it was tuned than it is. So it is cross-validated: each
photo is labelled with the threshold that is best on the photos of the other folds. Folds are those of
`splits.json`: near-duplicates share one. Figures are computed from the labels of all photos together, because
a mean of each fold's F1 is biased if positives are rare (Forman and Scholz 2010,
"Apples-to-apples in cross-validation studies: pitfalls in classifier performance measurement", section 3).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Evaluate, Taxonomy
from vibe_photos.statistics.design import Design, read_design
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import (
    arrays_of_records,
    find_rows,
    read_keys,
    take_columns,
    with_parents,
)
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Flags, Floats, Indices, Ratio, precision_recall_f1
from vibe_photos.thresholds.sweep import (
    Aim,
    LabelScores,
    find_threshold,
    sweep_thresholds,
)

Thresholds = Mapping[str, float]
"""A threshold for every attribute and object key that has one."""


@dataclass(frozen=True, slots=True)
class MeasuredHalf:
    """People's truth and the scores of n photos.

    Attributes:
        keys: all label keys, the columns.
        y_true: int8 [n, keys]: 1, 0, or -1 for not judged; objects imply their ancestors.
        y_score: float64 [n, keys] in 0..1, NaN where there is no score.
        folds: int64 [n], of cross-validation.
        design: how the photos were drawn, for weights as in evaluation.
    """

    keys: list[str]
    y_true: Flags
    y_score: Floats
    folds: Indices
    design: Design

    def count(self, key: str) -> tuple[int, int]:
        """Return the number of scored photos with and without the label."""
        column = self.keys.index(key)
        y_true = self.y_true[~np.isnan(self.y_score[:, column]), column]
        return int((y_true == 1).sum()), int((y_true == 0).sum())

    def find_threshold(
        self, key: str, aim: Aim, thresholds: Thresholds, without_fold: int | None = None
    ) -> float | None:
        """Return the best threshold for one label, None if no threshold reaches the aim.

        Args:
            key: of the label.
            aim: what the threshold is optimised for.
            thresholds: of the labels below it in the tree.
            without_fold: the fold whose photos are left out.
        """
        rows = self.folds != without_fold if without_fold is not None else np.ones(len(self.folds), np.bool_)
        score = score_with_descendants(self.y_score[rows], self.keys, key, thresholds)
        y_true, weights = self.y_true[rows, self.keys.index(key)], self.design.weights[rows]
        return find_threshold(sweep_thresholds(y_true, score, weights), aim)

    def measure(self, key: str, by_fold: Mapping[int, Thresholds]) -> LabelScores:
        """Return a label's scores, with each fold's photos labelled by that fold's thresholds."""
        decided = np.zeros(len(self.folds), np.int8)
        for fold, thresholds in by_fold.items():
            rows = self.folds == fold
            decided[rows] = decide(self.y_score[rows], self.keys, key, thresholds)
        return self.measure_decisions(key, decided)

    def measure_decisions(self, key: str, decided: Flags) -> LabelScores:
        """Return a label's scores for decisions on all photos, int8 [n]."""
        ratios = precision_recall_f1(self.y_true[:, self.keys.index(key)], decided)
        return LabelScores(**{name: ratio.value(self.design.weights) for name, ratio in ratios.items()})

    def estimate_prevalence(self, keys: Sequence[str], evaluate: Evaluate) -> dict[str, Interval]:
        """Return the interval of the share of photos that have each label, by people's labels only."""
        ratios = []
        for key in keys:
            y_true = self.y_true[:, self.keys.index(key)]
            is_true, is_judged = (y_true == 1).astype(np.float64), (y_true != UNJUDGED).astype(np.float64)
            ratios.append(Ratio(is_true, is_judged, int(is_judged.sum())))
        return dict(zip(keys, estimate_intervals(ratios, self.design, evaluate), strict=True))


def read_measured_half(
    records: Sequence[GroundTruth],
    scores: ScoreTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> MeasuredHalf:
    """Join measured records with the scores of their photos."""
    keys = read_keys(taxonomy)
    truth, columns = arrays_of_records(records, keys), [*keys.scene, *keys.attribute, *keys.object]
    scene = np.where(truth.scene[:, None] < 0, UNJUDGED, truth.scene[:, None] == np.arange(len(keys.scene)))
    rows = find_rows(scores.image_ids, [record.image_id for record in records])
    return MeasuredHalf(
        keys=columns,
        y_true=np.column_stack(
            [scene.astype(np.int8), truth.attributes, with_parents(truth.objects, keys.object)]
        ),
        y_score=take_columns(scores.probability, scores.keys, rows, columns, np.float64(np.nan)),
        folds=np.array([memberships[record.image_id].fold for record in records], np.int64),
        design=read_design(records, memberships),
    )


def decide(y_score: Floats, keys: Sequence[str], key: str, thresholds: Thresholds) -> Bools:
    """Return which photos get a label, bool [n]; arguments as for `score_with_descendants`."""
    return np.asarray(score_with_descendants(y_score, keys, key, thresholds) >= thresholds[key])


def score_with_descendants(y_score: Floats, keys: Sequence[str], key: str, thresholds: Thresholds) -> Floats:
    """Return a label's scores, 1 for photos that get a label below it in the tree: float64 [n].

    Args:
        y_score: float64 [n, keys] in 0..1, NaN where there is no score.
        keys: the columns.
        key: of the label.
        thresholds: of the labels below it.
    """
    score: Floats = y_score[:, keys.index(key)].copy()
    for below, threshold in thresholds.items():
        if below.startswith(f"{key}.") and below in keys:
            score[y_score[:, keys.index(below)] >= threshold] = 1.0
    return score
