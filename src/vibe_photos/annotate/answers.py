"""The store of paid answers: one append-only log per model and question, with unchanged replies.

Parsing happens when an answer is read, so a better parser needs no new request. Every line ends with its
own checksum: damage in the middle of a log is found and reported with its line number.
"""

from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import msgspec
import xxhash

from vibe_photos.annotate.reply import UnusableReply, clean_annotation, explain_cut, parse_reply
from vibe_photos.errors import StoreError
from vibe_photos.records.ground_truth import Annotation
from vibe_photos.records.pictures import Pictures
from vibe_photos.storage.append_log import AppendLog, read_lines
from vibe_photos.storage.files import write_bytes

_CHECKSUM_BYTES = len(b',"xxh3":"0123456789abcdef"}')


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """The key of a log of answers: the model and the question (prompt id)."""

    model: str
    prompt_id: str

    def log_path(self, store: Path) -> Path:
        """Return the path of the log in a store; different keys never share a file."""
        return store / "answers" / _file_name(self.model) / f"{_file_name(self.prompt_id)}.jsonl"


class Answer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One paid answer: the unchanged text of the reply, or the annotation of an imported record.

    `usage` counts tokens, `created_at` is the server's clock in Unix seconds, `simulated` is true if no
    model saw the photo. `pixels_version` is the `PIXELS_VERSION` that prepared the photo, None where
    that is unknown. `served_model` is the model named in the reply, if it is not `model`; `problem` is why
    a complete reply has no answer.
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
    pixels_version: int | None = None
    served_model: str | None = None
    problem: str | None = None

    def read(self) -> Annotation:
        """Return the annotation. Raises UnusableReply: the reply was cut off or has no annotation."""
        if self.annotation is not None:
            return clean_annotation(self.annotation)
        if self.problem:
            raise UnusableReply(self.problem)
        if self.is_cut:
            raise UnusableReply(explain_cut(self.reply or ""))
        return parse_reply(self.reply or "")

    @property
    def is_usable(self) -> bool:
        """Whether `read` returns an annotation."""
        try:
            self.read()
        except UnusableReply:
            return False
        return True

    @property
    def key(self) -> AnswerKey:
        """The key of the log that this answer belongs to."""
        return AnswerKey(self.model, self.prompt_id)

    @property
    def is_cut(self) -> bool:
        """Whether the reply was cut off at `max_tokens`."""
        return self.finish_reason == "length"


class Answers:
    """The answers of one key, open for reading and appending; one writer at a time.

    Memory: an offset per photo (about 0.25 kB with its id). The last usable answer of a photo counts; where
    none is usable, the last one says why.

    Raises:
        StoreError: another run has locked the log, or a line in it is damaged (the error has its number).
    """

    def __init__(self, store: Path, key: AnswerKey) -> None:
        self.key = key
        self._log = AppendLog(key.log_path(store))
        self._usable: dict[str, int] = {}
        self._unusable: dict[str, int] = {}
        try:
            for offset, answer in _read_log(self._log.path):
                self.record(answer, offset)
        except BaseException:
            self._log.close()
            raise

    def __contains__(self, image_id: str) -> bool:
        """Whether the photo has a usable answer."""
        return image_id in self._usable

    def __len__(self) -> int:
        return len(self._usable)

    @property
    def image_ids(self) -> Set[str]:
        """The ids of photos with a usable answer."""
        return self._usable.keys()

    @property
    def folder(self) -> Path:
        """The folder with the log."""
        return self._log.path.parent

    def close(self) -> None:
        """Release the log, so that another run can open it."""
        self._log.close()

    def append(self, answer: Answer) -> int:
        """Write an answer and return its offset; it counts after `sync` and `count`."""
        return self._log.append(seal_line(answer))

    def sync(self) -> None:
        """Fsync everything that was appended."""
        self._log.sync()

    def record(self, answer: Answer, offset: int) -> str:
        """Record where an answer is on disk; return why it is not usable, or an empty text."""
        try:
            answer.read()
        except UnusableReply as error:
            if answer.image_id not in self._usable:
                self._unusable[answer.image_id] = offset
            return str(error)
        self._usable[answer.image_id] = offset
        self._unusable.pop(answer.image_id, None)
        return ""

    def copy_to_rewritten_files(self, image_ids: Iterable[str], pictures: Pictures) -> int:
        """Copy answers to ids that have none and are another file of the same picture; return how many.

        Raises:
            StoreError: the disk is full or fails.
        """
        count = 0
        for image_id in image_ids:
            copies = () if image_id in self else pictures.find_copies(image_id)
            answer = next((self.find(copy) for copy in copies if copy in self), None)
            if answer is not None:
                own = msgspec.structs.replace(answer, image_id=image_id)
                self.record(own, self.append(own))
                count += 1
        if count:
            self.sync()
        return count

    def find(self, image_id: str) -> Answer | None:
        """Return the answer that counts for a photo, or None where there is none."""
        offset = self._usable.get(image_id, self._unusable.get(image_id))
        return None if offset is None else open_line(self._log.read_line(offset))


