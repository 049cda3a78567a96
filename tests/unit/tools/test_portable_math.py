import ast
import math
from pathlib import Path

import numpy as np
import pytest
import tools.demo_library
import xxhash
from tools.demo_library.portable_math import cos, exp, power, sin, solve, tanh

PACKAGE = Path(tools.demo_library.__file__).parent
DIFFERS_BY_PROCESSOR = {
    *("sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "sinh", "cosh", "tanh", "hypot", "cbrt"),
    *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "power", "float_power", "pow", "logaddexp"),
    *("linalg", "fft", "dot", "vdot", "inner", "outer", "matmul", "tensordot", "einsum", "convolve"),
}


def has_whole_exponent(node: ast.BinOp) -> bool:
    return isinstance(node.right, ast.Constant) and isinstance(node.right.value, int)


def find_processor_dependence(path: Path) -> list[str]:
    """Find matrix products, powers with another exponent than a whole number, and functions that differ."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in DIFFERS_BY_PROCESSOR:
            found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
        elif isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            found.append(f"{path.name}:{node.lineno} @")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not has_whole_exponent(node):
            found.append(f"{path.name}:{node.lineno} {ast.unparse(node)}")
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in PACKAGE.glob("*.py")))
def test_the_drawing_uses_nothing_that_differs_by_processor(name: str) -> None:
    assert find_processor_dependence(PACKAGE / name) == []


def test_the_functions_agree_with_numpy() -> None:
    angles = np.linspace(-20, 40, 10_001)
    shares = np.linspace(0, 1, 10_001)
    np.testing.assert_allclose(sin(angles), np.sin(angles), atol=1e-14)
    np.testing.assert_allclose(cos(angles), np.cos(angles), atol=1e-14)
    np.testing.assert_allclose(exp(angles), np.exp(angles), rtol=1e-14)
    np.testing.assert_allclose(tanh(angles), np.tanh(angles), atol=1e-15)
    np.testing.assert_allclose(power(shares, 0.83), shares**0.83, atol=1e-13)
    assert (float(sin(0.0)), float(cos(0.0)), float(exp(0.0)), float(power(0.0, 0.5))) == (0, 1, 1, 0)


def test_the_functions_give_the_same_bits_on_every_processor() -> None:
    angles, shares = np.linspace(-6, 30, 100_001), np.linspace(0, 1, 100_001)
    results = [sin(angles), cos(angles), exp(angles), tanh(angles), power(shares, 0.93)]
    assert xxhash.xxh3_64_hexdigest(b"".join(result.tobytes() for result in results)) == "9c9f3b63953db80c"


def test_equations_are_solved() -> None:
    rng = np.random.default_rng(3)
    equations, values = rng.normal(size=(8, 8)), rng.normal(size=8)
    equations[0, 0] = 0.0  # a row exchange is needed
    solution = solve(equations.tolist(), values.tolist())
    np.testing.assert_allclose(solution, np.linalg.solve(equations, values), rtol=1e-9)
    assert solve([[3.0]], [1.0]) == [1 / 3]
    assert math.isclose(solve([[0.0, 2.0], [4.0, 0.0]], [1.0, 1.0])[0], 0.25)
