"""What thresholds are tuned on: truth and scores of the same photos, from people or from the teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from vibe_photos.heads.out_of_fold import read_out_of_fold
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.metrics import Flags, Floats
from vibe_photos.statistics.opinions import opinions_of_records, read_keys, with_parents
from vibe_photos.thresholds.sweep import count_examples

EvidenceName = Literal["people", "teacher"]
"""`people`: the audited photos of the tune half. `teacher`: its truth of the training photos, out of fold."""

OF_PEOPLE: EvidenceName = "people"
OF_TEACHER: EvidenceName = "teacher"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Truth and scores of n photos.

    Attributes:
        name: whose truth it is, and of which photos.
        keys: attribute and object keys, the columns.
        y_true: int8 [n, keys]: 1, 0, or -1 for not judged; an object's ancestors are true with it.
        y_score: float64 [n, keys] in 0..1, NaN where there is no score.
        weights: float64 [n].
    """

    name: EvidenceName
    keys: list[str]
    y_true: Flags
    y_score: Floats
    weights: Floats

    def examples(self, key: str) -> tuple[int, int]:
        """Return on how many photos the label is true, and on how many false."""
        if key not in self.keys:
            return 0, 0
        column = self.keys.index(key)
        return count_examples(self.y_true[:, column], self.y_score[:, column])

    def column(self, key: str, thresholds: Mapping[str, float]) -> tuple[Flags, Floats, Floats]:
        """Return truth, scores and weights of one label.

        A photo of which a label below it is asserted scores 1: then it is asserted too, whatever its own
        score. `thresholds` are those of the labels below, by key.
        """
        column = self.keys.index(key)
        score = self.y_score[:, column].copy()
        for below, threshold in thresholds.items():
            if below.startswith(f"{key}.") and below in self.keys:
                score[self.y_score[:, self.keys.index(below)] >= threshold] = 1.0
        return self.y_true[:, column], score, self.weights


def take_half(
    records: Sequence[GroundTruth], memberships: Mapping[str, Membership], half: Literal["tune", "score"]
) -> list[GroundTruth]:
    """Return the audited records whose photos are in that half."""
    return [r for r in records if r.image_id in memberships and memberships[r.image_id].half == half]


def evidence_of_people(
    records: Sequence[GroundTruth],
    scores: ScoreTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> Evidence:
    """Put audited records beside the scores of their photos; photos weigh as in evaluation.

    Raises:
        InputError: a record's inclusion probability is impossible.
    """
    keys = read_keys(taxonomy)
    truth = opinions_of_records(records, keys)
    columns = [*keys.attribute, *keys.object]
    return Evidence(
        name=OF_PEOPLE,
        keys=columns,
        y_true=np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)]),
        y_score=_take_scores(scores, [record.image_id for record in records], columns),
        weights=read_design(records, memberships).weights,
    )


def evidence_of_teacher(models: Path, head: Literal["attribute", "object"]) -> Evidence:
    """Return what a head says of the photos that trained it, by fits which had not seen them.

    Raises:
        InputError: the out-of-fold file is missing or damaged.
    """
    held_out = read_out_of_fold(models, head)
    return Evidence(
        name=OF_TEACHER,
        keys=held_out.labels,
        y_true=held_out.y,
        y_score=held_out.probabilities.astype(np.float64),
        weights=np.ones(len(held_out.image_ids)),
    )


def _take_scores(scores: ScoreTable, image_ids: Sequence[str], keys: Sequence[str]) -> Floats:
    """Return probabilities float64 [len(image_ids), len(keys)], NaN where there is none."""
    row_of = {image_id: row for row, image_id in enumerate(scores.image_ids)}
    column_of = {key: column for column, key in enumerate(scores.keys)}
    taken = np.full((len(image_ids), len(keys)), np.nan)
    known = [(row, row_of[image_id]) for row, image_id in enumerate(image_ids) if image_id in row_of]
    into, rows = np.array(known, dtype=np.int64).reshape(-1, 2).T
    for column, key in enumerate(keys):
        if key in column_of:
            taken[into, column] = scores.probability[rows, column_of[key]]
    return taken
