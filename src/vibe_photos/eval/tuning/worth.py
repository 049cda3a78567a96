"""What each label is worth on audited photos, one by one: precision, recall and F1."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.eval import metrics
from vibe_photos.eval.design import read_design
from vibe_photos.eval.opinions import opinions_of_labels, opinions_of_records, read_keys
from vibe_photos.eval.specificity import with_parents
from vibe_photos.heads.label_table import LabelTable, ScoreTable
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.split import Membership
from vibe_photos.settings import Taxonomy


@dataclass(frozen=True, slots=True)
class Worth:
    """Precision, recall and F1 of one label in 0..1, by the definitions of evaluation; None over nothing."""

    precision: float | None
    recall: float | None
    f1: float | None


def measure_worth(
    records: Sequence[GroundTruth],
    table: LabelTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> dict[str, Worth]:
    """Return the worth of every attribute and object key of a label table on audited photos.

    An object's ancestors are true with it. A photo without a judgement asserts nothing.
    """
    keys = read_keys(taxonomy)
    truth = opinions_of_records(records, keys)
    said = opinions_of_labels(table, [record.image_id for record in records], keys)
    weights = read_design(records, memberships).weights
    y_true = np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)])
    y_pred = np.column_stack([said.attributes, said.objects])
    figures = (metrics.precision, metrics.recall, metrics.f1)
    return {
        key: Worth(*(figure(y_true[:, column], y_pred[:, column]).value(weights) for figure in figures))
        for column, key in enumerate([*keys.attribute, *keys.object])
    }


def keep_photos(scores: ScoreTable, records: Sequence[GroundTruth]) -> ScoreTable:
    """Return the scores of these records' photos alone: a library has many more."""
    wanted = {record.image_id for record in records}
    rows = [row for row, image_id in enumerate(scores.image_ids) if image_id in wanted]
    return ScoreTable(
        [scores.image_ids[row] for row in rows],
        scores.keys,
        *(values[rows] for values in (scores.head_logit, scores.probability, scores.prompt_margin)),
    )
