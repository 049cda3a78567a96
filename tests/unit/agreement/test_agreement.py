import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.hand_made_library import write_truth

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Settings


def read_metrics(library: Settings) -> dict:
    return json.loads((library.paths.eval / "teacher" / "metrics.json").read_text())


def test_the_teacher_is_measured_like_a_student(
    library: Settings, make_truth: Callable[..., GroundTruth], write_roles: Callable[..., Path]
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
    write_roles({"a": "reserved", "b": "reserved", "c": "reserved"})
    write_truth(library, audited, auto)
    measure_agreement(library)
    figures = read_metrics(library)
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


def test_nobody_audited_yet(library: Settings, write_roles: Callable[..., Path]) -> None:
    write_roles({"a": "reserved"})
    measure_agreement(library)
    figures = read_metrics(library)
    assert figures["n"] == 0
    assert "vibe-photos review" in figures["how_to_begin"]
