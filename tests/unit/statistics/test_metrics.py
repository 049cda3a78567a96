"""Every definition against values derived by hand, and against scikit-learn on anything at all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as oracle

from vibe_photos.statistics import metrics
from vibe_photos.storage.files import round_metric

ONES = np.ones(6)


def flags(*values: int) -> metrics.Flags:
    return np.array(values, np.int8)


def test_accuracy_counts_a_missing_prediction_as_wrong_and_skips_photos_without_truth() -> None:
    y_true = np.array([0, 1, 2, 1, -1, 0])
    y_pred = np.array([0, 1, 1, -1, 2, 0])
    # Known: photos 0 1 2 3 5. Right: 0, 1, 5. Photo 3 has no prediction, photo 4 no truth.
    ratio = metrics.accuracy(y_true, y_pred)
    assert ratio.value(ONES) == pytest.approx(3 / 5)
    assert ratio.cases == 5


def test_weights_are_inverse_inclusion_probabilities() -> None:
    # One photo of a stratum drawn whole (weight 1) is wrong, one of a stratum drawn by a quarter (4) right.
    ratio = metrics.accuracy(np.array([0, 1]), np.array([1, 1]))
    assert ratio.value(np.array([1.0, 4.0])) == pytest.approx(4 / 5)


def test_precision_recall_f1_of_an_attribute() -> None:
    y_true = flags(1, 1, 1, 0, 0, -1)
    y_pred = flags(1, 0, -1, 1, 0, 1)
    # Asserted where truth is known: photos 0 and 3, of which 0 is true: precision 1/2.
    # True: 0, 1, 2, of which 0 is asserted (2 is missing): recall 1/3. F1 = 2*1 / (2 + 3) = 2/5.
    found = metrics.precision_recall_f1(y_true, y_pred)
    assert {name: ratio.value(ONES) for name, ratio in found.items()} == pytest.approx(
        {"precision": 1 / 2, "recall": 1 / 3, "f1": 2 / 5}
    )
    assert [ratio.cases for ratio in found.values()] == [2, 3, 3]
    assert metrics.f1(y_true, y_pred).cases == 3


def test_a_figure_half_way_is_rounded_alike_whatever_its_last_bit() -> None:
    half_way = 27 / 32  # 0.84375
    for value in (half_way, np.nextafter(half_way, 0), np.nextafter(half_way, 1)):
        assert round_metric(value) == 0.8438
    assert round_metric(None) is round_metric(np.nan) is None


def test_a_figure_without_denominator_is_none() -> None:
    assert metrics.precision_recall_f1(flags(1, 0), flags(0, 0))["precision"].value(np.ones(2)) is None
    assert metrics.precision_recall_f1(flags(0, 0), flags(1, 0))["recall"].value(np.ones(2)) is None


def test_micro_average_over_keys_sums_hits_first() -> None:
    y_true = np.array([[1, 1, 0], [0, 0, 1]], np.int8)
    y_pred = np.array([[1, 0, 0], [0, 1, 1]], np.int8)
    # Asserted 3 (two in photo 1), true 3, hits 2: precision 2/3, recall 2/3, F1 = 4/6.
    for ratio in metrics.precision_recall_f1(y_true, y_pred).values():
        assert ratio.value(np.ones(2)) == pytest.approx(2 / 3)
        assert ratio.cases == 2


def test_macro_f1_averages_over_the_classes_of_the_truth() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
    # Class 0: 2*1/(1+2) = 2/3. Class 1: 2*1/(2+2) = 1/2. Class 2 occurs in no truth. Mean 7/12.
    matrix = metrics.confusion_matrix(y_true, y_pred, 3)
    assert metrics.macro_f1(matrix) == pytest.approx(7 / 12)
    assert metrics.class_scores(matrix)["precision"].tolist() == pytest.approx([1, 1 / 2, 0])
    assert np.isnan(metrics.class_scores(matrix)["recall"][2])


def test_macro_f1_of_nothing_is_none() -> None:
    assert metrics.macro_f1(metrics.confusion_matrix(np.array([-1]), np.array([0]), 2)) is None


def test_confusion_has_a_column_for_missing_predictions() -> None:
    counts = metrics.confusion_matrix(np.array([0, 0, 1, -1]), np.array([0, -1, 0, 1]), 2)
    assert counts.tolist() == [[1, 0, 1], [1, 0, 0]]


def test_curve_and_average_precision_with_a_positive_that_has_no_score() -> None:
    y_true = flags(1, 0, 1, 1)
    y_score = np.array([0.9, 0.6, 0.3, np.nan])
    curve = metrics.precision_recall_curve(y_true, y_score, np.ones(4))
    # Three positives. At 0.9: 1 of 1 found; at 0.6: 1 of 2; at 0.3: 2 of 3.
    assert curve.threshold.tolist() == [0.9, 0.6, 0.3]
    assert curve.recall.tolist() == pytest.approx([1 / 3, 1 / 3, 2 / 3])
    assert curve.precision.tolist() == pytest.approx([1, 1 / 2, 2 / 3])
    # 1/3 * 1 + 0 * 1/2 + 1/3 * 2/3 = 5/9: the positive without a score is never found.
    assert metrics.average_precision(curve) == pytest.approx(5 / 9)


@pytest.mark.parametrize(("y_true", "y_score"), [([0, 0], [0.1, 0.2]), ([1, 0], [np.nan, np.nan]), ([], [])])
def test_average_precision_of_nothing_is_none(y_true: list[int], y_score: list[float]) -> None:
    curve = metrics.precision_recall_curve(flags(*y_true), np.array(y_score), np.ones(len(y_true)))
    assert metrics.average_precision(curve) is None


def test_ranks_of_the_best_true_key() -> None:
    y_true = np.array([[1, 0, 0], [0, 0, 1], [0, 1, 1], [0, 0, 0], [1, 0, 0], [0, 1, 0]], np.int8)
    y_score = np.array(
        [
            [0.9, 0.5, 0.1],  # the true key is first: 1
            [0.9, 0.5, 0.1],  # the true key is last: 3
            [0.9, 0.5, 0.7],  # the better of two true keys is second: 2
            [0.9, 0.5, 0.1],  # nothing is true: 0
            [np.nan, 0.5, 0.1],  # the true key is not judged: 0
            [0.5, 0.5, 0.1],  # a tie goes to the key that comes first: 2
        ]
    )
    ranks = metrics.rank_of_truth(y_true, y_score)
    assert ranks.tolist() == [1, 3, 2, 0, 0, 2]
    # Five photos have a true key: photo 0 on top, photos 0, 1, 2 and 5 within three.
    assert metrics.top_k(y_true, ranks, 1).value(ONES) == pytest.approx(1 / 5)
    assert metrics.top_k(y_true, ranks, 3).value(ONES) == pytest.approx(4 / 5)


def test_coverage_is_the_share_of_true_keys_that_are_ever_given() -> None:
    y_true = np.array([[1, 1, 0], [0, 1, 1]], np.int8)
    # Four true keys; the middle one is given to no photo and stands for two of them.
    assert metrics.coverage(y_true, np.array([True, False, True])).value(np.ones(2)) == pytest.approx(2 / 4)


judgements = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.sampled_from([0.1, 0.3, 0.5, 0.9]), st.integers(1, 9)),
    min_size=1,
    max_size=40,
).filter(lambda rows: any(row[0] for row in rows))


@given(judgements)
def test_attribute_figures_agree_with_scikit_learn(rows: list[tuple[int, int, float, int]]) -> None:
    true, pred, scores, weight = (np.array(column) for column in zip(*rows, strict=True))
    weights = weight.astype(float)
    expected = oracle.precision_recall_fscore_support(
        true, pred, average="binary", sample_weight=weights, zero_division=0
    )
    y_true, y_pred = true.astype(np.int8), pred.astype(np.int8)
    ratios = metrics.precision_recall_f1(y_true, y_pred)
    ours = [ratio.value(weights) or 0.0 for ratio in ratios.values()]
    assert ours == pytest.approx(expected[:3])
    curve = metrics.precision_recall_curve(y_true, scores, weights)
    average = oracle.average_precision_score(true, scores, sample_weight=weights)
    assert metrics.average_precision(curve) == pytest.approx(average)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(1, 9)), min_size=1, max_size=40))
def test_scene_figures_agree_with_scikit_learn(rows: list[tuple[int, int, int]]) -> None:
    y_true, y_pred, weight = (np.array(column) for column in zip(*rows, strict=True))
    weights = weight.astype(float)
    accuracy = oracle.accuracy_score(y_true, y_pred, sample_weight=weights)
    assert metrics.accuracy(y_true, y_pred).value(weights) == pytest.approx(accuracy)
    macro = oracle.f1_score(
        y_true, y_pred, labels=np.unique(y_true), average="macro", sample_weight=weights, zero_division=0
    )
    matrix = metrics.confusion_matrix(y_true, y_pred, 4, weights)
    assert metrics.macro_f1(matrix) == pytest.approx(macro)
    expected = oracle.confusion_matrix(y_true, y_pred, labels=range(4), sample_weight=weights)
    np.testing.assert_allclose(matrix[:, :4], expected)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_top_k_agrees_with_scikit_learn_where_one_key_is_true(seed: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    scores, classes = rng.random((20, 6)), rng.integers(0, 6, 20)
    y_true = (classes[:, None] == np.arange(6)).astype(np.int8)
    expected = oracle.top_k_accuracy_score(classes, scores, k=k, labels=range(6))
    assert metrics.top_k(y_true, metrics.rank_of_truth(y_true, scores), k).value(np.ones(20)) == expected
