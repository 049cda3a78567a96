import msgspec
import pytest

from vibe_photos.annotate.prompt import build_question, fill_places, reply_schema
from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Taxonomy, Teacher


def test_the_words_stand_in_the_prompt(teacher: Teacher, taxonomy: Taxonomy) -> None:
    question = build_question(teacher, taxonomy)
    assert '"landscape", "snapshot", "people"' in question.user
    assert '"has_person", "has_text"' in question.user
    assert "{" not in question.user


def test_braces_that_are_no_places_stay(teacher: Teacher, taxonomy: Taxonomy) -> None:
    asked = msgspec.structs.replace(teacher, user_prompt='like {"scene": "food"} of {scenes} {}')
    assert build_question(asked, taxonomy).user.startswith('like {"scene": "food"} of "landscape"')


def test_words_are_not_searched_for_places() -> None:
    assert fill_places("{scenes}", {"scenes": "{objects}", "objects": "x"}) == "{objects}"


def test_an_unknown_place_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"user_prompt: \{colours\} is none of \{scenes\}"):
        fill_places("{colours}", {"scenes": "x"})


def test_the_schema_is_closed_enumerated_and_capped() -> None:
    schema = reply_schema(["food", "other"], ["has_text"], ["mug"])
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["scene", "has_text", "objects"]
    assert schema["properties"]["scene"]["enum"] == ["food", "other"]
    objects = schema["properties"]["objects"]
    assert objects["maxItems"] == 8
    assert objects["items"]["additionalProperties"] is False
    assert objects["items"]["properties"]["coarse_type"]["enum"] == ["mug"]
    assert objects["items"]["properties"]["name_free"]["maxLength"] == 80


def test_the_prompt_id_follows_everything_that_is_asked_but_the_model(
    teacher: Teacher, taxonomy: Taxonomy
) -> None:
    replace = msgspec.structs.replace
    first = build_question(teacher, taxonomy).prompt_id
    assert len(first) == 16
    assert build_question(replace(teacher, model="another"), taxonomy).prompt_id == first
    words = replace(taxonomy.vocabulary, scenes=[*taxonomy.vocabulary.scenes, "party"])
    others = [
        build_question(replace(teacher, system_prompt="x"), taxonomy),
        build_question(replace(teacher, user_prompt="{scenes}"), taxonomy),
        build_question(replace(teacher, response_format="json_object"), taxonomy),
        build_question(replace(teacher, image=replace(teacher.image, jpeg_quality=80)), taxonomy),
        build_question(replace(teacher, sampling=replace(teacher.sampling, max_tokens=7)), taxonomy),
        build_question(teacher, replace(taxonomy, vocabulary=words)),
    ]
    assert len({first, *(question.prompt_id for question in others)}) == 7


def test_a_given_prompt_id_is_taken(teacher: Teacher, taxonomy: Taxonomy) -> None:
    given = msgspec.structs.replace(teacher, prompt_id="imported")
    assert build_question(given, taxonomy).prompt_id == "imported"


def test_remapping_words_asks_the_same_question(teacher: Teacher, taxonomy: Taxonomy) -> None:
    remapped = msgspec.structs.replace(taxonomy, objects={"mug": "object.drink"}, scenes={})
    assert build_question(teacher, remapped).prompt_id == build_question(teacher, taxonomy).prompt_id
