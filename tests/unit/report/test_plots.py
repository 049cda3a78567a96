import xml.etree.ElementTree as ElementTree

import pytest

from vibe_photos.report.plots import Confusion
from vibe_photos.report.stage import make_environment
from vibe_photos.report.tables import Mark
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.reliability import ReliabilityPoint

EVIL = '<script>"&'
PLOTS = make_environment().get_template("plots.svg").module


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def test_a_cells_depth_is_its_share_of_the_row() -> None:
    svg = parse(
        PLOTS.draw_confusion(
            Confusion(["food", EVIL], ["food", EVIL, "missing"], [[3, 1, 0], [0, 0, 0]]), "true scenes"
        )
    )
    cells = svg.findall(".//rect")
    assert [cell.get("fill-opacity") for cell in cells] == ["0.75", "0.25", "0.0", "0.0", "0.0", "0.0"]
    assert [cell.get("class") for cell in cells] == ["right", "wrong", "wrong", "wrong", "right", "wrong"]
    titles = [title.text for title in svg.findall(".//title")]
    assert titles[:2] == ["3 of 4 food photos were labelled food", f"1 of 4 food photos were labelled {EVIL}"]


@pytest.mark.parametrize(("value", "place"), [(0.5, "50.0%"), (1.5, "100.0%"), (-1.0, "0.0%")])
def test_a_mark_stays_on_its_scale(value: float, place: str) -> None:
    dot = parse(PLOTS.draw_scale(Mark(value, 0.4, 0.6, 0.9), "a mark")).find(".//circle")
    assert dot is not None
    assert dot.get("cx") == place


def test_a_pair_draws_both_estimates_where_they_are() -> None:
    svg = parse(PLOTS.draw_pair(Mark(0.5, 0.4, 0.6), Mark(0.55, 0.5, 0.6), EVIL))
    assert svg.get("aria-label") == EVIL
    assert [dot.get("cx") for dot in svg.findall(".//circle")] == ["50.0%", "55.0%"]
    ranges = [line for line in svg.findall(".//line") if "range" in str(line.get("class"))]
    assert [(line.get("x1"), line.get("x2")) for line in ranges] == [("40.0%", "60.0%"), ("50.0%", "60.0%")]
    assert (
        len(parse(PLOTS.draw_pair(Mark(0.5), Mark(0.5), "no intervals")).findall(".//line[@class='rail']"))
        == 4
    )
    assert "range" not in PLOTS.draw_pair(Mark(0.5), Mark(0.5), "no intervals")


def said(probability: float, frequency: float, low: float, high: float) -> ReliabilityPoint:
    return ReliabilityPoint(probability, frequency, Interval(low, high), 15)


def test_a_curve_starts_at_the_left_and_perfect_is_at_the_top_right() -> None:
    svg = parse(PLOTS.draw_curve([(0.0, 1.0), (1.0, 0.5)], (0.5, 0.75), (1.0, 1.0), EVIL))
    assert svg.get("aria-label") == EVIL
    curve = svg.find(".//path[@class='curve']")
    assert curve is not None
    assert curve.get("d") == "M34.0 10.0 234.0 110.0"
    dot = svg.find(".//circle")
    assert dot is not None
    assert (dot.get("cx"), dot.get("cy")) == ("134.0", "60.0")


def test_a_curve_without_points_is_an_empty_frame() -> None:
    svg = parse(PLOTS.draw_curve([], None, None, "nothing"))
    assert svg.find(".//path[@class='curve']") is None


def test_reliability_has_a_dot_on_its_interval_and_the_teachers_diamond() -> None:
    svg = parse(PLOTS.draw_reliability([said(0.5, 1.0, 0.75, 1.0)], [said(0.0, 0.0, 0.0, 0.1)], EVIL))
    assert svg.get("aria-label") == EVIL
    dot, bar = svg.find(".//circle"), svg.find(".//path[@class='bar']")
    assert dot is not None
    assert bar is not None
    assert (dot.get("cx"), dot.get("cy"), bar.get("d")) == ("134.0", "10.0", "M134.0 60.0V10.0")
    diamond = svg.find(".//path[@class='teacher']")
    assert diamond is not None
    assert diamond.get("transform") == "translate(34.0 210.0)"


def test_reliability_of_nothing_is_the_diagonal_alone() -> None:
    svg = parse(PLOTS.draw_reliability([], [], "nothing"))
    assert svg.find(".//circle") is None
    assert svg.find(".//path[@class='diagonal']") is not None
