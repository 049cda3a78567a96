"""One paid answer, whose it is, and the line that keeps it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import xxhash

from vibe_photos.annotate.reply import UnusableReply, keep_said, parse_reply
from vibe_photos.records.ground_truth import Annotation

_CHECKSUM_BYTES = len(b',"xxh3":"0123456789abcdef"}')


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One paid answer: the reply's text as it came, or the annotation of an imported record.

    `usage` counts tokens, `created_at` is the server's own time in Unix seconds, `simulated` says that no
    model looked at the photo.
    """

    image_id: str
    model: str
    prompt_id: str
    reply: str | None = None
    annotation: dict[str, Any] | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    simulated: bool = False

    def read(self) -> Annotation:
        """Return the annotation.

        Raises:
            UnusableReply: the reply broke off or is none.
        """
        if self.annotation is not None:
            return keep_said(self.annotation)
        if self.is_cut:
            raise UnusableReply("the reply broke off at its largest number of tokens")
        return parse_reply(self.reply or "")

    @property
    def key(self) -> "AnswerKey":
        """Who was asked, and what."""
        return AnswerKey(self.model, self.prompt_id)

    @property
    def is_cut(self) -> bool:
        """Whether the reply broke off at the cap on its tokens."""
        return self.finish_reason == "length"


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """Which answers belong together: who was asked, and what."""

    model: str
    prompt_id: str

    def log_path(self, store: Path) -> Path:
        """Return where the answers lie in a store; different keys never share a file."""
        return store / "answers" / _file_name(self.model) / f"{_file_name(self.prompt_id)}.jsonl"


def seal_line(answer: Answer) -> bytes:
    """Write an answer as a line whose last field is the checksum of all before it."""
    body = msgspec.json.encode(answer)[:-1]
    return body + b',"xxh3":"' + xxhash.xxh3_64_hexdigest(body).encode() + b'"}'


def open_line(line: bytes) -> Answer:
    """Read a sealed line.

    Raises:
        ValueError: the line is not as it was written.
    """
    body = line[:-_CHECKSUM_BYTES]
    if line[-_CHECKSUM_BYTES:] != b',"xxh3":"' + xxhash.xxh3_64_hexdigest(body).encode() + b'"}':
        raise ValueError("the checksum does not match")
    return _DECODER.decode(line)


_DECODER = msgspec.json.Decoder(Answer)


def _file_name(text: str) -> str:
    """Return a text as a file name: readable, one to one, never hidden, never another folder."""
    name = quote(text, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    return name if len(name) <= 150 else f"{name[:120]}-{xxhash.xxh3_64_hexdigest(text.encode())}"
