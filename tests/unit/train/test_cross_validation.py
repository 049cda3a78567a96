import numpy as np
from tests.unit.heads.simulation import draw_classes, one_hot, sigmoid_examples, softmax_examples

from vibe_photos.train.student import calibrate_out_of_fold, cross_validate


def test_a_photo_is_judged_by_a_fit_that_never_saw_its_fold():
    vectors, classes = draw_classes(0, 120, 10, [0.5, 0.5], distance=1.0)
    folds = np.arange(120) % 4
    y = one_hot(classes, 2)
    # Whatever fold 2 says about itself cannot change what is said of fold 2.
    lied = np.where((folds == 2)[:, None], 1 - y, y)
    honest, misled = (
        cross_validate(softmax_examples(vectors, one), folds, [0.001], "none").logits for one in (y, lied)
    )
    np.testing.assert_array_equal(honest[folds == 2], misled[folds == 2])
    assert (honest[folds != 2] != misled[folds != 2]).all()


def test_calibrated_probabilities_of_a_fold_do_not_know_its_truth():
    vectors, classes = draw_classes(1, 120, 10, [0.5, 0.5], distance=0.5)
    folds = np.arange(120) % 4
    y = one_hot(classes, 2)
    examples = sigmoid_examples(vectors, y)
    logits = cross_validate(examples, folds, [0.001], "none").logits
    lied = sigmoid_examples(vectors, np.where((folds == 2)[:, None], 1 - y, y))
    honest, misled = (calibrate_out_of_fold(one, logits, folds) for one in (examples, lied))
    np.testing.assert_array_equal(honest[folds == 2], misled[folds == 2])
    assert (honest[folds != 2] != misled[folds != 2]).any()


def test_the_penalty_of_least_out_of_fold_loss_is_taken():
    # Labels are pure chance: the more a fit believes, the worse it does on photos that it has not seen.
    vectors, _ = draw_classes(2, 100, 30, [1.0], distance=1.0)
    classes = np.random.default_rng(0).integers(0, 2, 100)
    folds = np.arange(100) % 5
    noise = cross_validate(softmax_examples(vectors, one_hot(classes, 2)), folds, [1e-4, 1e-2, 10.0], "none")
    assert noise.l2 == 10.0
    vectors, classes = draw_classes(3, 400, 30, [0.5, 0.5], distance=1.0)
    folds = np.arange(400) % 5
    signal = cross_validate(softmax_examples(vectors, one_hot(classes, 2)), folds, [1e-4, 1e-2, 10.0], "none")
    assert signal.l2 < 10.0
    assert signal.loss < noise.loss


def test_of_penalties_that_do_equally_well_the_larger_is_taken():
    vectors, classes = draw_classes(3, 200, 10, [0.5, 0.5], distance=1.0)
    examples = softmax_examples(vectors, one_hot(classes, 2))
    folds = np.arange(200) % 5
    # The smaller one of the first pair does better, by less than a hundred thousandth.
    assert cross_validate(examples, folds, [10.0, 10.00001], "none").l2 == 10.00001
    assert cross_validate(examples, folds, [1.0, 10.0], "none").l2 == 1.0


def test_one_fold_compares_nothing():
    vectors, classes = draw_classes(4, 20, 5, [0.5, 0.5], distance=1.0)
    examples = softmax_examples(vectors, one_hot(classes, 2))
    found = cross_validate(examples, np.zeros(20, dtype=np.int64), [0.001, 0.1], "none")
    assert (found.l2, found.loss) == (0.1, None)
    assert np.isnan(found.logits).all()


def test_a_label_that_one_fold_has_to_itself_stays_finite():
    vectors, classes = draw_classes(5, 60, 8, [0.5, 0.5], distance=1.0)
    folds = np.where(classes == 1, 0, 1 + np.arange(60) % 3)
    for examples in (
        softmax_examples(vectors, one_hot(classes, 2)),
        sigmoid_examples(vectors, one_hot(classes, 2)),
    ):
        found = cross_validate(examples, folds, [0.001, 0.01], "balanced")
        assert np.isfinite(found.logits).all()
        assert np.isfinite(calibrate_out_of_fold(examples, found.logits, folds)).all()
