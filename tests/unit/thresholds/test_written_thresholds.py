from pathlib import Path

import msgspec
import pytest

from vibe_photos.errors import InputError
from vibe_photos.statistics.intervals import Interval
from vibe_photos.thresholds.params_file import write_changes
from vibe_photos.thresholds.proposals import Choice, Trial, Tuning
from vibe_photos.thresholds.sweep import LabelScores

PARAMS = """\
# What you edit.
use:
  teacher: demo       # demo | offline

library: {root: 'some photos'}   # kept in quotes

classify:
  attribute_threshold:
    default: 0.50     # for all others
    # people matter most
    has_person: 0.5   # the best so far
  object_threshold: {default: 0.5, keyboard: 0.5}

# how labels are held against truth
evaluate:
  seed: 0
lists:
- 1
- 2
"""


NOTHING = LabelScores(None, None, None)


def tuning(reason: str = "", **thresholds: float) -> Tuning:
    """Return the best thresholds by short name, refused where there is a reason; 0.5 is in use."""
    choices = {}
    for name, threshold in thresholds.items():
        level = "attribute" if name.startswith("has_") else "object"
        key = f"attr.{name}" if level == "attribute" else f"object.{name}"
        trial = Trial(threshold, NOTHING, NOTHING, NOTHING, share=0.5, prevalence=Interval(0.4, 0.6))
        choices[key] = Choice(level, 0.5, 20, trial, reason)
    return Tuning(choices, scored_now={}, scored_then={}, tune_photos=0, score_photos=0)


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS)
    return path


def test_only_the_thresholds_change(params):
    write_changes(params, tuning(has_person=0.31, keyboard=0.2).list_changes())
    expected = PARAMS.replace("has_person: 0.5 ", "has_person: 0.31").replace(
        "keyboard: 0.5", "keyboard: 0.2"
    )
    expected = expected.replace("classify:\n", "classify:\n  tuned_on: human_tune_half\n")
    # A longer value takes of the blanks before its comment; the parts that count are compared one by one.
    assert [line.split() for line in params.read_text().splitlines()] == [
        line.split() for line in expected.splitlines()
    ]
    untouched = [line for line in PARAMS.splitlines() if "has_person" not in line and "keyboard" not in line]
    assert [line for line in params.read_text().splitlines() if line in untouched] == untouched


def test_new_names_come_last_in_their_section(params):
    write_changes(params, tuning(has_text=0.2, has_animal=0.000012, mouse=0.7).list_changes())
    lines = params.read_text().splitlines()
    place = lines.index("    has_person: 0.5   # the best so far")
    assert lines[place + 1 : place + 4] == [
        "    has_animal: 1.2e-05",
        "    has_text: 0.2",
        "  object_threshold: {default: 0.5, keyboard: 0.5, mouse: 0.7}",
    ]
    assert lines[place + 4 : place + 7] == ["", "# how labels are held against truth", "evaluate:"]


def test_what_follows_a_section_stays_behind_it(params):
    params.write_text("classify:\n  object_threshold:\n    default: 0.5\n\n# next\nevaluate:\n  seed: 1\n")
    write_changes(params, tuning(drink=0.1, food=0.2).list_changes())
    assert params.read_text() == (
        "classify:\n  tuned_on: human_tune_half\n"
        "  object_threshold:\n    default: 0.5\n    drink: 0.1\n    food: 0.2\n\n"
        "# next\nevaluate:\n  seed: 1\n"
    )


def test_a_second_time_changes_nothing(params):
    write_changes(params, tuning(has_text=0.2, drink=0.1).list_changes())
    first = params.read_bytes()
    write_changes(params, tuning(has_text=0.2, drink=0.1).list_changes())
    assert params.read_bytes() == first


def test_missing_sections_are_made(params):
    params.write_text("use:\n  teacher: demo\n")
    write_changes(params, tuning(has_text=0.2, drink=0.1).list_changes())
    assert msgspec.yaml.decode(params.read_bytes()) == {
        "use": {"teacher": "demo"},
        "classify": {
            "tuned_on": "human_tune_half",
            "attribute_threshold": {"has_text": 0.2},
            "object_threshold": {"drink": 0.1},
        },
    }


def test_what_is_refused_is_not_written_and_uses_up_no_measured_photos(params):
    write_changes(params, tuning("would label all photos", has_text=0.2).list_changes())
    assert params.read_text() == PARAMS


def test_a_tuned_on_that_stands_there_is_replaced_in_its_place(params):
    params.write_text(PARAMS.replace("classify:\n", "classify:\n  tuned_on: none   # so far\n"))
    write_changes(params, tuning(has_text=0.2).list_changes())
    assert "classify:\n  tuned_on: human_tune_half # so far\n" in params.read_text()


def test_proposals_that_are_in_use_are_not_written(params):
    write_changes(params, tuning(has_person=0.5).list_changes())
    assert params.read_text() == PARAMS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "does not exist"),
        ("a: [", "is not YAML"),
        ("- 1\n", "not a mapping"),
        ("classify: 5\n", "classify is 5"),
        ("classify:\n  attribute_threshold: [1]\n", r"attribute_threshold is \[1\]"),
    ],
)
def test_a_file_that_cannot_be_changed_is_left_alone(params, text, message):
    if text is None:
        params.unlink()
    else:
        params.write_text(text)
    with pytest.raises(InputError, match=message):
        write_changes(params, tuning(has_text=0.2).list_changes())
    assert text is None or params.read_text() == text
