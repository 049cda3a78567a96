import numpy as np

from vibe_photos.evaluate.stage import MOST_CURVE_POINTS, thin_curve
from vibe_photos.statistics.metrics import Curve


def test_a_long_curve_is_thinned_to_its_ends_and_between() -> None:
    steps = np.linspace(0, 1, 10_000)
    points = thin_curve(Curve(steps, 1 - steps, 1 - steps))
    assert len(points) == MOST_CURVE_POINTS
    assert (points[0][0], points[-1][0]) == (0.0, 1.0)
