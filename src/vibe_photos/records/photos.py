"""One photo, and the manifest that lists them all (`data/library/photos.jsonl`)."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import xxhash

from vibe_photos.errors import DecodeError
from vibe_photos.storage.jsonl import read_jsonl

FEATURELESS = 0
"""The hash of an empty picture (a blank page, a black frame), which is never a near-duplicate."""

HashName = Literal["xxh3_128", "xxh64"]

HASHES: dict[HashName, Callable[[], Any]] = {"xxh3_128": xxhash.xxh3_128, "xxh64": xxhash.xxh64}
"""What `library.content_hash` may be; each has ids of another length."""

HASH_DIGITS: dict[HashName, int] = {name: len(new().hexdigest()) for name, new in HASHES.items()}
_HASH_OF_DIGITS = {digits: name for name, digits in HASH_DIGITS.items()}

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


class Photo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One photo of the library; files with the same bytes are one photo.

    `image_id` is the lower-case hex hash of the file's bytes. `rel_path` is the first of its paths under
    the library's root in sorted order and `also_at` the others, as `path_to_text` writes them.
    `bytes` is the file's size; `format` is Pillow's name of the format (`JPEG`, `PNG`, ...).
    """

    image_id: str
    rel_path: str
    also_at: list[str] = []
    bytes: int
    format: str


class PhotoProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that is not a usable photo; `reason` is one fixed word (`empty`, `truncated`, ...)."""

    rel_path: str
    reason: str
    detail: str = ""
    image_id: str | None = None


def read_manifest(path: Path) -> list[Photo]:
    """Read the manifest in its order (sorted by `rel_path`).

    Raises:
        InputError: the file is missing or a line is not a photo.
    """
    return list(read_jsonl(path, Photo))


def say_count(number: int, noun: str = "photo") -> str:
    """Return a number with its noun for a sentence: `1 photo`, `1,234 photos`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def path_to_text(path: bytes) -> str:
    r"""Return a relative path as valid text; `text_to_path` is the inverse.

    UTF-8 names stay unchanged; a byte that is not UTF-8 becomes `\xNN`, and a backslash is doubled.
    """
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "surrogateescape")
    if text.isascii():
        return text
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)


def text_to_path(text: str) -> bytes:
    """Return the path that `path_to_text` wrote as `text`."""
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"\\", text.encode())


def photo_path(root: Path, photo: Photo) -> Path:
    """Return where the photo's file is."""
    return root / os.fsdecode(text_to_path(photo.rel_path))


def name_hash(image_id: str) -> HashName | None:
    """Return the name of an id's hash, by its number of hex digits; None for another kind of id."""
    return _HASH_OF_DIGITS.get(len(image_id)) if re.fullmatch("[0-9a-f]*", image_id) else None


@contextmanager
def verified(path: Path, photo: Photo) -> Iterator[None]:
    """Make sure that a file has the bytes of a photo's id, also at the end of the block that reads it.

    What people and programs change after a scan must not get another photo's results. An id of another
    length than those of `library.content_hash` says nothing about bytes: then only the size is compared.

    Raises:
        DecodeError: `changed`, `missing` or `unreadable`; the last two have the system's error as cause.
    """
    try:
        before = _stamp_if_whole(path, photo)
        if before is not None:
            yield
            if before == _take_stamp(path.stat()):
                return
    except FileNotFoundError as error:
        raise DecodeError("missing", "the file does not exist any more") from error
    except OSError as error:
        raise DecodeError("unreadable", error.strerror or str(error)) from error
    raise DecodeError("changed", "the file has changed since the scan: run `dvc repro`")


def _stamp_if_whole(path: Path, photo: Photo) -> tuple[int, ...] | None:
    """Return the stamp of a file with the photo's bytes, None if they are others."""
    name = name_hash(photo.image_id)
    with path.open("rb", buffering=0) as file:
        status = os.fstat(file.fileno())
        if status.st_size != photo.bytes:
            return None
        if name and hashlib.file_digest(file, HASHES[name]).hexdigest() != photo.image_id:
            return None
    return _take_stamp(status)


def _take_stamp(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def unit_interval(seed: int, purpose: str, identity: str) -> float:
    """Return a number in [0, 1) that depends only on the arguments, uniform over identities.

    Unlike numbers of a random generator, it does not change when other photos are added or removed.
    """
    digest = xxhash.xxh3_64_intdigest(f"{seed}|{purpose}|{identity}".encode())
    return (digest >> 11) / float(1 << 53)


def permanent_number(seed: int, image_id: str) -> float:
    """Return a photo's permanent random number in [0, 1).

    The review sample takes the lowest numbers of each stratum, the holdout the lowest of all (permanent
    random numbers: Ohlsson 1995, "Coordination of samples using permanent random numbers"). So a larger
    sample contains the smaller one, and it takes photos from the holdout before it takes any from training.
    `seed` is `sample.seed`.
    """
    return unit_interval(seed, "sample", image_id)


class HashRecord(msgspec.Struct, frozen=True):
    """A line of `perceptual_hashes.jsonl`: 16 hex digits per hash, first the hash of the whole photo."""

    image_id: str
    perceptual_hash: str
