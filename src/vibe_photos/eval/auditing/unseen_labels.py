"""What the student says of photos that it has not learnt from, of all photos alike.

A head knows its training photos by heart. Who asks where the student is unsure, or contradicts the teacher,
would find that only among the other photos; so training photos have the labels of the fits that had not seen
them. With all photos judged alike, whether a photo was audited before changes nothing in how likely it is to
be asked about next, which the weights of several rounds rest on.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.classify import decide_labels
from vibe_photos.heads.label_table import LabelTable, ScoreTable, read_scores
from vibe_photos.heads.out_of_fold import OutOfFold, read_out_of_fold
from vibe_photos.labels.taxonomy import HEADS
from vibe_photos.settings import Settings


def read_unseen_labels(settings: Settings) -> LabelTable:
    """Return the student's labels by `classify`'s thresholds and rules.

    Raises:
        InputError: stage `train` or `score` has not run.
    """
    scores = read_scores(settings.paths.probabilities)
    held_out = [read_out_of_fold(settings.paths.models, head) for head in HEADS]
    unseen = replace_seen(scores, held_out)
    return decide_labels(unseen, settings.taxonomy, settings.classify)


def replace_seen(scores: ScoreTable, held_out: list[OutOfFold]) -> ScoreTable:
    """Return the scores with those of training photos replaced, where there are such fits."""
    probability = scores.probability.copy()
    row_of = {image_id: row for row, image_id in enumerate(scores.image_ids)}
    column_of = {key: column for column, key in enumerate(scores.keys)}
    for head in held_out:
        known = [i for i, image_id in enumerate(head.image_ids) if image_id in row_of]
        rows = np.array([row_of[head.image_ids[i]] for i in known], dtype=np.int64)
        for place, key in enumerate(head.labels):
            if key in column_of:
                _put(probability[:, column_of[key]], rows, head.probabilities[known, place])
    return replace(scores, probability=probability)


def _put(column: NDArray[np.float64], rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    is_known = ~np.isnan(values)
    column[rows[is_known]] = values[is_known]
