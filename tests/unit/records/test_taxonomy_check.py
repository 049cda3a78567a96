"""Each edit that contradicts itself gets a sentence that names the key."""

import logging
import re

import msgspec
import pytest

from vibe_photos.records.taxonomy_check import find_contradictions, warn_unused
from vibe_photos.settings import Classify

CLASSIFY = Classify(
    attribute_threshold={"default": 0.5, "has_person": 0.4},
    object_threshold={"default": 0.5, "keyboard": 0.5},
    attribute_from_scene={"is_document": "scene.document"},
)
KEYBOARD = "object.electronics.peripheral.keyboard"


def edit(values, **sections):
    """Return plain sections with some entries changed; an entry that becomes None is taken out."""
    for section, entries in sections.items():
        if isinstance(entries, dict):
            changed = {**values[section], **entries}
            values[section] = {key: value for key, value in changed.items() if value is not None}
        else:
            values[section] = entries
    return values


def find(taxonomy, classify=None, **sections):
    edited = msgspec.convert(edit(msgspec.to_builtins(taxonomy), **sections), type(taxonomy))
    rules = msgspec.convert(edit(msgspec.to_builtins(CLASSIFY), **(classify or {})), Classify)
    return list(find_contradictions(edited, rules))


@pytest.mark.parametrize(
    ("edited", "key", "sentence"),
    [
        (
            {"attributes": {"has_person": None}},
            "classify.attribute_threshold.has_person",
            "no label has that",
        ),
        (
            {
                "attributes": {"has_person": "attr.has_people"},
                "renamed": {"attr.has_person": "attr.has_people"},
            },
            "classify.attribute_threshold.has_person",
            "no label has that name: it was renamed to has_people",
        ),
        (
            {"objects": {"keyboard": None}, "removed": [KEYBOARD]},
            "classify.object_threshold.keyboard",
            "no label has that name: it was removed; remove this line",
        ),
        (
            {"scenes": {"document": None}},
            "classify.attribute_from_scene.is_document",
            "'scene.document' is not a scene key",
        ),
        (
            {"scenes": {"document": "scene.paper"}, "renamed": {"scene.document": "scene.paper"}},
            "classify.attribute_from_scene.is_document",
            "it was renamed to scene.paper",
        ),
        (
            {"attributes": {"is_document": None}},
            "classify.attribute_from_scene.is_document",
            "no label has that name; valid are has_animal",
        ),
        (
            {"scenes": {"Animals": "scene.animals"}},
            "taxonomy.scenes.Animals",
            "can never match.*write animals",
        ),
        (
            {"objects": {" drink ": "object.drink"}},
            "taxonomy.objects. drink ",
            "can never match.*write drink",
        ),
        ({"attributes": {"has_text ": "attr.has_text"}}, "taxonomy.attributes.has_text ", "write has_text"),
        ({"objects": {"": "object.drink"}}, "taxonomy.objects.", "can never match"),
        (
            {"objects": {"usb_hub": "object.hub"}},
            "taxonomy.objects.usb_hub",
            "object.hub and object.electronics.peripheral.hub have one short name, hub",
        ),
        ({"objects": {"any": "object.default"}}, "taxonomy.objects.any", "the short name default"),
        ({"scenes": {"food": "attr.food"}}, "taxonomy.scenes.food", "'attr.food' is not a key of a scene"),
        (
            {"attributes": {"has_text": "scene.text"}},
            "taxonomy.attributes.has_text",
            "not a key of an attribute",
        ),
        (
            {"objects": {"drink": "attr.drink"}},
            "taxonomy.objects.drink",
            "'attr.drink' is not a key of an object",
        ),
        ({"objects": {"drink": "object.soft drink"}}, "taxonomy.objects.drink", "without spaces"),
        ({"other_scene": "other"}, "taxonomy.other_scene", "'other' is not a key of a scene"),
        ({"renamed": {"object.drink": "object.food"}}, "taxonomy.renamed.object.drink", "is still a label"),
        ({"removed": ["object.drink"]}, "taxonomy.removed.0", "object.drink is still a label"),
        (
            {"renamed": {"object.tea": "object.drnk"}},
            "taxonomy.renamed.object.tea",
            "did you mean object.drink",
        ),
        (
            {"renamed": {"object.tea": "scene.food"}},
            "taxonomy.renamed.object.tea",
            "is not a key of an object",
        ),
        ({"renamed": {"tea": "object.drink"}}, "taxonomy.renamed.tea", "'tea' is not a label key"),
        ({"removed": ["tea"]}, "taxonomy.removed.0", "'tea' is not a label key"),
        ({"removed": ["object.tea", "object.tea"]}, "taxonomy.removed.0", "is listed twice"),
        (
            {"renamed": {"object.tea": "object.cup", "object.cup": "object.tea"}},
            "taxonomy.renamed.object.tea",
            "leads back to itself",
        ),
        (
            {"renamed": {"object.tea": "object.drink"}, "removed": ["object.tea"]},
            "taxonomy.renamed.object.tea",
            "is also in taxonomy.removed",
        ),
    ],
)
def test_an_edit_that_contradicts_itself_is_told(taxonomy, edited, key, sentence):
    found = dict(find(taxonomy, **edited))
    assert key in found
    assert re.search(sentence, found[key]), found[key]


def test_without_a_default_threshold(taxonomy):
    found = dict(find(taxonomy, classify={"object_threshold": {"default": None}}))
    assert "missing" in found["classify.object_threshold.default"]


@pytest.mark.parametrize(
    "edited",
    [
        {},
        {"objects": {"drink": "object.beverage"}, "renamed": {"object.drink": "object.beverage"}},
        {"objects": {"drink": None}, "removed": ["object.drink"]},
        {"objects": {"drink": None}, "renamed": {"object.tea": "object.drink"}, "removed": ["object.drink"]},
        {"objects": {"tea": "object.drink.tea"}},
        {"attributes": {"hasPet": "attr.has_pet"}},
    ],
)
def test_adding_renaming_and_removing_a_label_is_allowed(taxonomy, edited):
    assert find(taxonomy, **edited) == []


def test_what_has_no_effect_is_logged(taxonomy, caplog):
    values = edit(msgspec.to_builtins(taxonomy), objects={"keybord": KEYBOARD, "drink": "object.beverage"})
    with caplog.at_level(logging.WARNING):
        warn_unused(taxonomy)
        assert caplog.text == ""
        warn_unused(msgspec.convert(values, type(taxonomy)))
    assert "taxonomy.objects: the teacher is not offered the words keybord" in caplog.text
    assert "taxonomy.prompts.object.drink: no object has that name" in caplog.text


def test_a_label_without_a_definition_is_a_sentence_and_a_definition_of_nothing_too(taxonomy, caplog):
    values = edit(
        msgspec.to_builtins(taxonomy),
        objects={"bicycle": "object.vehicle.bicycle"},
        definitions={"scene.fodo": {"name": "Food"}, "scene.food": {"name": "Food"}},
    )
    values["vocabulary"]["objects"].append("bicycle")
    with caplog.at_level(logging.WARNING):
        warn_unused(msgspec.convert(values, type(taxonomy)))
    assert "taxonomy.definitions: unknown label key 'scene.fodo'; did you mean scene.food" in caplog.text
    assert "object.vehicle.bicycle, scene.food has no definition; add a name" in caplog.text
