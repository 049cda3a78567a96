"""Parse a server's response: from the HTTP body to the reply's text, and from that to an annotation.

A reply is untrusted input, and text inside a photo can mislead the model (prompt injection). Small plain
values are kept unchanged; the stage `convert` maps them to labels later:

- the text has at most `MAX_REPLY_LENGTH` characters and no run of `MAX_WHITESPACE` white-space characters;
- everything up to the last `</think>` is the model's reasoning, and dropped;
- the annotation is the first JSON object in the rest with a `scene` or `objects`: alone, fenced, after prose;
- `NaN` or `Infinity` in it makes the reply unusable (they are not JSON);
- a string is cut at `MAX_TEXT_LENGTH`; a number too large for 64 bits, and a list or object in place of a
  plain value, become null;
- of `objects` the first `MAX_LISTED` items that are JSON objects are kept; if `objects` is not a
  list, it becomes null.
"""

import json
import math
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from vibe_photos.errors import VibePhotosError
from vibe_photos.records.ground_truth import Annotation

MAX_REPLY_LENGTH = 65_536
MAX_WHITESPACE = 200
MIN_REPEATS = 100
"""A reply that ends in this many repeats of a few characters would never have ended."""

MAX_TEXT_LENGTH = 200
MAX_LISTED = 32
MAX_FIELDS = 64

_MAX_CANDIDATES = 32
_MAX_ERROR_LENGTH = 300
_ENDLESS_WHITESPACE = re.compile(rf"\s{{{MAX_WHITESPACE}}}")
_ENDLESS_REPEATS = re.compile(rf"(.{{1,8}}?)\1{{{MIN_REPEATS - 1},}}.{{0,8}}\Z", re.DOTALL)
_ENDLESS_WHITESPACE_HINT = (
    "the reply ends in endless white space. With vLLM: "
    """--structured-outputs-config '{"backend":"xgrammar","disable_any_whitespace":true}'"""
)
_NOT_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_THINKING_HINT = (
    "the reply ended while the model was still thinking. Ask an Instruct model, switch thinking off, or "
    "raise teacher.sampling.max_tokens"
)


class UnusableReply(VibePhotosError):
    """A reply's text has no annotation; the message says why and goes into `failures.jsonl`."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply about one photo, its text not parsed yet.

    `usage` counts tokens (`prompt_tokens`, `completion_tokens`), `created_at` is the server's clock in Unix
    seconds, `simulated` is true if a replay server gave an answer that no model made, `model` is the model
    that the server names, and `problem` is why a complete reply has no answer.
    """

    text: str
    finish_reason: str | None
    usage: dict[str, int] | None
    created_at: int | None
    simulated: bool
    model: str | None = None
    problem: str | None = None


class NoCompletion(VibePhotosError):
    """A response is not a chat completion, for a reason that may be temporary."""


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    refusal: Any = None
    reasoning: Any = None
    reasoning_content: Any = None

    @property
    def text(self) -> str:
        """The reply's text, also if a gateway split it into parts."""
        if isinstance(self.content, list):
            parts = [part.get("text") for part in self.content if isinstance(part, dict)]
            return "".join(part for part in parts if isinstance(part, str))
        return self.content or ""


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None
    created: Any = None
    model: Any = None
    simulated: bool = False


class _Model(msgspec.Struct):
    id: str


class _Models(msgspec.Struct):
    data: list[_Model]
    simulated: bool = False


def read_reply(content: bytes) -> Reply:
    """Read a chat completion. Raises NoCompletion: it is not one, or has no choices."""
    try:
        completion = msgspec.json.decode(content, type=_Completion)
        choice = completion.choices[0]
    except (*_NOT_JSON, IndexError):
        raise NoCompletion(_explain_no_completion(content)) from None
    usage, created = completion.usage, completion.created
    if isinstance(usage, dict):
        counted = ("prompt_tokens", "completion_tokens", "total_tokens")
        usage = {name: usage[name] for name in counted if type(usage.get(name)) is int}
    else:
        usage = None
    return Reply(
        text=choice.message.text,
        finish_reason=choice.finish_reason,
        usage=usage,
        created_at=int(created) if isinstance(created, (int, float)) else None,
        simulated=completion.simulated,
        model=completion.model if isinstance(completion.model, str) else None,
        problem=_find_problem(choice),
    )


def _explain_no_completion(content: bytes) -> str:
    if content.lstrip().startswith(b"data:"):
        return "a stream of events (SSE) instead of one reply: switch streaming off in the gateway"
    with suppress(*_NOT_JSON):
        if isinstance(msgspec.json.decode(content), dict) and b'"error"' in content:
            return f"status 200 with an error: {read_error(content)}"
    return "a response that is not a chat completion"


