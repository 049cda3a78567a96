import msgspec
import pytest

from vibe_photos.records.taxonomy import (
    HEADS,
    all_keys,
    define_words,
    describe_unknown_key,
    head_keys,
    label_name,
    parent_key,
    show_meaning,
    show_name,
    shown_names,
    with_ancestors,
)
from vibe_photos.settings import Definition


def define(taxonomy, **changes):
    return msgspec.structs.replace(taxonomy, **changes)


def test_the_contract_names_nine_scenes(taxonomy):
    names = {"animals", "document", "food", "landscape", "other"}
    names |= {"people", "product", "screenshot", "snapshot"}
    assert head_keys(taxonomy, "scene") == sorted(f"scene.{name}" for name in names)


def test_every_word_with_a_key_is_offered_to_the_teacher(taxonomy):
    assert set(taxonomy.scenes) == set(taxonomy.vocabulary.scenes)
    assert set(taxonomy.attributes) == set(taxonomy.vocabulary.attributes)
    assert set(taxonomy.vocabulary.objects) - set(taxonomy.objects) == {"other_object", "unknown"}


def test_short_names_are_unique_within_a_head_because_thresholds_are_named_by_them(taxonomy):
    for head in HEADS:
        keys = head_keys(taxonomy, head)
        assert len({label_name(key) for key in keys}) == len(keys)


def test_every_label_has_a_prompt(taxonomy):
    for head in HEADS:
        assert set(getattr(taxonomy.prompts, head)) == {label_name(key) for key in head_keys(taxonomy, head)}


def test_a_parent_is_the_nearest_key_above(taxonomy):
    keys = all_keys(taxonomy)
    assert parent_key("object.electronics.peripheral.mouse", keys) == "object.electronics"
    assert parent_key("object.electronics.console.controller", keys) == "object.electronics.console"
    assert parent_key("object.electronics", keys) is None
    assert parent_key("scene.food", keys) is None


def test_ancestors_are_added_and_the_keys_themselves_kept(taxonomy):
    assert with_ancestors(["object.electronics.console.controller", "object.drink"], all_keys(taxonomy)) == {
        "object.electronics.console.controller",
        "object.electronics.console",
        "object.electronics",
        "object.drink",
    }


def test_an_unknown_key_is_named_with_its_neighbours(taxonomy):
    assert "did you mean scene.food" in describe_unknown_key("scene.fodo", taxonomy)
    assert "conf/taxonomy/" in describe_unknown_key("zzz", taxonomy)


def test_every_label_has_a_name_and_one_sentence_that_also_says_what_it_is_not(taxonomy):
    assert set(taxonomy.definitions) == set(all_keys(taxonomy))
    for key in all_keys(taxonomy):
        assert show_name(key, taxonomy), key
        assert show_meaning(key, taxonomy).count(".") == 1, key
        assert show_meaning(key, taxonomy).endswith("."), key
    for head in HEADS:  # two labels of one level with one name could not be told apart
        names = [show_name(key, taxonomy) for key in head_keys(taxonomy, head)]
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("attr.has_old_car", "Old car"),
        ("attr.is_document", "Document"),
        ("object.electronics.mini_pc", "Mini pc"),
        ("scene.is_odd", "Is odd"),
    ],
)
def test_a_label_without_a_definition_is_called_by_its_short_name(taxonomy, key, name):
    bare = define(taxonomy, definitions={"scene.food": Definition(means="Food.")})
    assert show_name(key, bare) == name
    assert show_name("scene.food", bare) == "Food"
    assert show_meaning(key, bare) == ""


def test_a_short_name_and_its_absence_have_names_for_people(taxonomy):
    shown = shown_names(taxonomy, "attribute")
    assert shown["has_animal"] == "Animal"
    assert shown["not has_animal"] == "no Animal"
    assert shown_names(taxonomy, "object")["no hub"] == "no USB hub"


def test_words_of_one_label_are_defined_together_and_a_renamed_label_changes_nothing(taxonomy):
    told = define_words(taxonomy).splitlines()
    assert f"- people, selfie: {show_meaning('scene.people', taxonomy)}" in told
    assert f"- has_text: {show_meaning('attr.has_text', taxonomy)}" in told
    assert not any("other_object" in line for line in told), "this word has no label"
    renamed = define(
        taxonomy,
        scenes={**taxonomy.scenes, "animals": "scene.wildlife"},
        definitions={**taxonomy.definitions, "scene.wildlife": taxonomy.definitions["scene.animals"]},
    )
    assert define_words(renamed) == define_words(taxonomy)
