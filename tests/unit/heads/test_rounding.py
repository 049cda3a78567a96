from fractions import Fraction

import numpy as np
import pytest

from vibe_photos.heads.rounding import exact_logits, round_head


def draw(count: int, dim: int, labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return unit vectors, and weights and biases of very different sizes, all float32."""
    generator = np.random.default_rng(0)
    vectors = generator.standard_normal((count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weight = generator.standard_normal((labels, dim)) * np.logspace(-3, 4, labels)[:, None]
    return vectors.astype(np.float32), weight.astype(np.float32), np.arange(labels, dtype=np.float32)


def test_logits_are_the_same_bits_in_any_order_of_summation():
    vectors, weight, bias = draw(200, 1152, 8)
    logits = exact_logits(vectors, weight, bias)
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(1152)
        np.testing.assert_array_equal(exact_logits(vectors[:, order], weight[:, order], bias), logits)
    # Plain float64 is not.
    wide = vectors.astype(np.float64)
    assert (
        wide[:, order] @ weight[:, order].T.astype(np.float64) != wide @ weight.T.astype(np.float64)
    ).any()


def test_logits_are_exact_sums_of_products_of_the_rounded_factors():
    vectors, weight, _ = draw(3, 500, 4)
    bits = 2**26
    logits = exact_logits(vectors, weight, np.zeros(4, dtype=np.float32))
    for row, label in np.ndindex(3, 4):
        exponent = int(np.frexp(np.linalg.norm(weight[label].astype(np.float64)))[1])
        step = Fraction(2) ** (exponent - 26)
        total = sum(
            Fraction(round(Fraction(float(x)) * bits), bits) * round(Fraction(float(w)) / step) * step
            for x, w in zip(vectors[row], weight[label], strict=True)
        )
        assert Fraction(float(logits[row, label])) == total


def test_logits_are_those_of_the_float32_numbers_to_seven_digits_of_the_weights_length():
    vectors, weight, bias = draw(200, 768, 8)
    plain = vectors.astype(np.float64) @ weight.T.astype(np.float64) + bias
    lengths = np.linalg.norm(weight, axis=1)
    assert (np.abs(exact_logits(vectors, weight, bias) - plain) / lengths).max() < 1e-7


def test_a_stored_head_is_the_same_for_solutions_that_differ_in_their_last_digits():
    generator = np.random.default_rng(1)
    weight, bias = generator.standard_normal((8, 768)) * np.logspace(-3, 4, 8)[:, None], np.arange(8.0)
    other = weight * (1 + 1e-9 * generator.standard_normal(weight.shape))
    for one, two in zip(round_head(weight, bias), round_head(other, bias), strict=True):
        np.testing.assert_array_equal(one, two)


def test_rounding_a_head_changes_a_logit_by_little_and_is_done_once():
    vectors, weight, bias = draw(200, 768, 8)
    rounded = round_head(weight, bias)
    for one, two in zip(rounded, round_head(*rounded), strict=True):
        np.testing.assert_array_equal(one, two)
    changes = np.abs(exact_logits(vectors, *rounded) - exact_logits(vectors, weight, bias))
    lengths = np.linalg.norm(np.column_stack([weight, bias]), axis=1)
    assert (changes / lengths).max() < 2e-5


@pytest.mark.parametrize("labels", [0, 2])
def test_weights_of_zero_and_heads_without_labels(labels):
    weight, bias = round_head(np.zeros((labels, 3)), np.zeros(labels))
    assert (weight.dtype, bias.dtype, weight.shape, bias.shape) == (
        np.float32,
        np.float32,
        (labels, 3),
        (labels,),
    )
    assert exact_logits(np.eye(3, dtype=np.float32), weight, bias).tolist() == [[0.0] * labels] * 3
