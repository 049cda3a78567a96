"""The parts of an OpenAI-compatible server's responses that are read, and nothing else of them."""

from dataclasses import dataclass
from typing import Any

import msgspec

_MAX_ERROR_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered about one photo, unparsed.

    `usage` counts tokens (`prompt_tokens`, `completion_tokens`), `created_at` is the server's own clock in
    Unix seconds, `simulated` says that a replay server gave an answer that no model made.
    """

    text: str
    finish_reason: str | None
    usage: dict[str, int] | None
    created_at: int | None
    simulated: bool

    @property
    def is_cut(self) -> bool:
        """Whether the reply broke off at the cap on its tokens."""
        return self.finish_reason == "length"

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
        msgspec.MsgspecError: it is none, or has no first choice.
    """
    completion = msgspec.json.decode(content, type=_Completion)
    if not completion.choices:
        raise msgspec.ValidationError("a chat completion without choices")
    choice, created = completion.choices[0], completion.created
    return Reply(
        text=choice.message.content or "",
        finish_reason=choice.finish_reason,
        usage=_read_usage(completion.usage),
        created_at=int(created) if isinstance(created, (int, float)) else None,
        simulated=completion.simulated,
    )


def read_models(content: bytes) -> tuple[list[str], bool]:
    """Return the ids of the models a server lists, and whether it replays simulated answers."""
    try:
        models = msgspec.json.decode(content, type=_Models)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [], False
    return [model.id for model in models.data], models.simulated


def read_error(content: bytes) -> str:
    """Return a short one-line text of an error response: its message where it has one."""
    text = content[: 16 * _MAX_ERROR_LENGTH].decode("utf-8", "replace")
    try:
        said = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        said = None
    if isinstance(said, dict):
        error = said.get("error", said)
        message = error.get("message") or error.get("detail") if isinstance(error, dict) else error
        text = message if isinstance(message, str) else text
    return " ".join(text.split())[:_MAX_ERROR_LENGTH] or "no message"


def _read_usage(usage: Any) -> dict[str, int] | None:
    if not isinstance(usage, dict):
        return None
    counted = ("prompt_tokens", "completion_tokens", "total_tokens")
    return {name: usage[name] for name in counted if type(usage.get(name)) is int}
