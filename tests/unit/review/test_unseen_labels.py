from pathlib import Path

import numpy as np
from tests.unit.reviewed_library import write_reviewed_library

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.review.next_round import read_unseen_labels, replace_seen


def test_training_photos_have_the_labels_of_heads_that_had_not_seen_them(
    tmp_path: Path, repository: Path
) -> None:
    labels = read_unseen_labels(write_reviewed_library(tmp_path, repository))
    value = dict(
        zip(labels.image_ids, labels.value[:, labels.keys.index("scene.food")].tolist(), strict=True)
    )
    assert value["p59"] == 1
    assert value["p58"] == 0
    assert value["p01"] == 1


def test_where_all_photos_were_in_one_fold_scores_stay() -> None:
    scores = np.array([[0.25], [0.5]])
    table = ScoreTable(["a", "b"], ["scene.food"], scores, scores, scores)
    unknown = OutOfFold(["a"], ["scene.food"], np.array([[np.nan]], np.float32), np.ones((1, 1), np.int8))
    gone = OutOfFold(["z"], ["scene.gone"], np.array([[0.1]], np.float32), np.ones((1, 1), np.int8))
    assert replace_seen(table, [unknown, gone]).probability.tolist() == scores.tolist()