class AnswerStore:
    """The answers of all keys in a store; each log is opened and locked when it is first needed."""

    def __init__(self, store: Path) -> None:
        self._store = store
        self._open: dict[AnswerKey, Answers] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for answers in self._open.values():
            answers.close()

    def of(self, key: AnswerKey) -> Answers:
        """Return the answers of a key.

        Raises:
            StoreError: another run has locked them, or their log is damaged.
        """
        if key not in self._open:
            self._open[key] = Answers(self._store, key)
        return self._open[key]

    def sync(self) -> None:
        """Fsync everything that was appended."""
        for answers in self._open.values():
            answers.sync()


def read_answered_ids(store: Path, key: AnswerKey) -> set[str]:
    """Return the ids of photos with a usable answer, without locking the log."""
    path = key.log_path(store)
    return {answer.image_id for _, answer in _read_log(path) if answer.is_usable} if path.exists() else set()


def seal_line(answer: Answer) -> bytes:
    """Write an answer as a line whose last field is the checksum of everything before it."""
    body = msgspec.json.encode(answer)[:-1]
    return body + b',"xxh3":"' + xxhash.xxh3_64_hexdigest(body).encode() + b'"}'


def open_line(line: bytes) -> Answer:
    """Read a sealed line. Raises ValueError: the line does not match its checksum."""
    body = line[:-_CHECKSUM_BYTES]
    if line[-_CHECKSUM_BYTES:] != b',"xxh3":"' + xxhash.xxh3_64_hexdigest(body).encode() + b'"}':
        raise ValueError("the checksum does not match")
    return _DECODER.decode(line)


_DECODER = msgspec.json.Decoder(Answer)


def _read_log(path: Path) -> Iterator[tuple[int, Answer]]:
    for number, (offset, line) in enumerate(read_lines(path), start=1):
        try:
            yield offset, open_line(line)
        except (ValueError, msgspec.DecodeError) as error:
            raise StoreError(
                f"{path}, line {number} is damaged: {error}. `vibe-photos repair-store` sets damaged lines "
                "aside; only their photos are asked about again"
            ) from None


def set_damaged_aside(store: Path) -> dict[Path, int]:
    """Move the damaged lines of every log of answers to `<log>.damaged`; return their number by log.

    Raises:
        StoreError: another run has locked a log, or the disk fails; that log was not changed.
    """
    return {path: count for path in sorted(store.glob("answers/*/*.jsonl")) if (count := _clean_log(path))}


def _clean_log(path: Path) -> int:
    whole, damaged = bytearray(), bytearray()
    with AppendLog(path):  # locks it: no other process writes meanwhile
        for _, line in read_lines(path):
            try:
                open_line(line)
                whole += line + b"\n"
            except (ValueError, msgspec.DecodeError):
                damaged += line + b"\n"
        if damaged:
            aside = path.with_name(f"{path.name}.damaged")
            try:
                write_bytes(aside, (aside.read_bytes() if aside.exists() else b"") + damaged)
                write_bytes(path, bytes(whole))
            except OSError as error:
                raise StoreError(f"{path} cannot be cleaned: {error.strerror}. It is unchanged") from None
    return damaged.count(b"\n")


def _file_name(text: str) -> str:
    """Return a text as a file name: readable, one to one, never hidden, never another folder."""
    name = quote(text, safe="")
    if name.startswith("."):
        name = "%2E" + name[1:]
    return name if len(name) <= 150 else f"{name[:120]}-{xxhash.xxh3_64_hexdigest(text.encode())}"
