import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from tests.unit.heads.simulation import draw_classes, one_hot, sigmoid_examples, softmax_examples

from vibe_photos.errors import HeadError
from vibe_photos.heads.fit import (
    ROUGH,
    Examples,
    cross_entropy,
    fit_linear,
    weigh_rows,
)


def everyone(examples: Examples) -> np.ndarray:
    return np.ones(len(examples.vectors), dtype=bool)


def centre(examples: Examples) -> np.ndarray:
    """Return the vectors in the coordinates of the fit, float64."""
    return (examples.vectors - examples.coordinates.mean) / examples.coordinates.length


def objective(examples: Examples, weights, l2: float, weight, bias) -> float:
    entropy, _ = cross_entropy(centre(examples) @ weight.T + bias, examples.y, examples.loss)
    return float((entropy * weights).sum() + l2 / 2 * np.square(weight).sum())


def fit_by_sklearn(vectors, classes, l2: float, sample_weight=None) -> LogisticRegression:
    # scikit-learn minimises C * sum(loss) + |w|^2 / 2; ours is mean(loss) + l2 / 2 |w|^2, so C = 1 / (n l2).
    model = LogisticRegression(C=1 / (len(classes) * l2), max_iter=10_000, tol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(vectors.astype(np.float64), classes, sample_weight)


@pytest.mark.parametrize(("count", "dim"), [(400, 30), (80, 200)])
@pytest.mark.parametrize("l2", [1e-2, 1e-4])
def test_softmax_reaches_the_optimum_of_scikit_learn(count, dim, l2):
    vectors, classes = draw_classes(1, count, dim, [0.5, 0.3, 0.2], distance=0.4)
    examples = softmax_examples(vectors, one_hot(classes, 3))
    weights = weigh_rows(examples, everyone(examples), "none")
    table = fit_linear(examples, weights, l2)
    ours = objective(examples, weights, l2, table[:, :-1], table[:, -1])
    model = fit_by_sklearn(centre(examples), classes, l2)
    theirs = objective(examples, weights, l2, model.coef_, model.intercept_)
    assert abs(ours - theirs) < 1e-5


@pytest.mark.parametrize("class_weight", ["none", "balanced"])
def test_sigmoid_reaches_the_optimum_of_each_label_on_the_photos_where_it_is_judged(class_weight):
    vectors, classes = draw_classes(2, 500, 20, [0.6, 0.3, 0.1], distance=0.5)
    is_judged = np.random.default_rng(0).random((500, 3)) < 0.7
    y = one_hot(classes, 3)
    examples = sigmoid_examples(vectors, np.where(is_judged, y, 1 - y), is_judged)
    weights = weigh_rows(examples, everyone(examples), class_weight)
    table = fit_linear(examples, weights, 1e-3)
    for label in range(3):
        rows = is_judged[:, label]
        model = fit_by_sklearn(
            centre(examples)[rows], y[rows, label], 1e-3, weights[rows, label] * rows.sum()
        )
        assert np.abs(model.coef_[0] - table[label, :-1]).max() < 0.001 * np.abs(model.coef_).max()
        assert model.intercept_[0] == pytest.approx(table[label, -1], abs=0.001)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
@pytest.mark.parametrize(("count", "dim"), [(400, 30), (80, 200)])
def test_the_gradient_at_the_optimum_is_zero_to_the_limits_of_float64(loss, count, dim):
    vectors, classes = draw_classes(1, count, dim, [0.5, 0.3, 0.2], distance=0.4)
    y, l2 = one_hot(classes, 3), 1e-4
    examples = (softmax_examples if loss == "softmax" else sigmoid_examples)(vectors, y)
    weights = weigh_rows(examples, everyone(examples), "none")

    def gradient(table: np.ndarray) -> np.ndarray:
        centred = centre(examples)
        _, slope = cross_entropy(centred @ table[:, :-1].T + table[:, -1], y, loss)
        slope = slope * weights
        penalty = table * np.append(np.full(dim, l2), 1e-6)
        return np.column_stack([slope.T @ centred, slope.sum(axis=0)]) + penalty

    at_zero = np.abs(gradient(np.zeros((3, dim + 1)))).max()
    exact, rough = fit_linear(examples, weights, l2), fit_linear(examples, weights, l2, precision=ROUGH)
    assert np.abs(gradient(exact)).max() < 1e-12 * at_zero
    assert np.abs(gradient(rough)).max() < 0.01 * at_zero
    again = fit_linear(examples, weights, l2, start=rough)
    np.testing.assert_allclose(again, exact, atol=1e-10 * np.abs(exact).max())


def test_a_label_that_all_photos_have_gets_a_finite_head():
    vectors, _ = draw_classes(8, 50, 5, [1.0], distance=1.0)
    examples = sigmoid_examples(vectors, np.ones((50, 1), dtype=np.float32))
    table = fit_linear(examples, weigh_rows(examples, everyone(examples), "none"), 1e-3)
    # The bias has a penalty of 1e-6 / 2 * bias^2: it ends where sigmoid(-bias) = 1e-6 * bias.
    assert 1 / (1 + np.exp(table[0, -1])) == pytest.approx(1e-6 * table[0, -1], rel=1e-6)


def test_the_gradient_is_the_derivative():
    generator = np.random.default_rng(3)
    logits, y = generator.standard_normal((5, 4)) * 3, one_hot(generator.integers(0, 4, 5), 4)
    for loss in ("softmax", "sigmoid"):
        _, slope = cross_entropy(logits, y, loss)
        for row, label in np.ndindex(*logits.shape):
            step = np.zeros_like(logits)
            step[row, label] = 1e-6
            ahead, behind = (cross_entropy(logits + sign * step, y, loss)[0].sum() for sign in (1, -1))
            assert (ahead - behind) / 2e-6 == pytest.approx(slope[row, label], abs=1e-6)


def test_cross_entropy_survives_huge_logits():
    logits, y = np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]])
    for loss, expected in (("softmax", 2e4), ("sigmoid", 2e4)):
        entropy, slope = cross_entropy(logits, y, loss)
        assert entropy.sum() == pytest.approx(expected)
        assert np.isfinite(slope).all()


