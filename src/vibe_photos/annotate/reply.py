"""From a reply's text to an annotation, or to the reason why it is none.

The reply is data from outside, and may be led astray by text inside a photo. What it says is kept as said
where it is small and plain; what it means is decided later, by `labels.convert`:

- the text is at most `MAX_REPLY_LENGTH` characters, with no run of `MAX_WHITESPACE` blanks;
- the annotation is its first JSON object that has a `scene` or `objects`: alone, fenced, or after prose;
- `NaN` and `Infinity` anywhere in it refuse it (they are no JSON);
- a string is cut at `MAX_TEXT_LENGTH`; a number too large for 64 bits, and a list or object where a plain
  value belongs, become null;
- of `objects`, items that are no object are left out, and what comes after `MAX_LISTED` is; `objects` that is
  no list becomes null.
"""

import json
import math
import re
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
_ENDLESS_WHITESPACE = re.compile(rf"\s{{{MAX_WHITESPACE}}}")


class UnusableReply(VibePhotosError):
    """Why a reply's text is no annotation; the message goes into `failures.jsonl`."""


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
    return keep_said(_find_object(text))


def keep_said(said: dict[str, Any]) -> Annotation:
    """Return what a teacher said with every value plain and capped (rules above).

    Raises:
        UnusableReply: it speaks neither of a scene nor of objects.
    """
    if not _is_annotation(said):
        raise UnusableReply("the reply has neither a scene nor objects")
    fields = list(said.items())[:MAX_FIELDS]
    return {
        _cut(name): _keep_objects(value) if name == "objects" else _keep_plain(value)
        for name, value in fields
    }


def _find_object(text: str) -> dict[str, Any]:
    try:
        whole = msgspec.json.decode(text)
        if _is_annotation(whole):
            return dict(whole)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        pass
    return _search_object(text)


def _search_object(text: str) -> dict[str, Any]:
    """Try every opening brace in turn: fences, prose and a list around the object fall away."""
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


def _keep_objects(value: Any) -> list[Annotation] | None:
    if not isinstance(value, list):
        return None
    listed = [item for item in value if isinstance(item, dict)][:MAX_LISTED]
    return [
        {_cut(name): _keep_plain(said) for name, said in list(item.items())[:MAX_FIELDS]} for item in listed
    ]


def _keep_plain(value: Any) -> Any:
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