def _find_problem(choice: _Choice) -> str | None:
    """Return why a reply has no text, and what to do; None if it has text."""
    message = choice.message
    if choice.finish_reason == "content_filter":
        return "the server's content filter blocked the reply"
    if message.text.strip():
        return None
    if isinstance(message.refusal, str) and message.refusal:
        return f"the model refused: {_cut(message.refusal)}"
    if message.reasoning or message.reasoning_content:
        return (
            "the reply has reasoning but no answer. Start the server without --reasoning-parser, ask an "
            "Instruct model, or raise teacher.sampling.max_tokens"
        )
    return None


def read_models(content: bytes) -> tuple[list[str], bool]:
    """Return the ids of the models in a server's list, and whether it replays simulated answers."""
    try:
        models = msgspec.json.decode(content, type=_Models)
    except _NOT_JSON:
        return [], False
    return [model.id for model in models.data], models.simulated


def read_error(content: bytes) -> str:
    """Return an error response as one short line: its message if it has one."""
    text = content[: 16 * _MAX_ERROR_LENGTH].decode("utf-8", "replace")
    with suppress(*_NOT_JSON):
        body = msgspec.json.decode(content)
        error = body.get("error", body) if isinstance(body, dict) else None
        message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        text = message if isinstance(message, str) else text
    return " ".join(text.split())[:_MAX_ERROR_LENGTH] or "no message"


def parse_reply(text: str) -> Annotation:
    """Return the annotation in a reply's text. Raises UnusableReply: it has none."""
    if not text.strip():
        raise UnusableReply("the reply is empty")
    if len(text) > MAX_REPLY_LENGTH:
        raise UnusableReply(f"the reply is longer than {MAX_REPLY_LENGTH} characters")
    draft, _, answer = text.rpartition("</think>")
    if not draft and answer.lstrip().startswith("<think>"):
        raise UnusableReply(_THINKING_HINT)
    if _ENDLESS_WHITESPACE.search(answer):
        raise UnusableReply(_ENDLESS_WHITESPACE_HINT)
    return clean_annotation(_find_annotation(answer))


def is_repetitive(text: str) -> bool:
    """Return whether a cut-off reply would never have ended: it repeats a few characters or white space."""
    return bool(_ENDLESS_WHITESPACE.search(text[-MAX_WHITESPACE:]) or _ENDLESS_REPEATS.search(text[-1000:]))


def explain_cut(text: str) -> str:
    """Return why a reply was cut off at `max_tokens`, and what to do."""
    if _ENDLESS_WHITESPACE.search(text[-MAX_WHITESPACE:]):
        return _ENDLESS_WHITESPACE_HINT
    if is_repetitive(text):
        return f"the reply repeats itself without end: ...{text[-20:]}. See the server's log"
    if "<think>" in text and "</think>" not in text:
        return _THINKING_HINT
    return "the reply was cut off at its maximum number of tokens. Raise teacher.sampling.max_tokens"


def clean_annotation(annotation: dict[str, Any]) -> Annotation:
    """Return an annotation with only plain values of limited size (rules above).

    Raises:
        UnusableReply: it has neither a scene nor objects.
    """
    if not _is_annotation(annotation):
        raise UnusableReply("the reply has neither a scene nor objects")
    fields = _clean_fields(annotation)
    return {**fields, "objects": _clean_objects(annotation["objects"])} if "objects" in fields else fields


def _find_annotation(text: str) -> dict[str, Any]:
    """Parse the whole text, else from each opening brace in turn, which skips code fences and prose."""
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
            found = "no complete JSON object"
            continue
        if _is_annotation(candidate):
            return dict(candidate)
        found = "no JSON object with a scene or objects"
    raise UnusableReply(f"the reply has {found}")


def _is_annotation(candidate: Any) -> bool:
    return isinstance(candidate, dict) and ("scene" in candidate or "objects" in candidate)


def _clean_objects(value: Any) -> list[Annotation] | None:
    if not isinstance(value, list):
        return None
    listed = [item for item in value if isinstance(item, dict)][:MAX_LISTED]
    return [_clean_fields(item) for item in listed]


def _clean_fields(item: dict[str, Any]) -> Annotation:
    return {_cut(name): _clean_value(value) for name, value in list(item.items())[:MAX_FIELDS]}


def _clean_value(value: Any) -> Any:
    if isinstance(value, str):
        return _cut(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else None
    return None


def _cut(text: str) -> str:
    """Truncate a text, and replace lone surrogates, which UTF-8 cannot encode."""
    return text[:MAX_TEXT_LENGTH].encode("utf-8", "replace").decode("utf-8")


def _refuse_constant(name: str) -> NoReturn:
    raise UnusableReply(f"the reply has {name}, which is not JSON")
