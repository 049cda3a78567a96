"""Find out which files to look at more closely: those that do not end as whole pictures of their format do.

Only a few bytes are read. The decoder then judges the others. Extra bytes after the end (a video that a phone
appends, a second picture, zeros) are allowed.
"""

import os
import struct
from collections.abc import Callable

_FIRST_BLOCK_BYTES = 1 << 12
_LARGEST_BLOCK_BYTES = 1 << 18

_PICTURE_BOXES = {b"meta", b"moov", b"jxlc", b"jxlp"}
"""An image sequence may have `moov` instead of `meta`; JPEG XL has `jxlc` or `jxlp`."""

_MAX_STEPS = 10_000
"""The most segments or boxes that are read: cameras write dozens, a crafted file could have millions."""


def has_ending(file: int, image_format: str, size_bytes: int) -> bool:
    """Return whether the open file (a descriptor) is surely complete; if not, only the decoder can tell.

    - JPEG: there is an end-of-image marker after the first start-of-scan. Marker segments before it are
      skipped by their lengths, so that the end of an embedded thumbnail does not count.
    - PNG: there is an `IEND` chunk.
    - WEBP, HEIF, AVIF, JXL: no length that the container states exceeds the file.
    - Of others, which are rare or decoded quickly, nothing is known.
    """
    rule = _RULES.get(image_format)
    try:
        return rule is not None and rule(file, size_bytes)
    except struct.error:
        return False


def _has_jpeg_end(file: int, size_bytes: int) -> bool:
    at = 2
    for _ in range(_MAX_STEPS):
        marker = os.pread(file, 4, at)
        if len(marker) < 4 or marker[0] != 0xFF:
            return False
        if marker[1] == 0xFF:
            at += 1
        elif marker[1] == 0xDA:
            return _has_bytes(file, b"\xff\xd9", at + 2, size_bytes)
        elif marker[1] == 0x01 or 0xD0 <= marker[1] <= 0xD8:
            at += 2
        else:
            at += 2 + int.from_bytes(marker[2:], "big")
    return False


def _has_webp_end(file: int, size_bytes: int) -> bool:
    (length,) = struct.unpack("<I", os.pread(file, 4, 4))
    return bool(8 + length <= size_bytes)


def _has_boxes(file: int, size_bytes: int) -> bool:
    """Follow the top-level boxes of an ISO base media file (ISO 14496-12, 4.2)."""
    at, names = 0, set[bytes]()
    for _ in range(_MAX_STEPS):
        if at + 8 > size_bytes:
            break
        length, name = struct.unpack(">I4s", os.pread(file, 8, at))
        if not name.strip().isalnum():
            break
        if length == 0:
            length = size_bytes - at
        elif length == 1:
            (length,) = struct.unpack(">Q", os.pread(file, 8, at + 8))
        names.add(name)
        at += max(length, 8)
    return at <= size_bytes and bool(names & _PICTURE_BOXES)


def _has_bytes(file: int, wanted: bytes, start: int, end: int) -> bool:
    """Return whether `wanted` is between `start` and `end`; searched backwards, since ends are at the end."""
    overlap = len(wanted) - 1
    block_bytes = _FIRST_BLOCK_BYTES
    while end > start:
        begin = max(start, end - block_bytes)
        block_bytes = min(4 * block_bytes, _LARGEST_BLOCK_BYTES)
        if wanted in os.pread(file, end - begin, begin):
            return True
        end = begin + overlap if begin > start else start
    return False


_RULES: dict[str, Callable[[int, int], bool]] = {
    "JPEG": _has_jpeg_end,
    "PNG": lambda file, size_bytes: _has_bytes(file, b"\0\0\0\0IEND\xaeB`\x82", 8, size_bytes),
    "WEBP": _has_webp_end,
    "HEIF": _has_boxes,
    "AVIF": _has_boxes,
    "JXL": _has_boxes,
}
