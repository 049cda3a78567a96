"""JSON Lines: one typed record per line, and errors that name the file and the line."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.storage.files import open_atomically

T = TypeVar("T")

_BUFFER_BYTES = 1 << 20


def read_jsonl(path: Path, record_type: type[T]) -> Iterator[T]:
    """Yield the records of `path` in file order; blank lines are skipped.

    Raises:
        InputError: the file is missing, or a line is not a whole record of `record_type`.
    """
    return (record for _, record in read_numbered_records(path, record_type))


def read_numbered_records(path: Path, record_type: type[T]) -> Iterator[tuple[int, T]]:
    """Yield the records of `path` like `read_jsonl`, each with its line number, from 1."""
    decoder = msgspec.json.Decoder(record_type)
    return ((number, decode_line(decoder, line, path, number)) for number, line in read_numbered_lines(path))


def read_numbered_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield `(line number from 1, line with its end)` of every line that is not blank.

    Raises:
        InputError: the file is missing.
    """
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            for number, line in enumerate(file, start=1):
                if not line.isspace():
                    yield number, line
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None


def write_jsonl(path: Path, records: Iterable[Any]) -> None:
    """Replace `path` by one line per record, in one step."""
    encoder = msgspec.json.Encoder()
    with open_atomically(path) as file:
        for record in records:
            file.write(encoder.encode(record) + b"\n")


def decode_line(decoder: msgspec.json.Decoder[T], line: bytes, path: Path, number: int) -> T:
    """Return the record of one line.

    Raises:
        InputError: it is not a complete record; file and line are named.
    """
    try:
        return decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        torn = "" if line.endswith(b"\n") else " (the line has no end: the file was cut off here)"
        raise InputError(f"{path}, line {number}: {error}{torn}") from None
