"""What a server says about a photo: from its HTTP body to the reply's text, and from that to an annotation.

A reply comes from outside, and text inside a photo may have led the model astray. Small plain values are
kept as they are; what they mean is decided later, by the stage `convert`:

- the text has at most `MAX_REPLY_LENGTH` characters and no run of `MAX_WHITESPACE` blanks;
- the annotation is the first JSON object in it with a `scene` or `objects`: alone, fenced, or after prose;
- `NaN` or `Infinity` in it makes the reply unusable (they are no JSON);
- a string is cut at `MAX_TEXT_LENGTH`; a number too large for 64 bits, and a list or object where a plain
  value belongs, become null;
- of `objects` the first `MAX_LISTED` items that are JSON objects are kept; `objects` that is no list
  becomes null.
"""

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from vibe_photos.errors import VibePhotosError
from vibe_photos.records.ground_truth import Annotation

MAX_REPLY_LENGTH = 65_536
MAX_WHITESPACE = 400
MAX_TEXT_LENGTH = 200
MAX_LISTED = 32
MAX_FIELDS = 64

_MAX_CANDIDATES = 32
_MAX_ERROR_LENGTH = 300
_ENDLESS_WHITESPACE = re.compile(rf"\s{{{MAX_WHITESPACE}}}")


class UnusableReply(VibePhotosError):
    """Why a reply's text is no annotation; the message goes into `failures.jsonl`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered about one photo, its text not parsed yet.

    `usage` counts tokens (`prompt_tokens`, `completion_tokens`), `created_at` is the server's own clock in
    Unix seconds, `simulated` says that a replay server gave an answer that no model made.
    """

    text: str
    finish_reason: str | None
    usage: dict[str, int] | None
    created_at: int | None
    simulated: bool

    @property
    def tokens(self) -> int:
        """All tokens of prompt and reply, 0 where the server does not say."""
        usage = self.usage or {}
        return usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None
    created: Any = None
    simulated: bool = False


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]
    simulated: bool = False


def read_reply(content: bytes) -> Reply:
    """Read a chat completion.

    Raises:
        msgspec.MsgspecError: it is no chat completion, or has no choices.
    """
    completion = msgspec.json.decode(content, type=_Completion)
    if not completion.choices:
        raise msgspec.ValidationError("a chat completion without choices")
    choice, created, usage = completion.choices[0], completion.created, completion.usage
    counted = ("prompt_tokens", "completion_tokens", "total_tokens")
    return Reply(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason,
        usage={name: usage[name] for name in counted if type(usage.get(name)) is int}
        if isinstance(usage, dict)
        else None,
        created_at=int(created) if isinstance(created, (int, float)) else None,
        simulated=completion.simulated,
    )


def read_models(content: bytes) -> tuple[list[str], bool]:
    """Return the ids of the models that a server lists, and whether it replays simulated answers."""
    try:
        models = msgspec.json.decode(content, type=_Models)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [], False
    return [model.id for model in models.data], models.simulated


def read_error(content: bytes) -> str:
    """Return a short one-line text of an error response: its message where it has one."""
    text = content[: 16 * _MAX_ERROR_LENGTH].decode("utf-8", "replace")
    try:
        body = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        body = None
    if isinstance(body, dict):
        error = body.get("error", body)
        message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        text = message if isinstance(message, str) else text
    return " ".join(text.split())[:_MAX_ERROR_LENGTH] or "no message"


def parse_reply(text: str) -> Annotation:
    """Return the annotation that a reply's text holds.

    Raises:
        UnusableReply: it holds none.
    """
    if not text.strip():
        raise UnusableReply("the reply is empty")
    if len(text) > MAX_REPLY_LENGTH:
        raise UnusableReply(f"the reply is longer than {MAX_REPLY_LENGTH} characters")
    if _ENDLESS_WHITESPACE.search(text):
        raise UnusableReply("the reply trails off into whitespace")
    return clean_annotation(_find_annotation(text))


def clean_annotation(annotation: dict[str, Any]) -> Annotation:
    """Return an annotation with every value plain and capped (rules above).

    Raises:
        UnusableReply: it has neither a scene nor objects.
    """
    if not _is_annotation(annotation):
        raise UnusableReply("the reply has neither a scene nor objects")
    return {
        _cut(name): _clean_objects(value) if name == "objects" else _clean_value(value)
        for name, value in list(annotation.items())[:MAX_FIELDS]
    }


def _find_annotation(text: str) -> dict[str, Any]:
    """Take the whole text, else try every opening brace in turn: fences and prose around it fall away."""
    try:
        whole = msgspec.json.decode(text)
        if _is_annotation(whole):
            return dict(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    decoder = json.JSONDecoder(parse_constant=_refuse_constant)
    start, found = -1, "no JSON object"
    for _ in range(_MAX_CANDIDATES):
        start = text.find("{", start + 1)
        if start < 0:
            break
        try:
            candidate, _ = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            found = "no whole JSON object"
            continue
        if _is_annotation(candidate):
            return dict(candidate)
        found = "no JSON object with a scene or objects"
    raise UnusableReply(f"the reply holds {found}")


def _is_annotation(candidate: Any) -> bool:
    return isinstance(candidate, dict) and ("scene" in candidate or "objects" in candidate)


def _clean_objects(value: Any) -> list[Annotation] | None:
    if not isinstance(value, list):
        return None
    listed = [item for item in value if isinstance(item, dict)][:MAX_LISTED]
    return [
        {_cut(name): _clean_value(field) for name, field in list(item.items())[:MAX_FIELDS]}
        for item in listed
    ]


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return None


def _cut(text: str) -> str:
    """Cap a text, and replace half surrogate pairs, which no UTF-8 file can hold."""
    return text[:MAX_TEXT_LENGTH].encode("utf-8", "replace").decode("utf-8")


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableReply(f"the reply holds {name}, which is no JSON")
