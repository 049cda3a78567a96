from pathlib import Path

from vibe_photos.compare.compare import FigureDifference, Flip, LabelChange, LabelComparison
from vibe_photos.compare.text import render_page
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.paired import Change

FOUND = LabelComparison(
    before="HEAD",
    after="<script>",
    truth="human",
    level=0.95,
    n=140,
    learnt_from=0,
    not_in_both=0,
    photos=417,
    only_before=0,
    only_after=0,
    changed_photos=9,
    labels=[
        LabelChange(
            "scene",
            [],
            140,
            [Flip("a1", ["scene.food"], ["scene.people"], ["scene.people"], "now right")],
            {"wrong": Change(0.26, 0.21, 0.004, 8, 0.06)},
            {"accuracy": FigureDifference(0.74, 0.79, Interval(0.012, 0.088))},
        ),
        LabelChange(
            "has_text",
            ["attr.has_text"],
            140,
            [Flip("a2", [], ["attr.has_text"], [], "now wrong")],
            {"wrong": Change(0.1, 0.11, 1.0, 1, 0.043)},
            {"precision": FigureDifference(0.6, None, Interval(reason="only one side has it"))},
        ),
    ],
    names={"scene.food": "Food", "scene.people": "People", "attr.has_text": "Text"},
)


def test_the_page_tells_verdict_tables_and_flips(tmp_path: Path) -> None:
    render_page(FOUND, {"a1": "2019/<b>.jpg"}, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert "Fewer wrong (26.0 → 21.0 in 100 photos): B is better" in html
    assert "Cannot tell which side is better: a difference below 4.3 in 100 may go unnoticed" in html
    assert "+0.012 to +0.088" in html
    assert "only one side has it" in html
    assert "Text precision" in html
    assert "has_text" not in html
    assert "p allows for all 2" in html
    assert "2019/&lt;b&gt;.jpg" in html
    assert "vibe-photos review --only a1</code>" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_same_comparison_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        render_page(FOUND, {}, tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
