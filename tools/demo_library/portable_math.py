"""Mathematics that gives the same bits on every x86-64 processor, so every clone renders the same photos.

NumPy, its linear algebra and the C library choose their code by the processor. The results differ in the last
bit, and that bit can decide a pixel on an edge. Only +, -, *, / and square roots are the same everywhere
(IEEE 754), so everything here is made of those.
"""

import math
from collections.abc import Sequence

import numpy as np

_SINE = [(1 - 2 * (n % 2)) / math.factorial(2 * n + 1) for n in range(14)]
_EXPONENTIAL = [1 / math.factorial(n) for n in range(16)]
_AREA_TANGENT = [1 / (2 * n + 1) for n in range(13)]
_LN_2 = 0.6931471805599453


def _evaluate(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    """Evaluate a polynomial, lowest coefficient first, by Horner's rule."""
    total = np.zeros_like(x)
    for coefficient in reversed(coefficients):
        total = total * x + coefficient
    return total


def sin(x: np.ndarray | float) -> np.ndarray:
    """Sine of angles in radians, float64 of the shape of `x`, to about 1e-15 for moderate angles."""
    angle = np.asarray(x, dtype=np.float64)
    angle = angle - 2 * math.pi * np.round(angle / (2 * math.pi))
    return angle * _evaluate(_SINE, angle * angle)


def cos(x: np.ndarray | float) -> np.ndarray:
    """Cosine of angles in radians, float64 of the shape of `x`."""
    return sin(np.asarray(x, dtype=np.float64) + math.pi / 2)


def exp(x: np.ndarray | float) -> np.ndarray:
    """Exponential function, float64 of the shape of `x`; by powers of two and a Taylor series."""
    exponent = np.asarray(x, dtype=np.float64)
    doublings = np.round(exponent / _LN_2)
    return np.ldexp(_evaluate(_EXPONENTIAL, exponent - doublings * _LN_2), doublings.astype(np.int64))


def tanh(x: np.ndarray | float) -> np.ndarray:
    """Hyperbolic tangent, float64 of the shape of `x`."""
    return 1 - 2 / (exp(2 * np.asarray(x)) + 1)


def power(base: np.ndarray | float, exponent: float) -> np.ndarray:
    """Bases of at least 0 to a positive power, float64 of the shape of `base`."""
    mantissa, doublings = np.frexp(np.asarray(base, dtype=np.float64))
    ratio = (mantissa - 1) / (mantissa + 1)
    log = 2 * ratio * _evaluate(_AREA_TANGENT, ratio * ratio) + doublings * _LN_2
    return np.where(mantissa > 0, exp(exponent * log), 0.0)


def solve(equations: Sequence[Sequence[float]], values: Sequence[float]) -> list[float]:
    """Solve linear equations by LU decomposition with row exchanges, in Python's float64.

    The order of the operations rendered the committed photos: another order changes the last bits.

    Args:
        equations: n rows of n coefficients.
        values: The n right-hand sides.
    """
    rows, solution = [list(row) for row in equations], list(values)
    count = len(rows)
    for column in range(count):
        for index in range(1, count):
            products = 0.0
            for inner in range(min(index, column)):
                products += rows[index][inner] * rows[inner][column]
            rows[index][column] -= products
        pivot = max(range(column, count), key=lambda index: abs(rows[index][column]))
        rows[column], rows[pivot] = rows[pivot], rows[column]
        solution[column], solution[pivot] = solution[pivot], solution[column]
        scale = 1 / rows[column][column]
        for row in rows[column + 1 :]:
            row[column] *= scale
    for index in range(count):
        for inner in range(index):
            solution[index] -= rows[index][inner] * solution[inner]
    for index in reversed(range(count)):
        for inner in reversed(range(index + 1, count)):
            solution[index] -= rows[index][inner] * solution[inner]
        solution[index] /= rows[index][index]
    return solution
