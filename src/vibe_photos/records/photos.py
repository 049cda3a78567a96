"""One photo, and the manifest that lists them all (`data/library/photos.jsonl`)."""

import os
import re
from pathlib import Path

import msgspec

from vibe_photos.storage.jsonl import read_jsonl

FEATURELESS = 0
"""The hash of a picture with nothing in it (a blank page, a black frame): it resembles no other."""

_ESCAPE = re.compile(rb"\\(?:\\|x([0-9a-f]{2}))")


class Photo(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One distinct content of the library: nothing here changes while the photo does not.

    `image_id` is the lower-case hex hash of the file's bytes. `rel_path` is the first of its places under
    the library's root in sorted order and `also_at` the others, as `path_to_text` writes them.
    `bytes` is the file's size; `format` is Pillow's name of what the header says (`JPEG`, `PNG`, ...).
    """

    image_id: str
    rel_path: str
    also_at: list[str] = []
    bytes: int
    format: str


class PhotoProblem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A file that is no usable photo: where it is, why, and what to know about it.

    `reason` is a short stable word (`empty`, `truncated`, `not_an_image`, `too_many_pixels`, ...).
    """

    rel_path: str
    reason: str
    detail: str = ""
    image_id: str | None = None


def read_manifest(path: Path) -> list[Photo]:
    """Read the manifest in its order (sorted by `rel_path`).

    Raises:
        InputError: the file is missing or a line is no photo.
    """
    return list(read_jsonl(path, Photo))


def say_count(number: int, noun: str = "photo") -> str:
    """Return a number with its noun for a sentence: `1 photo`, `1,234 photos`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def path_to_text(path: bytes) -> str:
    r"""Write a relative path as text that any JSON reader takes and that `text_to_path` turns back.

    UTF-8 names stay as they are, `/` separates folders; a byte that is no UTF-8 becomes `\xNN`, and a
    backslash that stands in a name is doubled.
    """
    text = path.replace(b"\\", b"\\\\").decode("utf-8", "surrogateescape")
    if text.isascii():
        return text
    return "".join(f"\\x{ord(c) - 0xDC00:02x}" if "\udc80" <= c <= "\udcff" else c for c in text)


def text_to_path(text: str) -> bytes:
    """Return the bytes of the path that `path_to_text` wrote as `text`."""
    return _ESCAPE.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"\\", text.encode())


def photo_path(root: Path, photo: Photo) -> Path:
    """Return where the photo's file is."""
    return root / os.fsdecode(text_to_path(photo.rel_path))


class HashRecord(msgspec.Struct, frozen=True):
    """A line of `perceptual_hashes.jsonl`: 16 hex digits for each of a photo's hashes, the whole first."""

    image_id: str
    perceptual_hash: str
