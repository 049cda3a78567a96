from vibe_photos.records.taxonomy import (
    HEADS,
    all_keys,
    describe_unknown_key,
    head_keys,
    label_name,
    parent_key,
    with_ancestors,
)


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
