import numpy as np

from vibe_photos.statistics.label_arrays import most_specific, own_scores, with_parents

KEYS = [
    "object.electronics",
    "object.electronics.console",
    "object.electronics.console.controller",
    "object.food",
]


def test_a_parent_beside_its_descendant_is_dropped() -> None:
    values = np.array([[1, 0, 1, 1], [1, 0, 0, 0], [1, -1, -1, 0]], np.int8)
    assert most_specific(values, KEYS).tolist() == [[0, 0, 1, 1], [1, 0, 0, 0], [1, -1, -1, 0]]


def test_ancestors_are_added_where_they_are_judged() -> None:
    values = np.array([[0, 0, 1, 0], [-1, 1, 0, 0]], np.int8)
    assert with_parents(values, KEYS).tolist() == [[1, 1, 1, 0], [-1, 1, 0, 0]]


def test_a_parents_own_score_is_what_its_likeliest_descendant_leaves() -> None:
    scores = np.array([[0.9, 0.8, 0.7, 0.3], [0.9, np.nan, 0.2, np.nan]])
    expected = np.array([[0.1, 0.1, 0.7, 0.3], [0.7, np.nan, 0.2, np.nan]])
    np.testing.assert_allclose(own_scores(scores, KEYS), expected)
