"""The store of paid answers: one append-only log per model and question, replies kept as they came.

Parsing happens when an answer is read, so a better parser never has to pay again. Every line carries its
own checksum: damage in the middle of a log is found and named, never passed over.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import msgspec

from vibe_photos.annotate.answer import Answer, AnswerKey, open_line, seal_line
from vibe_photos.annotate.reply import UnusableReply
from vibe_photos.errors import StoreError
from vibe_photos.storage.append_log import AppendLog, read_lines


class Answers:
    """The answers of one key, open for reading and adding; one writer at a time.

    Memory: an offset a photo (about 0.25 kB with its id). The last usable answer of a photo counts, and
    where none is usable the last one says why.

    Raises:
        StoreError: another run holds the log, or a line in it is damaged (named by its number).
    """

    def __init__(self, store: Path, key: AnswerKey) -> None:
        self.key = key
        self._log = AppendLog(key.log_path(store))
        self._usable: dict[str, int] = {}
        self._unusable: dict[str, int] = {}
        try:
            for offset, answer in _read_log(self._log.path):
                self.count(answer, offset)
        except BaseException:
            self._log.close()
            raise

    def __contains__(self, image_id: str) -> bool:
        """Whether a usable answer for the photo is kept."""
        return image_id in self._usable

    def __len__(self) -> int:
        return len(self._usable)

    def close(self) -> None:
        """Let another run have the answers."""
        self._log.close()

    def append(self, answer: Answer) -> int:
        """Write an answer and return its offset; it counts after `sync` and `count`."""
        return self._log.append(seal_line(answer))

    def sync(self) -> None:
        """Wait until everything appended is on the disk."""
        self._log.sync()

    def count(self, answer: Answer, offset: int) -> bool:
        """Count an answer that is safely kept; return whether it is usable."""
        try:
            answer.read()
        except UnusableReply:
            if answer.image_id not in self._usable:
                self._unusable[answer.image_id] = offset
            return False
        self._usable[answer.image_id] = offset
        self._unusable.pop(answer.image_id, None)
        return True

    def find(self, image_id: str) -> Answer | None:
        """Return the answer that counts for a photo, or None where nobody asked."""
        offset = self._usable.get(image_id, self._unusable.get(image_id))
        return None if offset is None else open_line(self._log.read_line(offset))


class AnswerStore:
    """The answers of all keys in a store; each log is opened, and held, when it is first needed."""

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
            StoreError: another run holds them, or their log is damaged.
        """
        if key not in self._open:
            self._open[key] = Answers(self._store, key)
        return self._open[key]

    def sync(self) -> None:
        """Wait until everything appended is on the disk."""
        for answers in self._open.values():
            answers.sync()


def read_paid_ids(store: Path, key: AnswerKey) -> set[str]:
    """Return the photos that have a usable answer, without holding the log."""
    path = key.log_path(store)
    usable: set[str] = set()
    if path.exists():
        for _, answer in _read_log(path):
            try:
                answer.read()
            except UnusableReply:
                continue
            usable.add(answer.image_id)
    return usable


def _read_log(path: Path) -> Iterator[tuple[int, Answer]]:
    for number, (offset, line) in enumerate(read_lines(path), start=1):
        try:
            yield offset, open_line(line)
        except (ValueError, msgspec.DecodeError) as error:
            raise StoreError(
                f"{path}, line {number} is damaged: {error}. The lines around it are whole: copy the file, "
                "delete that line, and only its photo is asked about again"
            ) from None
