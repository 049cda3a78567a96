import json
from collections.abc import Callable
from pathlib import Path

from tests.unit.hand_made_library import write_truth

from vibe_photos.agreement.stage import measure_agreement
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import write_jsonl


def read_metrics(library: Settings) -> dict:
    return json.loads((library.paths.eval / "teacher" / "metrics.json").read_text())


def write_failures(library: Settings, **kinds: str) -> None:
    """Write for which photos the teacher has no answer, and why."""
    rows = [{"image_id": i, "rel_path": f"{i}.jpg", "kind": kind, "detail": ""} for i, kind in kinds.items()]
    write_jsonl(library.paths.raw_annotations.with_name("failures.jsonl"), rows)


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
    write_failures(library, c="refused")
    measure_agreement(library)
    figures = read_metrics(library)
    assert (figures["n"], figures["missing"], figures["not_in_library"]) == (3, 1, 1)
    # a right, b wrong, c asked in vain.
    assert (figures["scene"]["accuracy"], figures["scene"]["missing"]) == (0.3333, 1)
    # has_text: said a, b; true a, c; one hit.
    text = figures["attributes"]["has_text"]
    assert (text["precision"], text["recall"], text["missing"]) == (0.5, 0.5, 1)
    # Objects: said food of a, drink of b; true food and drink of a, dessert and so food of c; one hit.
    objects = figures["objects"]
    assert (objects["precision"], objects["recall"], objects["exact_recall"]) == (0.5, 0.25, 0.3333)
    assert "top1" not in figures["objects"]
    assert "average_precision" not in text


def test_a_photo_that_was_never_asked_about_says_nothing_of_the_teacher(
    library: Settings, make_truth: Callable[..., GroundTruth], write_roles: Callable[..., Path]
) -> None:
    write_roles(dict.fromkeys("abcd", "reserved"))
    write_truth(library, [make_truth(i, "food") for i in "abcd"], [make_truth("a", "food")])
    # Beyond annotate.budget a photo is in no file; without a server it is listed as missing.
    write_failures(library, b="length", c="missing")
    measure_agreement(library)
    figures = read_metrics(library)
    assert (figures["n"], figures["missing"], figures["not_asked"]) == (2, 1, 2)
    assert figures["scene"]["accuracy"] == 0.5
    write_truth(library, [make_truth("d", "food")], [make_truth("a", "food")])
    measure_agreement(library)
    figures = read_metrics(library)
    assert (figures["n"], figures["not_asked"]) == (0, 1)
    assert "the teacher was not asked about any photo" in figures["how_to_begin"]


def test_nobody_audited_yet(library: Settings, write_roles: Callable[..., Path]) -> None:
    write_roles({"a": "reserved"})
    measure_agreement(library)
    figures = read_metrics(library)
    assert figures["n"] == 0
    assert "vibe-photos review" in figures["how_to_begin"]
