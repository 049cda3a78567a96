import struct

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.embed.database import decode_vector, normalise
from vibe_photos.errors import DecodeError
from vibe_photos.storage.vectors import to_unit_norm

NUMBERS = [0.5, -2.0, 0.25, 3.0]
"""Exact in float16 already, so that every form must give the same."""


@pytest.mark.parametrize(
    "stored",
    [
        struct.pack("<4e", *NUMBERS),
        struct.pack("<4f", *NUMBERS),
        struct.pack("<4d", *NUMBERS),
        "[0.5,-2,0.25,3]",
        " [0.5, -2.0, 2.5e-1, 3]\n",
        NUMBERS,
    ],
)
def test_all_forms_give_the_same_numbers(stored):
    assert decode_vector(stored, 4).tolist() == NUMBERS


@pytest.mark.parametrize(
    ("stored", "reason"),
    [
        (struct.pack("<3f", 1, 2, 3), "wrong_dim"),
        (struct.pack("<5f", 1, 2, 3, 4, 5), "wrong_dim"),
        (b"", "wrong_dim"),
        (b"1234567", "wrong_dim"),
        ([1.0, 2.0], "wrong_dim"),
        ("[1, 2, 3, 4, 5]", "wrong_dim"),
        (struct.pack("<4f", 1, float("nan"), 3, 4), "not_finite"),
        (struct.pack("<4f", 1, float("inf"), 3, 4), "not_finite"),
        ("[1, NaN, 3, 4]", "not_finite"),
        ([1.0, None, 3.0, 4.0], "not_finite"),
        ("0.5 0.5", "damaged"),
        ('{"a": 1}', "damaged"),
        (["x", 1, 2, 3], "damaged"),
        (7, "damaged"),
        (None, "damaged"),
    ],
)
def test_what_is_no_such_vector_has_a_named_reason(stored, reason):
    with pytest.raises(DecodeError) as caught:
        decode_vector(stored, 4)
    assert caught.value.reason == reason


@given(st.binary(max_size=40) | st.text(max_size=20), st.integers(1, 8))
def test_wild_values_are_a_vector_or_a_reason(stored, dim):
    try:
        numbers = decode_vector(stored, dim)
    except DecodeError:
        return
    assert numbers.shape == (dim,)
    assert np.isfinite(numbers).all()


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=40).filter(
        lambda v: np.linalg.norm(v) > 1e-3
    )
)
def test_vectors_become_unit_norm_and_then_stay_bit_for_bit(numbers):
    unit, _ = normalise(np.array(numbers))
    assert abs(np.linalg.norm(unit.astype(np.float64)) - 1) < 1e-6
    again, is_scaled = normalise(decode_vector(unit.astype("<f4").tobytes(), len(numbers)))
    assert not is_scaled
    np.testing.assert_array_equal(again, unit)


def test_a_raw_vector_is_scaled_as_encoders_scale_theirs():
    raw = np.random.default_rng(0).normal(size=(1, 768)).astype(np.float32) * 11
    vector, is_scaled = normalise(decode_vector(raw.tobytes(), 768))
    assert is_scaled
    np.testing.assert_array_equal(vector, to_unit_norm(raw)[0])


def test_a_zero_vector_points_nowhere():
    with pytest.raises(DecodeError) as caught:
        normalise(decode_vector(msgspec.json.encode([0, 0]).decode(), 2))
    assert caught.value.reason == "no_direction"
