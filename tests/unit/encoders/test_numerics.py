import os

import numpy as np
import pytest

from vibe_photos.encoders.numerics import count_threads, to_rounded_unit_norm
from vibe_photos.storage.vectors import to_unit_norm


@pytest.mark.parametrize(("variable", "count"), [("3", 3), ("4,2", 4), ("0", None), ("x", None), ("", None)])
def test_the_variable_of_numeric_libraries_counts_where_it_is_a_number(
    monkeypatch: pytest.MonkeyPatch, variable: str, count: int | None
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert count_threads() == (count or os.cpu_count())


@pytest.mark.parametrize("dim", [8, 96, 280])
def test_rounded_vectors_are_unit_float32_that_last_bits_of_float64_do_not_change(dim: int) -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, dim)) * rng.uniform(0.1, 30, (400, 1))
    vectors = to_rounded_unit_norm(features)
    assert vectors.dtype == np.float32
    # The database engine takes such vectors as they are (`normalise`).
    assert np.abs(np.linalg.norm(vectors.astype(np.float64), axis=1) - 1).max() < 1e-6
    assert np.abs(vectors - to_unit_norm(features)).max() < 2e-7
    changed = features * (1 + rng.choice([-1, 0, 1], features.shape) * 2.0**-52)
    assert to_rounded_unit_norm(changed).tobytes() == vectors.tobytes()


def test_numbers_next_to_zero_are_rounded_to_the_same_steps() -> None:
    """Float32 alone would keep the difference: its own steps near 1e-12 are 1e-19."""
    first, second = (to_rounded_unit_norm(np.array([[3.0, small, 4.0]])) for small in (1e-12, 1.0001e-12))
    assert first.tobytes() == second.tobytes()


def test_a_row_without_direction_becomes_nan() -> None:
    vectors = to_rounded_unit_norm(np.array([[0.0, 0.0], [np.inf, 1.0], [0.0, 2.0]]))
    assert np.isnan(vectors[:2]).all()
    assert vectors[2].tolist() == [0.0, 1.0]
