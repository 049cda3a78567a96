import numpy as np
import pytest

from vibe_photos.statistics.label_arrays import most_specific, own_scores, with_parents
from vibe_photos.statistics.metrics import precision_recall_f1

KEYS = [
    "object.electronics",
    "object.electronics.console",
    "object.electronics.console.controller",
    "object.food",
]


def test_a_parent_beside_its_descendant_is_dropped() -> None:
    values = np.array([[1, 0, 1, 1], [1, 0, 0, 0], [1, -1, -1, 0]], np.int8)
    assert most_specific(values, KEYS).tolist() == [[0, 0, 1, 1], [1, 0, 0, 0], [1, -1, -1, 0]]


def test_sets_are_closed_under_ancestors() -> None:
    values = np.array([[0, 0, 1, 0], [-1, 1, 0, 0], [-1, -1, -1, 0]], np.int8)
    assert with_parents(values, KEYS).tolist() == [[1, 1, 1, 0], [1, 1, 0, 0], [-1, -1, -1, 0]]


def test_a_parents_own_score_is_what_its_children_together_leave() -> None:
    keys = ["object.food", "object.food.bread", "object.food.bread.roll", "object.food.dessert"]
    scores = np.array([[0.9, 0.4, 0.3, 0.4], [0.9, np.nan, 0.2, 0.5], [0.3, 0.4, 0.0, 0.1]])
    # Food has two children: 0.9 - 0.4 - 0.4, where the greatest child alone would leave 0.5 and make food the
    # guess. A child without a score takes nothing. Children that occur together may leave less than 0.
    expected = np.array([[0.1, 0.1, 0.3, 0.4], [0.4, np.nan, 0.2, 0.5], [-0.2, 0.4, 0.0, 0.1]])
    np.testing.assert_allclose(own_scores(scores, keys), expected)


def test_hierarchical_figures_are_those_of_the_closed_sets() -> None:
    truth = np.array([[0, 0, 1, 0], [0, 0, 0, 1], [0, 1, 0, 0]], np.int8)
    said = np.array([[1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]], np.int8)
    closed, exact = (
        precision_recall_f1(rule(truth, KEYS), rule(said, KEYS)) for rule in (with_parents, most_specific)
    )
    # A controller is also a console and electronics: of three true keys two are said. Food is true and
    # electronics is said: one wrong, one overlooked. Of the console and its ancestor nothing is said.
    # 2 hits of 3 said, of 3 + 1 + 2 true.
    assert [closed[name].value(np.ones(3)) for name in closed] == pytest.approx([2 / 3, 2 / 6, 4 / 9])
    # By the most specific keys alone, a console is wrong about a controller: no hit at all.
    assert [exact[name].value(np.ones(3)) for name in exact] == [0.0, 0.0, 0.0]