def test_a_separable_class_of_three_percent_is_learnt():
    vectors, classes = draw_classes(4, 4000, 64, [0.03, 0.57, 0.4], distance=1.0)
    train, new = np.arange(4000) < 2000, np.arange(4000) >= 2000
    examples = softmax_examples(vectors[train], one_hot(classes, 3)[train])
    fitted = fit_linear(examples, weigh_rows(examples, everyone(examples), "none"), 1e-3)
    weight, bias = examples.coordinates.unscale(fitted)
    predicted = (vectors[new] @ weight.T + bias).argmax(axis=1)
    assert (predicted[classes[new] == 0] == 0).mean() >= 0.9


def test_lifted_weights_give_the_same_logits_of_the_vectors_as_given():
    vectors, classes = draw_classes(5, 60, 100, [0.5, 0.5], distance=1.0)
    examples = softmax_examples(vectors, one_hot(classes, 2))
    fitted = fit_linear(examples, weigh_rows(examples, everyone(examples), "none"), 1e-3)
    weight, bias = examples.coordinates.unscale(fitted)
    inside = centre(examples) @ fitted[:, :-1].T + fitted[:, -1]
    assert vectors @ weight.T + bias == pytest.approx(inside, abs=1e-10)


def test_rows_that_are_left_out_or_not_judged_change_nothing():
    vectors, classes = draw_classes(6, 200, 10, [0.5, 0.5], distance=1.0)
    y = one_hot(classes, 2)
    rows = np.arange(200) < 120
    changed = np.where(rows[:, None], y, 1 - y)
    fits = []
    for targets in (y, changed):
        examples = sigmoid_examples(vectors, targets)
        fits.append(fit_linear(examples, weigh_rows(examples, rows, "none"), 1e-3))
    np.testing.assert_array_equal(*fits)


def test_balanced_weights_give_both_sides_of_a_label_the_same_sum():
    y = np.array([[1], [0], [0], [0]], dtype=np.float32)
    examples = sigmoid_examples(np.eye(4, dtype=np.float32), y)
    weights = weigh_rows(examples, everyone(examples), "balanced")
    # One positive and three negatives: half of the weight each.
    np.testing.assert_allclose(weights[:, 0], [1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_vectors_that_are_not_finite_are_refused():
    vectors, classes = draw_classes(7, 20, 5, [0.5, 0.5], distance=1.0)
    vectors[3, 2] = np.nan
    with pytest.raises(HeadError, match="not finite"):
        softmax_examples(vectors, one_hot(classes, 2))


def test_photos_that_are_all_the_same_still_give_a_prior():
    vectors = np.tile(np.array([[0.6, 0.8]], dtype=np.float32), (10, 1))
    y = one_hot(np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1]), 2)
    examples = softmax_examples(vectors, y)
    table = fit_linear(examples, weigh_rows(examples, everyone(examples), "none"), 1e-3)
    weight, bias = examples.coordinates.unscale(table)
    odds = np.exp(vectors[0] @ weight.T + bias)
    # Eight of ten: with nothing to tell photos apart the optimum is the class's share.
    assert (odds / odds.sum())[0] == pytest.approx(0.8, abs=1e-3)
