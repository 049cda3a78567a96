import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vibe_photos.storage.vectors import to_unit_norm


def test_rows_are_divided_by_their_length() -> None:
    # |(3, 4)| = 5.
    assert to_unit_norm(np.array([[3.0, 4.0]])).tolist() == [[np.float32(0.6), np.float32(0.8)]]


def test_a_row_without_direction_is_nan_and_leaves_the_others() -> None:
    vectors = to_unit_norm(np.array([[0.0, 0.0], [np.inf, 1.0], [np.nan, 1.0], [0.0, 2.0]]))
    assert np.isnan(vectors[:3]).all()
    assert vectors[3].tolist() == [0.0, 1.0]


@given(arrays(np.float16, (3, 5), elements=st.floats(-1000, 1000, width=16)))
def test_norms_are_one_or_not_a_number(features: np.ndarray) -> None:
    vectors = to_unit_norm(features)
    norms = np.linalg.norm(vectors, axis=1)
    assert vectors.dtype == np.float32
    assert (np.isnan(norms) == (features == 0).all(axis=1)).all()
    np.testing.assert_allclose(norms[~np.isnan(norms)], 1.0, rtol=1e-6)
