"""The question to the teacher: prompt, JSON schema of the reply, the photo as JPEG, and the request body."""

import base64
import math
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import orjson
import xxhash

from vibe_photos.errors import ConfigurationError
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.records.taxonomy import define_words
from vibe_photos.settings import Sampling, SentImage, Taxonomy, Teacher

MAX_OBJECTS = 8
"""Maximum number of objects in a reply; the prompt asks for as many."""

MAX_NAME_LENGTH = 80
"""Maximum number of characters in an object's free name."""


@dataclass(frozen=True, slots=True)
class Question:
    """Everything in a request to the teacher except the photo; the same for all photos.

    `schema` is the JSON schema of the reply, `response_format` how far the server should enforce it.
    `prompt_id` identifies the configured question. It does not change when a server that cannot enforce a
    schema is asked for any JSON object, or when a cut-off reply is requested again with more `max_tokens`.
    """

    system: str
    user: str
    schema: dict[str, Any]
    response_format: str
    image: SentImage
    sampling: Sampling
    prompt_id: str


def build_question(teacher: Teacher, taxonomy: Taxonomy) -> Question:
    """Build the prompt and the schema from the taxonomy's vocabulary, and its definitions if they are told.

    Raises:
        ConfigurationError: the prompt has a placeholder `{name}` without a list of words.
    """
    vocabulary = taxonomy.vocabulary
    words = {"scenes": vocabulary.scenes, "attributes": vocabulary.attributes, "objects": vocabulary.objects}
    quoted = {name: ", ".join(f'"{word}"' for word in listed) for name, listed in words.items()}
    user = fill_placeholders(teacher.user_prompt, quoted)
    if teacher.definitions:
        user += f"\n{define_words(taxonomy)}"
    schema = reply_schema(vocabulary.scenes, vocabulary.attributes, vocabulary.objects)
    asked = {
        "system": teacher.system_prompt,
        "user": user,
        "schema": schema,
        "response_format": teacher.response_format,
        "image": msgspec.to_builtins(teacher.image),
        "sampling": msgspec.to_builtins(teacher.sampling),
    }
    canonical = msgspec.json.encode(asked, order="deterministic")  # sorted keys, no spaces
    return Question(
        system=teacher.system_prompt,
        user=user,
        schema=schema,
        response_format=teacher.response_format,
        image=teacher.image,
        sampling=teacher.sampling,
        prompt_id=teacher.prompt_id or xxhash.xxh3_128_hexdigest(canonical)[:16],
    )


def reply_schema(scenes: list[str], attributes: list[str], objects: list[str]) -> dict[str, Any]:
    """Return the JSON schema of a reply: no additional properties, enumerated words, limited lengths."""
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


def fill_placeholders(template: str, words: dict[str, str]) -> str:
    """Replace each `{name}` in the template by `words[name]`; other braces are kept.

    Raises:
        ConfigurationError: a `{name}` is not among the words.
    """

    def fill(match: re.Match[str]) -> str:
        if match[1] not in words:
            known = ", ".join(f"{{{name}}}" for name in words)
            raise ConfigurationError(f"teacher.user_prompt: {match[0]} is not one of {known}")
        return words[match[1]]

    return re.sub(r"\{([a-z_]+)\}", fill, template)


def prepare_jpeg(path: Path, image: SentImage, max_pixels: int) -> bytes:
    """Return the photo as the baseline JPEG that is sent to the teacher.

    Upright, sRGB, at most `image.max_edge_px` long and `image.max_pixels` large, never enlarged, with no
    metadata of any kind. The same file gives the same bytes.

    Raises:
        DecodeError: the file cannot be decoded as a photo, or has more than `max_pixels`.
    """
    sent_size = (0, 0)

    def needed_size(width: int, height: int) -> tuple[int, int]:
        nonlocal sent_size
        sent_size = fit_size(width, height, image)
        return sent_size

    decoded = decode_photo(path, max_pixels=max_pixels, needed_size=needed_size)
    if sent_size == (0, 0):  # the decoder did not call `needed_size`: the photo has its full size
        sent_size = fit_size(*decoded.size, image)
    sent = resize(resize(decoded, (decoded.width, sent_size[1])), sent_size)  # rows first is faster
    sent.info = {}  # Pillow writes a comment, XMP or DPI that it finds here into the file
    jpeg = BytesIO()
    sent.save(jpeg, "JPEG", quality=image.jpeg_quality)
    return jpeg.getvalue()


def fit_size(width: int, height: int, image: SentImage) -> tuple[int, int]:
    """Return the size in pixels at which a photo of this size is sent."""
    scale = min(1.0, image.max_edge_px / max(width, height), math.sqrt(image.max_pixels / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def data_url(jpeg: bytes) -> str:
    """Return the JPEG as a data URL."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def request_body(
    question: Question, model: str, image_url: str, *, response_format: str, max_tokens: int
) -> bytes:
    """Return the JSON body of a chat completion request about one photo.

    `response_format` is `json_schema`, `json_object` or `text`: how far the server should enforce the schema.
    """
    content = [
        {"type": "image_url", "image_url": {"url": image_url}},
        {"type": "text", "text": question.user},
    ]
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": question.system},
            {"role": "user", "content": content},
        ],
        "temperature": question.sampling.temperature,
        "max_tokens": max_tokens,
    }
    if response_format == "json_schema":
        schema = {"name": "photo_annotation", "strict": True, "schema": question.schema}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif response_format == "json_object":
        body["response_format"] = {"type": "json_object"}
    if question.sampling.seed is not None:
        body["seed"] = question.sampling.seed
    return orjson.dumps(body)


def _closed_object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
