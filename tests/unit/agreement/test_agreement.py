import json
from collections.abc import Callable
from pathlib import Path

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Evaluate, Taxonomy


def test_the_teacher_is_measured_like_a_student(
    make_truth: Callable[..., GroundTruth],
    write_roles: Callable[..., Path],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
    tmp_path: Path,
) -> None:
    audited = [
        make_truth("a", "food", ("food", "drink"), has_text=True),
        make_truth("b", "people", (), has_text=False),
        make_truth("c", "people", ("food.dessert",), has_text=True),
        make_truth("elsewhere", "food"),
    ]
    auto = [
        make_truth("a", "food", ("food",), has_text=True),
        make_truth("b", "food", ("drink",), has_text=True),
    ]
    splits, metric = (
        write_roles({"a": "reserved", "b": "reserved", "c": "reserved"}),
        tmp_path / "metrics.json",
    )
    measure_agreement(auto, audited, taxonomy, evaluate, metric, splits)
    figures = json.loads(metric.read_text())
    assert (figures["n"], figures["missing"], figures["not_in_library"]) == (3, 1, 1)
    # a right, b wrong, c never answered.
    assert (figures["scene"]["accuracy"], figures["scene"]["missing"]) == (0.3333, 1)
    # has_text: said a, b; true a, c; one hit.
    text = figures["attributes"]["has_text"]
    assert (text["precision"], text["recall"], text["missing"]) == (0.5, 0.5, 1)
    # Objects: said food of a, drink of b; true food and drink of a, dessert of c; one hit: 1/2 and 1/3.
    assert (figures["objects"]["precision"], figures["objects"]["recall"]) == (0.5, 0.3333)
    assert "top1" not in figures["objects"]
    assert "average_precision" not in text


def test_nobody_audited_yet(taxonomy: Taxonomy, evaluate: Evaluate, tmp_path: Path) -> None:
    measure_agreement([], [], taxonomy, evaluate, tmp_path / "metrics.json")
    figures = json.loads((tmp_path / "metrics.json").read_text())
    assert figures["n"] == 0
    assert "to_review.json" in figures["how_to_begin"]
