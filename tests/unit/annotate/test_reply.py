from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vibe_photos.annotate.reply import (
    MAX_LISTED,
    MAX_TEXT_LENGTH,
    UnusableReply,
    clean_annotation,
    explain_cut,
    is_repetitive,
    parse_reply,
    read_reply,
)

PLAIN = '{"scene": "food", "has_text": false, "objects": [{"coarse_type": "mug", "confidence": 0.9}]}'
MEANT = {"scene": "food", "has_text": False, "objects": [{"coarse_type": "mug", "confidence": 0.9}]}


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"\n  {PLAIN}\n",
        f"```json\n{PLAIN}\n```",
        f"```\n{PLAIN}\n```\nI hope this helps {{}}!",
        f"Here is the annotation (a {{dict}}): {PLAIN}",
        f"<think>It has {{1, 2}} mugs.</think>{PLAIN}",
        f'Maybe {{"scene": "document"}}? No.\n</think>\n\n{PLAIN}',
        f'<think>{{"scene": "document"}}</think> or </think>{PLAIN}',
        f"[{PLAIN}]",
        f'{{"result": {PLAIN}}}',
    ],
)
def test_the_object_is_found(text: str) -> None:
    assert parse_reply(text) == MEANT


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t ", "empty"),
        ("I cannot see any photo.", "no JSON object"),
        ('{"colour": "red"}', "scene or objects"),
        ('{"scene": NaN}', "NaN"),
        ('{"scene": "food", "objects": [{"confidence": -Infinity}]}', "-Infinity"),
        ('{"scene": "food",' + " " * 500 + '"objects": []}', "whitespace"),
        ('<think>\n{"scene": "food"} is my', "still thinking"),
        ('{"scene": "food"} </think>', "no JSON object"),
        ('{"scene": "food"}' + "x" * 70_000, "longer"),
        ("{" * 5000, "no complete JSON object"),
        ('{"scene":' + "[" * 50_000, "no complete JSON object"),
        ('{"scene": ' + "9" * 5000 + "}", "no complete JSON object"),
    ],
)
def test_what_is_no_annotation_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UnusableReply, match=reason):
        parse_reply(text)


@pytest.mark.parametrize(
    ("text", "endless", "reason"),
    [
        ('{"scene":' + " \n" * 300, True, "disable_any_whitespace"),
        ('{"scene":' + "\n" * 250, True, "disable_any_whitespace"),
        ("!" * 700, True, "repeats itself without end"),
        ('{"scene": "' + "ab cd " * 150 + "ab", True, "repeats itself without end"),
        ("<think>\n" + "Let me look. " * 9, False, "still thinking"),
        ('{"scene": "food", "objects": [{"name', False, "maximum number of tokens"),
        ("", False, "maximum number of tokens"),
    ],
)
def test_why_a_reply_broke_off_is_seen_at_its_end(text: str, endless: bool, reason: str) -> None:
    assert is_repetitive(text) is endless
    assert reason in explain_cut(text)


@pytest.mark.parametrize(
    ("message", "finish_reason", "text", "problem"),
    [
        ({"content": [{"type": "text", "text": "{}"}, {"type": "x"}, {"text": "!"}]}, "stop", "{}!", None),
        ({"content": None, "reasoning_content": PLAIN}, "stop", "", "--reasoning-parser"),
        ({"content": "", "reasoning": "Well"}, "length", "", "--reasoning-parser"),
        ({"content": PLAIN, "reasoning": "Well"}, "stop", PLAIN, None),
        ({"content": None, "refusal": "I can't."}, "stop", "", "the model refused: I can't."),
        ({"content": ""}, "content_filter", "", "content filter"),
        ({"content": None}, "stop", "", None),
    ],
)
def test_a_reply_without_an_answer_says_why(
    message: dict[str, object], finish_reason: str, text: str, problem: str | None
) -> None:
    completion = {"choices": [{"message": message, "finish_reason": finish_reason}], "model": "a/b"}
    reply = read_reply(msgspec.json.encode(completion))
    assert (reply.text, reply.model) == (text, "a/b")
    assert (problem or "") in (reply.problem or "")
    assert bool(problem) == bool(reply.problem)


def test_a_reply_cut_at_every_byte_is_never_taken_for_a_smaller_one() -> None:
    for length in range(len(PLAIN)):
        with pytest.raises(UnusableReply):
            parse_reply(PLAIN[:length])


def test_fields_are_kept_as_said_where_they_are_plain() -> None:
    said = {
        "scene": 3,
        "has_person": "yes",
        "has_text": None,
        "has_car": True,
        "is_document": [True],
        "objects": [{"coarse_type": "Mug ", "is_main": "true", "confidence": "high"}, "mug", 7],
    }
    assert clean_annotation(said) == {
        "scene": 3,
        "has_person": "yes",
        "has_text": None,
        "has_car": True,
        "is_document": None,
        "objects": [{"coarse_type": "Mug ", "is_main": "true", "confidence": "high"}],
    }


def test_lengths_are_capped() -> None:
    kept = clean_annotation({"scene": "x" * 999, "objects": [{"name_free": "y" * 999}] * 100, "n": 10**30})
    assert len(kept["scene"]) == MAX_TEXT_LENGTH
    assert len(kept["objects"]) == MAX_LISTED
    assert len(kept["objects"][0]["name_free"]) == MAX_TEXT_LENGTH
    assert kept["n"] is None


def test_objects_that_are_no_list_become_null() -> None:
    assert clean_annotation({"scene": "food", "objects": {"coarse_type": "mug"}})["objects"] is None


def test_half_a_surrogate_pair_does_not_break_the_file() -> None:
    kept = parse_reply('{"scene": "\\ud83d food"}')
    assert kept["scene"] == "? food"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["scene", "objects", "has_person", "x"]), JSON))
def test_whatever_is_said_can_be_written_or_is_refused(said: dict[str, object]) -> None:
    try:
        kept = clean_annotation(said)
    except UnusableReply:
        return
    assert msgspec.json.decode(msgspec.json.encode(kept)) == kept


@given(st.text() | st.text(alphabet='{}[]":,scenefod 01.\\'))
def test_no_text_raises_anything_else(text: str) -> None:
    with suppress(UnusableReply):
        parse_reply(text)
