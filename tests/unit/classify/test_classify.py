import logging

import msgspec
import numpy as np
import pytest
from tests.unit.stage_settings import settings_in

from vibe_photos.classify.stage import classify_photos, decide_labels
from vibe_photos.errors import ConfigurationError
from vibe_photos.records.label_tables import ScoreTable, read_labels, write_scores
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.settings import Classify, Temperatures

NAN = float("nan")
ELECTRONICS = "object.electronics"
KEYBOARD = "object.electronics.peripheral.keyboard"


def make_classify(attribute=None, object_=None, rules=None) -> Classify:
    return Classify(
        attribute_threshold={"default": 0.5, **(attribute or {})},
        object_threshold={"default": 0.5, **(object_ or {})},
        attribute_from_scene={"is_document": "scene.document"} if rules is None else rules,
    )


def said_by_heads(**probabilities: float) -> dict[str, tuple[float, bool]]:
    return {key.replace("__", "."): (value, True) for key, value in probabilities.items()}


def make_scores(said: dict[str, tuple[float, bool]]) -> ScoreTable:
    """One photo: each key's probability, and whether it is a head's (else a prompt's)."""
    keys = sorted(said)
    return ScoreTable(
        image_ids=["a"],
        keys=keys,
        head_logit=np.array([[0.0 if said[key][1] else NAN for key in keys]]),
        probability=np.array([[said[key][0] for key in keys]]),
        prompt_margin=np.array([[NAN if said[key][1] else 0.0 for key in keys]]),
    )


def decide(said, taxonomy, classify=None) -> dict[str, tuple[int, str, float, float | None]]:
    table = decide_labels(make_scores(said), taxonomy, classify or make_classify())
    return {
        key: (
            int(table.value[0, column]),
            table.source[key],
            float(table.score[0, column]),
            table.threshold[key],
        )
        for column, key in enumerate(table.keys)
    }


def test_a_temperature_moves_scores_and_no_scene(taxonomy):
    classify = msgspec.structs.replace(
        make_classify(), temperature=Temperatures(scene=0.5, attribute=2.0, object=0.5)
    )
    said = said_by_heads(scene__food=0.2, scene__document=0.8, attr__has_text=0.8, object__drink=0.2)
    labels = decide(said | {"scene.people": (0.9, False)}, taxonomy, classify)
    # Half the temperature squares the odds, twice the temperature takes their root: of 4 to 1.
    assert labels == {
        "attr.has_text": (1, "head", 0.666667, 0.5),
        "attr.is_document": (1, "rule", 0.941176, None),
        "object.drink": (0, "head", 0.058824, 0.5),
        "scene.document": (1, "head", 0.941176, None),
        "scene.food": (0, "head", 0.058824, None),
    }


def test_the_likeliest_scene_wins_however_small(taxonomy):
    labels = decide(said_by_heads(scene__food=0.3, scene__people=0.4, scene__other=0.3), taxonomy)
    assert labels == {
        "scene.food": (0, "head", 0.3, None),
        "scene.other": (0, "head", 0.3, None),
        "scene.people": (1, "head", 0.4, None),
    }


def test_thresholds_go_by_short_name_then_by_default_and_are_met_by_equality(taxonomy):
    labels = decide(
        said_by_heads(attr__has_person=0.6, attr__has_text=0.5, object__food=0.3, object__drink=0.3),
        taxonomy,
        make_classify(attribute={"has_person": 0.7}, object_={"food": 0.3, "default": 0.4}),
    )
    assert labels == {
        "attr.has_person": (0, "head", 0.6, 0.7),
        "attr.has_text": (1, "head", 0.5, 0.5),
        "object.drink": (0, "head", 0.3, 0.4),
        "object.food": (1, "head", 0.3, 0.3),
    }


def test_a_rule_overrides_the_attributes_own_head(taxonomy):
    labels = decide(
        said_by_heads(attr__is_document=0.1, scene__document=0.6, scene__food=0.4),
        taxonomy,
    )
    assert labels["attr.is_document"] == (1, "rule", 0.6, None)
    labels = decide(
        said_by_heads(attr__is_document=0.9, scene__document=0.4, scene__food=0.6),
        taxonomy,
    )
    assert labels["attr.is_document"] == (0, "rule", 0.4, None)


def test_a_rule_whose_scene_has_no_score_judges_nothing(taxonomy):
    labels = decide(said_by_heads(attr__is_document=0.9, scene__food=1.0), taxonomy)
    assert "attr.is_document" not in labels


