"""What would help most, from metrics files whose figures are known."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.report.test_page import render

from vibe_photos.report.next_steps import (
    NO_GAIN,
    NOISE,
    Estimate,
    describe_precision,
    find_teacher_errors,
    gain_of_more_answers,
    gain_of_right_answers,
    rank_steps,
    scale_to_truth,
)
from vibe_photos.settings import Settings
from vibe_photos.statistics.intervals import FEWEST_CASES
from vibe_photos.train import error_budget, learning_curve


def test_the_report_reads_what_train_measured() -> None:
    # Packages of stages do not import each other: these stand in both.
    assert NOISE == error_budget.NOISE
    assert FEWEST_CASES == learning_curve.FEWEST_CASES


def curve(label: str, gain: float | None) -> dict[str, Any]:
    if gain is None:
        return {"label": label, "gain": None, "gain_interval": "n < 20"}
    return {
        "label": label,
        "f1": [0.4, 0.5, 0.6, 0.7],
        "f1_interval": [[f1 - 0.1, f1 + 0.1] for f1 in (0.4, 0.5, 0.6, 0.7)],
        "twice": 0.75,
        "twice_interval": [0.7, 0.8],
        "gain": gain,
        "gain_interval": [0.5 * gain, 2 * gain],
    }


def budget(label: str, **changes: float) -> dict[str, Any]:
    shown = {"neighbours": -0.02, "probe": 0.0} | changes
    ends = {f"{name}_interval": [value - 0.01, value + 0.01] for name, value in shown.items()}
    return {"label": label, "f1": 0.7, **shown, **ends}


def head(
    rows: list[dict[str, Any]], budgets: list[dict[str, Any]], learnt: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "n_train": 100,
        "labels_by_people": 0,
        "labels_learnt": 2,
        "labels_not_learnable": 0,
        "without_embedding": 0,
        "l2": 0.1,
        "learnt": learnt,
        "not_learnable": [],
        "learning_curve": {"answers": [10, 20, 40, 80], "twice": 200, "rows": rows},
        "error_budget": {"photos": 100, "rows": budgets},
    }


SCENE = head(
    [curve("all", 0.02), curve("scene.food", 0.03), curve("scene.people", None)],
    [budget("all", confused=-0.04)],
    [{"label": "scene.food", "photos": 60}, {"label": "scene.people", "photos": 40}],
)
ATTRIBUTE = head(
    [curve("all", 0.01), curve("attr.has_text", 0.01)],
    [budget(label, missed=-0.05, invented=-0.01, threshold=0.06) for label in ("all", "attr.has_text")],
    [{"label": "attr.has_text", "photos": 50}],
)
TEACHER = {
    "scene": {"accuracy": 0.9, "accuracy_interval": [0.85, 0.95]},
    "attributes": {
        "has_text": {
            "positives": 40,
            "recall": 0.8,
            "recall_interval": [0.7, 0.9],
            "precision": 0.5,
            "precision_interval": "n < 20",
        }
    },
}


def test_the_teachers_errors_are_shares_of_what_is_true():
    errors = find_teacher_errors(TEACHER, ["has_text", "has_person"])
    assert errors["scene"]["confused"] == Estimate(
        pytest.approx(0.1), pytest.approx(0.05), pytest.approx(0.15)
    )
    missed, invented = errors["attribute"]["missed"], errors["attribute"]["invented"]
    assert (missed.value, missed.low, missed.high) == pytest.approx((0.2, 0.1, 0.3))
    # 40 true, 32 found, and as many given wrongly: 0.8 of what is true.
    assert invented.value == pytest.approx(0.8 * 0.5 / 0.5)


def test_right_answers_gain_what_added_errors_lose():
    rates = {"confused": Estimate(0.1, 0.05, 0.15)}
    gain = gain_of_right_answers(budget("all", confused=-0.04), rates)
    assert gain.value == pytest.approx(0.04)
    assert (gain.low, gain.high) == pytest.approx((0.03 * 0.5, 0.05 * 1.5))
    harmless = gain_of_right_answers(budget("all", confused=0.02), rates)
    assert (harmless.value, harmless.low, harmless.high) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(("hits", "given"), [(140, 150), (140, 190), (160, 170)])
def test_the_teachers_errors_hide_a_part_of_a_gain(hits: int, given: int) -> None:
    """Of 1,000 photos 200 show a label; the teacher misses a tenth of them and invents it for 40 of 800."""

    def f1(found: float, said: int, true: int) -> float:
        return 2 * found / (said + true)

    def against_teacher(right: int, said: int) -> float:
        return f1(0.9 * right + 0.05 * (said - right), said, 220)

    errors = {"missed": Estimate(0.1, 0.1, 0.1), "invented": Estimate(0.2, 0.2, 0.2)}
    trained = {"n_train": 1000, "learnt": [{"label": "attr.has_text", "photos": 220}]}
    real = f1(hits, given, 200) - f1(100, 150, 200)
    seen = against_teacher(hits, given) - against_teacher(100, 150)
    assert seen < 0.88 * real
    scale, low, high = scale_to_truth("attribute", trained, errors)
    assert low == scale == high
    assert seen * scale == pytest.approx(real, rel=0.07)


def test_a_confused_scene_hides_what_a_head_has_right() -> None:
    learnt = [{"label": f"scene.{number}", "photos": 10} for number in range(5)]
    trained = {"n_train": 50, "learnt": learnt}
    scale, low, high = scale_to_truth("scene", trained, {"confused": Estimate(0.2, 0.0, 0.3)})
    # A head that is always right agrees with 0.8, one that guesses with 0.2: 0.6 of a gain of 0.8 is seen.
    assert scale == pytest.approx(0.8 / 0.6)
    assert (low, high) == pytest.approx((1.0, 0.8 / 0.5))


def test_the_largest_expected_gain_comes_first():
    errors = find_teacher_errors(TEACHER, ["has_text"])
    steps = rank_steps(
        {"scene": SCENE, "attribute": ATTRIBUTE}, errors, {"scene": 5, "attribute": 0}, "", False, False
    )
    assert [step.how for step in steps] == [
        "how sure is sure enough for a label: vibe-photos thresholds",
        "a larger annotate.budget",
        "vibe-photos review, under Teach",
    ]
    thresholds, more, taught = steps
    # The teacher confuses a tenth of two scenes, which hides a fifth of a gain; of attributes, at most half.
    assert thresholds.gain.value == pytest.approx(0.06 * 2 / 2)
    assert (thresholds.scenes, str(thresholds.scenes)) == (NO_GAIN, "–")
    assert more.gain.value == pytest.approx((0.02 / 0.8 + 0.01 * 2) / 2)
    assert more.scenes.low == pytest.approx(0.01 / 0.9)  # at least a twentieth is confused
    assert more.scenes.high == pytest.approx(0.04 / 0.7)  # and at most 0.15
    # 5 suspects, half of them wrong, of 10 wrong scenes: a quarter of what right answers gain.
    assert taught.scenes.value == pytest.approx(0.04 / 4)
    assert taught.scenes.low == 0
    tuned = rank_steps({"scene": SCENE, "attribute": ATTRIBUTE}, errors, {}, "", True, True)
    assert (tuned[0].name, tuned[0].how) == (
        "Add photos",
        "the teacher has answered all of the library: only new photos give more answers",
    )


def test_a_scene_too_rare_to_learn_may_be_learned_with_twice_as_many_answers():
    rare = [{"label": "scene.other", "photos": 20}, {"label": "scene.landscape", "photos": 5}]
    # 25 of 125 photos are never right now. The curve's gain is of the other four fifths.
    gain = gain_of_more_answers("scene", SCENE | {"not_learnable": rare}, [1.0])
    twice = SCENE["learning_curve"]["rows"][0]["twice"]
    assert gain.value == pytest.approx(0.8 * 0.02 + 0.2 * twice / 2)
    assert gain.low == pytest.approx(0.8 * 0.01)
    assert gain.high == pytest.approx(0.8 * 0.04 + 0.2 * twice)
    unchanged = gain_of_more_answers("attribute", ATTRIBUTE | {"not_learnable": rare}, [1.0])
    assert unchanged.value == pytest.approx(0.01)


def test_checking_more_photos_narrows_a_figure_by_the_root_of_two():
    said = describe_precision({"n": 100, "scene": {"accuracy": 0.8, "accuracy_interval": [0.75, 0.85]}})
    assert "±5.0" in said
    assert "±3.5" in said
    assert describe_precision({"n": 10, "scene": {"accuracy": 0.8, "accuracy_interval": "n < 20"}}) == ""


def test_the_page_ranks_steps_and_draws_each_curve(
    full_run: Settings, change_metrics: Callable[[Path, dict[str, Any]], None]
) -> None:
    assert "What would help most?" not in render(full_run)[0]
    for name, figures in (("scene", SCENE), ("attribute", ATTRIBUTE)):
        change_metrics(full_run.paths.eval / f"train_{name}.json", figures)
    html, page = render(full_run)
    text = re.sub(r"\s+", " ", " ".join(page.text))
    assert "What would help most?" in text
    assert text.index("Choose better thresholds") < text.index("Add photos")
    assert "No gain is given for People: fewer than 20 photos." in text
    drawn = [
        attributes["aria-label"]
        for tag, attributes in page.elements
        if tag == "svg" and "aria-label" in attributes
    ]
    assert [label.partition(":")[0] for label in drawn if "number of answers" in label] == [
        "Scenes",
        "Attributes",
    ]
    assert json.dumps("undefined") not in html
