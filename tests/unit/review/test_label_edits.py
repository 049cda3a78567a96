"""What the page makes of a partial decision; its script `labels.js` is run by node."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")
RULES = [{"key": "attr.is_document", "rule_scene": "scene.document"}, {"key": "attr.has_text"}]
TEACHER = {
    "scene": "scene.document",
    "attributes": {"attr.is_document": True, "attr.has_text": True},
    "objects": ["object.food"],
    "proposed": [],
}
UNJUDGED = {"scene": None, "attributes": {}, "objects": None, "proposed": []}

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


def call(repository: Path, function: str, *arguments: object) -> Any:
    script = (repository / "src/vibe_photos/review/static/labels.js").read_text(encoding="utf-8")
    script += f"\nprocess.stdout.write(JSON.stringify({function}(...{json.dumps(arguments)})));"
    done = subprocess.run(
        [str(NODE), "--input-type=module"], input=script, capture_output=True, check=True, encoding="utf-8"
    )
    return json.loads(done.stdout)


def test_what_the_grid_set_alone_is_filled_in_with_what_the_teacher_says_otherwise(repository: Path) -> None:
    """The teacher's attribute followed its scene by rule, so it follows the person's."""
    person = {**UNJUDGED, "scene": "scene.food"}
    filled = {
        **TEACHER,
        "scene": "scene.food",
        "attributes": {"attr.is_document": False, "attr.has_text": True},
    }
    assert call(repository, "fillIn", person, TEACHER, RULES) == filled
    person = {**UNJUDGED, "attributes": {"attr.has_text": False}}
    filled = {**TEACHER, "attributes": {"attr.is_document": True, "attr.has_text": False}}
    assert call(repository, "fillIn", person, TEACHER, RULES) == filled
    whole = {**UNJUDGED, "scene": "scene.food", "objects": []}
    assert call(repository, "fillIn", whole, TEACHER, RULES) == whole


def test_a_label_set_on_a_photo_that_teaches_says_nothing_of_the_others(repository: Path) -> None:
    item = {"purpose": "teach", "teacher": TEACHER, "people": None}
    for key, changed in (
        ("scene.food", {"scene": "scene.food"}),
        ("attr.has_text", {"attributes": {"attr.has_text": False}}),
        ("object.drink", {"objects": ["object.food"]}),
    ):
        assert call(repository, "setLabel", item, key, False, RULES) == {**UNJUDGED, **changed}
    people = {
        "scene": "scene.food",
        "attributes": {"attr.has_text": False},
        "objects": [],
        "proposed": ["tent"],
    }
    decided = {**item, "people": people}
    now = {**people, "attributes": {"attr.has_text": True}}
    assert call(repository, "setLabel", decided, "attr.has_text", True, RULES) == now


@pytest.mark.parametrize("purpose", ["teach", "measure"])
def test_the_teachers_scene_is_confirmed_without_what_people_corrected(
    repository: Path, purpose: str
) -> None:
    people = {
        "scene": "scene.food",
        "attributes": {"attr.has_text": False},
        "objects": [],
        "proposed": ["tent"],
    }
    item = {"purpose": purpose, "teacher": TEACHER, "people": people}
    now = {**people, "scene": "scene.document"}
    assert call(repository, "confirmLabel", item, "teacher", "scene", RULES) == now
    alone = TEACHER if purpose == "measure" else {**UNJUDGED, "scene": "scene.document"}
    new = {**item, "people": None}
    assert call(repository, "confirmLabel", new, "teacher", "scene", RULES) == alone