def test_a_present_object_makes_its_ancestors_present_and_keeps_their_scores(taxonomy):
    labels = decide({ELECTRONICS: (0.2, True), KEYBOARD: (0.8, True)}, taxonomy)
    assert labels[ELECTRONICS] == (1, "head", 0.2, 0.5)
    labels = decide({ELECTRONICS: (0.8, True), KEYBOARD: (0.2, True)}, taxonomy)
    assert labels[KEYBOARD] == (0, "head", 0.2, 0.5)


def test_presence_climbs_over_several_steps_and_over_keys_without_a_score(taxonomy):
    console, controller = "object.electronics.console", "object.electronics.console.controller"
    for said in (
        {ELECTRONICS: (0.1, True), console: (0.1, True), controller: (0.9, True)},
        {ELECTRONICS: (0.1, True), controller: (0.9, True)},
    ):
        assert all(value == 1 for value, *_ in decide(said, taxonomy).values())


def test_prompts_speak_where_no_head_does(taxonomy):
    labels = decide({"attr.has_text": (0.9, False), "attr.has_person": (0.9, True)}, taxonomy)
    assert labels["attr.has_text"] == (1, "prompt", 0.9, 0.5)
    assert labels["attr.has_person"][1] == "head"


def test_learnt_scenes_are_not_compared_with_prompted_ones(taxonomy):
    labels = decide({"scene.food": (0.2, True), "scene.people": (0.9, False)}, taxonomy)
    assert labels == {"scene.food": (1, "head", 0.2, None)}
    labels = decide({"scene.food": (0.2, False), "scene.people": (0.8, False)}, taxonomy)
    assert labels["scene.people"] == (1, "prompt", 0.8, None)


def test_the_stage_writes_what_thresholds_and_rules_decide(tmp_path, taxonomy):
    classify = make_classify({"has_person": 0.7}, {"default": 0.4}, {"is_document": "scene.food"})
    settings = settings_in(tmp_path, taxonomy=taxonomy, classify=classify)
    scores = {"attr.has_person": 0.7, "attr.has_text": 0.499999, "attr.is_document": 0.1, KEYBOARD: 0.4}
    said = {key: (value, True) for key, value in scores.items()}
    said |= said_by_heads(
        scene__food=0.6, scene__document=0.4, object__electronics=0.1, object__food=0.399999
    )
    write_scores(settings.paths.probabilities, make_scores(said))
    classify_photos(settings)
    table = read_labels(settings.paths.labels)
    assert dict(zip(table.keys, table.value[0].tolist(), strict=True)) == {
        "attr.has_person": 1,
        "attr.has_text": 0,
        "attr.is_document": 1,
        "object.electronics": 1,
        KEYBOARD: 1,
        "object.food": 0,
        "scene.document": 0,
        "scene.food": 1,
    }
    assert table.source["attr.is_document"] == "rule"


def test_labels_with_neither_head_nor_prompt_are_not_judged_and_named(tmp_path, taxonomy, caplog):
    settings = settings_in(tmp_path, taxonomy=taxonomy, classify=make_classify())
    write_scores(settings.paths.probabilities, make_scores(said_by_heads(scene__food=1.0)))
    with caplog.at_level(logging.INFO):
        classify_photos(settings)
    assert read_labels(settings.paths.labels).keys == ["scene.food"]
    assert "attr.has_person" in caplog.text


@pytest.mark.parametrize(
    ("classify", "complaint"),
    [
        (make_classify(object_={"keybord": 0.5}), r"classify\.object_threshold\.keybord.*keyboard"),
        (
            make_classify(attribute={"has_persn": 0.5}),
            r"classify\.attribute_threshold\.has_persn.*has_person",
        ),
        (make_classify(rules={"is_dokument": "scene.document"}), r"attribute_from_scene\.is_dokument"),
        (
            make_classify(rules={"is_document": "scene.documnt"}),
            r"is_document: 'scene\.documnt'.*scene\.document",
        ),
        (
            Classify(attribute_threshold={}, object_threshold={"default": 0.5}, attribute_from_scene={}),
            r"classify\.attribute_threshold\.default: is missing",
        ),
    ],
)
def test_names_that_do_not_exist_are_refused_with_the_nearest_that_do(taxonomy, classify, complaint):
    with pytest.raises(ConfigurationError, match=complaint):
        check_names(taxonomy, classify)


def test_the_names_in_the_repository_exist(taxonomy):
    check_names(taxonomy, make_classify({"has_person": 0.5}, {"keyboard": 0.5}))
