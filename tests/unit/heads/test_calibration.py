import numpy as np
import pytest
from tests.unit.heads.simulation import one_hot

from vibe_photos.heads.calibration import (
    Calibration,
    activate,
    expected_calibration_error,
    fit_calibration,
)


def draw_from(probabilities, seed: int):
    """Draw one class a row by its probabilities, one-hot."""
    generator = np.random.default_rng(seed)
    drawn = (generator.random((len(probabilities), 1)) > probabilities.cumsum(axis=1)).sum(axis=1)
    return one_hot(drawn, probabilities.shape[1])


def test_the_temperature_of_logits_that_are_three_times_too_sure_is_found():
    honest = np.random.default_rng(0).standard_normal((5000, 4)) * 1.5
    y = draw_from(activate(honest, "softmax"), 1)
    judged = np.ones((5000, 1), dtype=bool)
    fitted = fit_calibration(3 * honest, y, judged, "softmax")
    assert fitted.scale == pytest.approx([1 / 3] * 4, rel=0.1)
    before = expected_calibration_error(activate(3 * honest, "softmax"), y, judged, "softmax")
    after = expected_calibration_error(fitted.probabilities(3 * honest, "softmax"), y, judged, "softmax")
    assert before is not None
    assert after is not None
    assert after < 0.25 * before


def test_platt_scaling_undoes_scale_and_shift_of_each_label():
    honest = np.random.default_rng(2).standard_normal((8000, 2)) * 2
    y = (np.random.default_rng(3).random((8000, 2)) < activate(honest, "sigmoid")).astype(np.float32)
    shown = np.column_stack([honest[:, 0] * 4 + 8, honest[:, 1] / 2 - 1])
    judged = np.ones((8000, 2), dtype=bool)
    fitted = fit_calibration(shown, y, judged, "sigmoid")
    # honest = shown / 4 - 2, and honest = 2 * shown + 2.
    assert fitted.scale == pytest.approx([0.25, 2.0], rel=0.1)
    assert fitted.offset == pytest.approx([-2.0, 2.0], abs=0.2)


def test_what_is_not_judged_does_not_move_the_calibration():
    logits = np.random.default_rng(4).standard_normal((300, 1))
    y = (np.random.default_rng(5).random((300, 1)) < activate(logits, "sigmoid")).astype(np.float32)
    judged = np.arange(300)[:, None] < 200
    flipped = np.where(judged, y, 1 - y)
    assert fit_calibration(logits, y, judged, "sigmoid") == fit_calibration(
        logits, flipped, judged, "sigmoid"
    )


def test_a_label_of_one_side_only_is_left_as_it_is():
    calibration = fit_calibration(np.ones((5, 1)), np.ones((5, 1)), np.ones((5, 1), dtype=bool), "sigmoid")
    assert calibration == Calibration.identity(1)


def test_platt_scaling_is_never_surer_than_the_number_of_photos_allows():
    logits = np.repeat([1.0, -1.0], 5)[:, None]
    fitted = fit_calibration(logits, (logits > 0).astype(np.float32), np.ones((10, 1), dtype=bool), "sigmoid")
    # Five of five count as 6 of 7 (Platt 1999), so that the odds at a logit of 1 are 6 to 1.
    assert fitted.scale[0] == pytest.approx(np.log(6), abs=1e-4)
    assert fitted.offset[0] == pytest.approx(0, abs=1e-6)


def test_scaling_never_turns_the_order_around():
    # Higher logits go with absence, as few out-of-fold photos may have it by chance.
    logits = np.linspace(-2, 2, 10)[:, None]
    y = (np.arange(10)[:, None] < 5).astype(np.float32)
    fitted = fit_calibration(logits, y, np.ones((10, 1), dtype=bool), "sigmoid")
    assert fitted.scale[0] > 0


def test_calibration_error_by_hand():
    # Bins of 1/15: 0.9, 0.9 are one bin (one of two hits), 0.1 another (no hit).
    # |1.8 - 1| + |0.1 - 0| = 0.9 over three photos.
    probabilities = np.array([[0.9], [0.9], [0.1]])
    y = np.array([[1.0], [0.0], [0.0]])
    judged = np.ones((3, 1), dtype=bool)
    assert expected_calibration_error(probabilities, y, judged, "sigmoid") == pytest.approx(0.3)


def test_calibration_error_of_scenes_looks_at_the_top_one():
    # Tops 0.8 (right) and 0.6 (wrong): (|0.8 - 1| + |0.6 - 0|) / 2 = 0.4.
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6]])
    y = np.array([[1.0, 0.0], [1.0, 0.0]])
    judged = np.ones((2, 1), dtype=bool)
    assert expected_calibration_error(probabilities, y, judged, "softmax") == pytest.approx(0.4)


@pytest.mark.parametrize("loss", ["softmax", "sigmoid"])
def test_nothing_judged_has_no_calibration_error(loss):
    judged = np.zeros((2, 1), dtype=bool)
    assert expected_calibration_error(np.full((2, 1), 0.5), np.ones((2, 1)), judged, loss) is None


def test_activation_survives_huge_logits():
    logits = np.array([[1e4, -1e4]])
    np.testing.assert_allclose(activate(logits, "softmax"), [[1, 0]])
    np.testing.assert_allclose(activate(logits, "sigmoid"), [[1, 0]])
