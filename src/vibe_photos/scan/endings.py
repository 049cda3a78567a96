"""Detect truncated files by the end marker or the stated lengths of their format.

Only a few bytes are read. Damage inside a file is found by the decoder. Extra bytes after the end (a video
that a phone appends, a second picture, zeros) are allowed.
"""

import os
import struct
from collections.abc import Callable

_FIRST_BLOCK_BYTES = 1 << 12
_LARGEST_BLOCK_BYTES = 1 << 18

_MAX_STEPS = 10_000
"""The most segments or boxes that are read: cameras write dozens, a crafted file could have millions."""

_TIFF_TYPE_LETTERS = {3: "H", 4: "I", 16: "Q"}
_TIFF_OFFSETS = {273, 324}
_TIFF_LENGTHS = {279, 325}


def has_ending(file: int, image_format: str, size_bytes: int) -> bool:
    """Return whether the open file (a descriptor) is complete.

    - JPEG: there is an end-of-image marker after the first start-of-scan. Marker segments before it are
      skipped by their lengths, so that the end of an embedded thumbnail does not count.
    - PNG: there is an `IEND` chunk. GIF: there is a trailer after the end of a block.
    - WEBP, HEIF, AVIF: no length that the container states exceeds the file.
    - BMP: there are enough bytes for the rows of an uncompressed picture. TIFF: the file contains the first
      directory and every strip or tile in it.
    """
    try:
        return _RULES[image_format](file, size_bytes)
    except (struct.error, KeyError, ValueError, OverflowError):
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
        if not name.isalnum():
            break
        if length == 0:
            length = size_bytes - at
        elif length == 1:
            (length,) = struct.unpack(">Q", os.pread(file, 8, at + 8))
        names.add(name)
        at += max(length, 8)
    # An image sequence may have `moov` instead of `meta`.
    return at <= size_bytes and bool(names & {b"meta", b"moov"})


def _has_bmp_rows(file: int, size_bytes: int) -> bool:
    start, header_size = struct.unpack("<II", os.pread(file, 8, 10))
    if header_size == 12:
        (width, height, _, bits), compression = struct.unpack("<HHHH", os.pread(file, 8, 18)), 0
    else:
        width, height, _, bits, compression = struct.unpack("<iiHHI", os.pread(file, 16, 18))
    row_bytes = (abs(width) * bits + 31) // 32 * 4
    is_packed = compression not in (0, 3, 6)
    return bool(start + (1 if is_packed else row_bytes * abs(height)) <= size_bytes)


def _has_tiff_strips(file: int, size_bytes: int) -> bool:
    """Follow the first directory (TIFF 6.0, section 2; BigTIFF is the same with 8-byte counts)."""
    head = os.pread(file, 16, 0)
    order, is_big = "<" if head.startswith(b"I") else ">", b"+" in head[2:4]
    letters = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    count_format, entry_format, offset_format = (order + letter for letter in letters)
    (at,) = struct.unpack_from(offset_format, head, 8 if is_big else 4)
    count_bytes = struct.calcsize(count_format)
    (count,) = struct.unpack(count_format, os.pread(file, count_bytes, at))
    entries = os.pread(file, struct.calcsize(entry_format) * min(count, 0xFFFF), at + count_bytes)
    offsets: tuple[int, ...] = ()
    lengths: tuple[int, ...] = ()
    for tag, kind, length, value in struct.iter_unpack(entry_format, entries):
        if tag not in _TIFF_OFFSETS | _TIFF_LENGTHS:
            continue
        layout = f"{order}{length}{_TIFF_TYPE_LETTERS[kind]}"
        needed_bytes = struct.calcsize(layout)
        if needed_bytes > size_bytes:
            return False
        if needed_bytes > len(value):  # the entry holds the offset of its values, not the values
            value = os.pread(file, needed_bytes, *struct.unpack(offset_format, value))
        values = struct.unpack_from(layout, value)
        offsets, lengths = (values, lengths) if tag in _TIFF_OFFSETS else (offsets, values)
    ends = [offset + length for offset, length in zip(offsets, lengths, strict=True)]
    return bool(ends) and max(ends) <= size_bytes


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
    "GIF": lambda file, size_bytes: _has_bytes(file, b"\0;", 13, size_bytes),
    "WEBP": _has_webp_end,
    "HEIF": _has_boxes,
    "AVIF": _has_boxes,
    "BMP": _has_bmp_rows,
    "TIFF": _has_tiff_strips,
}
