"""What a teacher is asked: the prompt, the JSON schema of its reply, and the id of both."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import xxhash

from vibe_photos.errors import ConfigurationError
from vibe_photos.settings import Sampling, SentImage, Taxonomy, Teacher

MAX_OBJECTS = 8
"""Objects a reply may name; as many as the prompt asks for."""

MAX_NAME_LENGTH = 80
"""Characters of an object's free name."""

CUT_REPLY_FACTOR = 2
"""A reply that broke off at `max_tokens` is asked for once more with this times as many."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything that is asked of a teacher about every photo, bar the photo.

    `schema` is the JSON schema of the reply, `response_format` whether the server is to enforce it.
    `prompt_id` names the question as configured: it is the same when a server that cannot enforce a
    schema is asked for any JSON object, and when a reply that broke off is asked for with a larger cap.
    """

    system: str
    user: str
    schema: dict[str, Any]
    response_format: str
    image: SentImage
    sampling: Sampling
    prompt_id: str


def build_question(teacher: Teacher, taxonomy: Taxonomy) -> Question:
    """Lay the taxonomy's words into the prompt and the schema.

    Raises:
        ConfigurationError: the prompt names a place that there is no list of words for.
    """
    vocabulary = taxonomy.vocabulary
    words = {"scenes": vocabulary.scenes, "attributes": vocabulary.attributes, "objects": vocabulary.objects}
    user = fill_places(teacher.user_prompt, {name: _quote(listed) for name, listed in words.items()})
    schema = reply_schema(vocabulary.scenes, vocabulary.attributes, vocabulary.objects)
    asked = {
        "system": teacher.system_prompt,
        "user": user,
        "schema": schema,
        "response_format": teacher.response_format,
        "image": msgspec.to_builtins(teacher.image),
        "sampling": msgspec.to_builtins(teacher.sampling),
    }
    return Question(
        system=teacher.system_prompt,
        user=user,
        schema=schema,
        response_format=teacher.response_format,
        image=teacher.image,
        sampling=teacher.sampling,
        prompt_id=teacher.prompt_id or hash_question(asked),
    )


def reply_schema(scenes: list[str], attributes: list[str], objects: list[str]) -> dict[str, Any]:
    """Return the JSON schema that a reply follows: closed, with enumerated words and capped lengths."""
    named_object = _closed_object(
        {
            "name_free": {"type": "string", "maxLength": MAX_NAME_LENGTH},
            "coarse_type": {"type": "string", "enum": objects},
            "is_main": {"type": "boolean"},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
        }
    )
    return _closed_object(
        {
            "scene": {"type": "string", "enum": scenes},
            **{attribute: {"type": "boolean"} for attribute in attributes},
            "objects": {"type": "array", "maxItems": MAX_OBJECTS, "items": named_object},
        }
    )


def fill_places(template: str, words: dict[str, str]) -> str:
    """Put `words[name]` where the template says `{name}`; braces around anything but a name stay.

    Raises:
        ConfigurationError: a `{name}` is not among the words.
    """

    def fill(match: re.Match[str]) -> str:
        if match[1] not in words:
            known = ", ".join(f"{{{name}}}" for name in words)
            raise ConfigurationError(f"teacher.user_prompt: {match[0]} is none of {known}")
        return words[match[1]]

    return re.sub(r"\{([a-z_]+)\}", fill, template)


def hash_question(asked: dict[str, Any]) -> str:
    """Return 16 hex digits of xxh3_128 over canonical JSON (sorted keys, no spaces) of all that is asked."""
    canonical = msgspec.json.encode(asked, order="deterministic")
    return xxhash.xxh3_128_hexdigest(canonical)[:16]


def _closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _quote(words: list[str]) -> str:
    return ", ".join(f'"{word}"' for word in words)
