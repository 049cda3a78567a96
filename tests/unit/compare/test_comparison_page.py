from pathlib import Path

from vibe_photos.compare.compare import FigureDifference, Flip, LabelComparison
from vibe_photos.compare.text import render_page
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.paired import Difference

FOUND = LabelComparison(
    before="HEAD",
    after="<script>",
    n=140,
    learnt_from=0,
    not_in_both=0,
    photos=417,
    changed_photos=9,
    figures=[
        FigureDifference("scene accuracy", Difference(0.74, 0.79, Interval(0.012, 0.088), 0.004, 8), 0.008),
        FigureDifference("has_text F1", Difference(0.6, 0.6, Interval(-0.1, 0.1), 1.0, 0), 1.0),
    ],
    flips=[Flip("a1", "scene", "food", "people", "people", "fixed")],
)


def test_the_page_tells_figures_verdict_and_flips(tmp_path: Path) -> None:
    render_page(FOUND, 0.95, {"a1": "2019/<b>.jpg"}, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert "distinguishable from noise: scene accuracy up" in html
    assert "+0.050" in html
    assert "+0.012 to +0.088" in html
    assert "same" in html
    assert "2019/&lt;b&gt;.jpg" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        render_page(FOUND, 0.95, {}, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
