import xml.etree.ElementTree as ElementTree

from vibe_photos.report.squares import draw_curve, draw_reliability
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.reliability import ReliabilityPoint

EVIL = '<script>"&'


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def said(probability: float, frequency: float, low: float, high: float) -> ReliabilityPoint:
    return ReliabilityPoint(probability, frequency, Interval(low, high), 15)


def test_a_curve_starts_at_the_left_and_perfect_is_at_the_top_right() -> None:
    svg = parse(draw_curve([(0.0, 1.0), (1.0, 0.5)], (0.5, 0.75), (1.0, 1.0), EVIL))
    assert svg.get("aria-label") == EVIL
    curve = svg.find(".//path[@class='curve']")
    assert curve is not None
    assert curve.get("d") == "M34.0 10.0 234.0 110.0"
    dot = svg.find(".//circle")
    assert dot is not None
    assert (dot.get("cx"), dot.get("cy")) == ("134.0", "60.0")


def test_a_curve_without_points_is_an_empty_frame() -> None:
    svg = parse(draw_curve([], None, None, "nothing"))
    assert svg.find(".//path[@class='curve']") is None


def test_reliability_has_a_dot_on_its_interval_and_the_teachers_diamond() -> None:
    svg = parse(draw_reliability([said(0.5, 1.0, 0.75, 1.0)], [said(0.0, 0.0, 0.0, 0.1)], EVIL))
    assert svg.get("aria-label") == EVIL
    dot, bar = svg.find(".//circle"), svg.find(".//path[@class='bar']")
    assert dot is not None
    assert bar is not None
    assert (dot.get("cx"), dot.get("cy"), bar.get("d")) == ("134.0", "10.0", "M134.0 60.0V10.0")
    diamond = svg.find(".//path[@class='teacher']")
    assert diamond is not None
    assert diamond.get("transform") == "translate(34.0 210.0)"


def test_reliability_of_nothing_is_the_diagonal_alone() -> None:
    svg = parse(draw_reliability([], [], "nothing"))
    assert svg.find(".//circle") is None
    assert svg.find(".//path[@class='diagonal']") is not None
