"""The library's own figures on forty photos that can be counted by hand."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.hand_made_library import write_truth

from vibe_photos.evaluate.stage import evaluate_labels
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.settings import Settings
from vibe_photos.statistics.design import Design

IDS = [f"p{number:02d}" for number in range(40)]


@pytest.fixture
def measure(
    make_truth: Callable[..., GroundTruth],
    write_roles: Callable[..., Path],
    write_table: Callable[..., Path],
    library: Settings,
) -> Callable[..., dict[str, object]]:
    """The first 20 photos are audited, the next 10 holdout; the teacher sees text on every fourth photo,
    from the twentieth on every second."""

    def run(probability: float | None = 0.5) -> dict[str, object]:
        roles = ["reserved"] * 20 + ["holdout"] * 10 + ["train"] * 10
        auto = [
            make_truth(
                image_id, "food" if number % 2 else "people", has_text=number % (4 if number < 20 else 2) == 0
            )
            for number, image_id in enumerate(IDS)
        ]
        extra = {"inclusion_probability": probability, "stratum": "all"} if probability else {}
        # People agree but for the first two photos: no text on the first, and its scene is food.
        people = [make_truth("p00", "food", has_text=False), make_truth("p01", "food", has_text=True)]
        audited = [msgspec.structs.replace(record, extra=extra) for record in [*people, *auto[2:20]]]
        write_table({i: {"scene.food": (0.9, 1), "attr.has_text": (0.1, 0)} for i in IDS})
        write_roles(dict(zip(IDS, roles, strict=True)))
        write_truth(library, audited, auto)
        evaluate_labels(library)
        metrics = json.loads((library.paths.eval / "human" / "metrics.json").read_text())
        return metrics["prediction_powered"]

    return run


def test_people_alone_and_together_with_the_teacher(measure: Callable[..., dict[str, dict]]) -> None:
    found = measure()
    # Always "food": right on the ten odd photos and on p00.
    assert found["scene"]["accuracy"] == 0.55
    low, high = found["scene"]["accuracy_interval"]
    assert low < found["scene"]["accuracy_ppi"] < high
    text = found["attributes"]["has_text"]
    # People: p01, p04, p08, p12, p16 of 20. The teacher: p00, p04, p08, p12, p16 of these, 15 of all 40.
    # Trust is the slope of people's word on the teacher's: (4/20 - 1/16) / (1/4 - 1/16) = 11/15, and
    # 1/4 + 11/15 * (15/40 - 5/20) = 0.3417.
    assert text["prevalence"] == 0.25
    assert text["prevalence_ppi"] == 0.3417
    low, high = text["prevalence_ppi_interval"]
    assert low < 0.3417 < high
    assert found["attributes"]["has_person"] == {"prevalence": None, "accuracy": None}


def test_accuracy_of_an_attribute(measure: Callable[..., dict[str, dict]]) -> None:
    text = measure()["attributes"]["has_text"]
    # The student never sees text: right where people see none, 15 of 20. It agrees with the teacher on 15 of
    # these and on 5 of the 10 of the holdout, which stand for 20: 25 of 40. Variances, times 1/19 * 1/2:
    # of the agreement 0.1875, with people's word 14/20 - 0.75^2 = 0.1375. That of 25/40, known of half of the
    # others: 2^2 * (1 - 1/2) * (10/9 * 2.5) / 40^2 = 0.003472. So trust is 0.003618 / (0.004934 + 0.003472) =
    # 0.4304, and 15/20 + 0.4304 * (25/40 - 15/20) = 0.6962.
    assert text["accuracy"] == 0.75
    assert text["accuracy_ppi"] == 0.6962
    low, high = text["accuracy_ppi_interval"]
    assert low < 0.6962 < high


def test_records_that_state_no_probability_say_nothing_of_the_library(
    measure: Callable[..., dict[str, object]],
) -> None:
    assert measure(None) == {"reason": "no audited record states its inclusion_probability"}


def test_a_part_of_a_design_is_numbered_anew() -> None:
    design = Design(
        np.arange(1.0, 5.0), np.full(4, 0.5), np.array([0, 1, 1, 2]), np.array([0, 0, 1, 1]), True
    )
    part = design.restrict(np.array([False, False, True, True]))
    assert part.weights.tolist() == [3.0, 4.0]
    assert (part.groups.tolist(), part.strata.tolist()) == ([0, 1], [0, 0])
