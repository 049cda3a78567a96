"""Inspect one file: a photo, identified by the hash of its bytes, or a problem with a reason.

A file that does not end as whole pictures of its format do is decoded: the decoder's word counts. Extra bytes
after the end (a video that a phone appends, a second picture, zeros) are allowed.
"""

import errno
import os
import stat
import struct
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import msgspec

from vibe_photos.errors import DecodeError
from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.formats import HEAD_BYTES, is_film, recognise_format
from vibe_photos.records.photos import HASHES, HashName
from vibe_photos.scan.coded_picture import PictureHasher, find_coded_picture, list_boxes
from vibe_photos.terminal import name_file

BUFFER_BYTES = 1 << 18
"""Small enough to stay in the processor's cache between reading and hashing."""

INSPECTION_VERSION = 2
"""Increase it when the result for any file may change: all files are then read again."""

_READ_ATTEMPTS = 3
_MAX_PIXELS = 250_000_000
_INT64 = 1 << 63

_FIRST_BLOCK_BYTES = 1 << 12
_LARGEST_BLOCK_BYTES = 1 << 18

_PICTURE_BOXES = {b"meta", b"moov", b"jxlc", b"jxlp"}
"""An image sequence may have `moov` instead of `meta`; JPEG XL has `jxlc` or `jxlp`."""

_MAX_STEPS = 10_000
"""The most segments or boxes that are read: cameras write dozens, a crafted file could have millions."""


class FileStamp(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A file's size, times and inode; if one of them changes, the file may have changed.

    Times are nanoseconds since 1970, as far as they fit into 64 bits (1677 to 2262).
    """

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int


class FileFinding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The result for a file: a photo (`image_id`, `format`) or a problem (`reason`, `detail`).

    `picture` and `rendering` are those of `records.pictures.KnownPicture`.
    """

    stamp: FileStamp
    image_id: str = ""
    format: str = ""
    reason: str = ""
    detail: str = ""
    error_number: int = 0
    picture: str = ""
    rendering: str = ""


def take_stamp(status: os.stat_result) -> FileStamp:
    """Return the part of a file's status that shows whether it changed."""
    mtime_ns, ctime_ns = status.st_mtime_ns, status.st_ctime_ns
    if not (-_INT64 <= mtime_ns < _INT64 and -_INT64 <= ctime_ns < _INT64):
        mtime_ns, ctime_ns = (max(-_INT64, min(_INT64 - 1, time_ns)) for time_ns in (mtime_ns, ctime_ns))
    return FileStamp(status.st_size, mtime_ns, ctime_ns, status.st_ino)


def inspect_file(path: bytes, content_hash: HashName, buffer: bytearray | None = None) -> FileFinding:
    """Read one file: its header, its ending, the hash of its bytes. Problems are returned, never raised.

    If the ending is not that of a whole picture, the picture is decoded: it is a photo if that succeeds. One
    of more than 250 megapixels is not decoded here; it is a photo, and each stage has its own limit.

    Reasons of problems: `empty`, `film`, `not_an_image` (no supported format), `truncated` and the other
    reasons of `decode_photo`, `unreadable` (system error `error_number`), `missing` (deleted since it was
    listed, or a broken link), `not_a_file` (a pipe or device), `changing` (it was written to during each
    attempt).
    """
    buffer = bytearray(BUFFER_BYTES) if buffer is None else buffer
    try:
        # O_NONBLOCK, because opening a pipe without a writer would block for ever.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            for _ in range(_READ_ATTEMPTS):
                with name_file(path):
                    finding = _inspect_open_file(file, path, content_hash, buffer)
                if take_stamp(os.fstat(file)) == finding.stamp:
                    return finding
                os.lseek(file, 0, os.SEEK_SET)
        finally:
            os.close(file)
    except OSError as error:
        return FileFinding(
            FileStamp(0, 0, 0, 0),
            reason="missing" if error.errno == errno.ENOENT else "unreadable",
            detail=error.strerror or str(error),
            error_number=error.errno or 0,
        )
    return FileFinding(finding.stamp, reason="changing", detail="it is being written to: scan again later")


def _inspect_open_file(file: int, path: bytes, content_hash: HashName, buffer: bytearray) -> FileFinding:
    status = os.fstat(file)
    stamp = take_stamp(status)
    if not stat.S_ISREG(status.st_mode):
        return FileFinding(stamp, reason="not_a_file", detail="a pipe, socket or device")
    if stamp.size_bytes == 0:
        return FileFinding(stamp, reason="empty", detail="the file has no bytes")
    head = os.pread(file, HEAD_BYTES, 0)
    image_format = recognise_format(head)
    if image_format is None and is_film(head):
        return FileFinding(stamp, reason="film", detail="a film, whatever its name says")
    if image_format is None:
        detail = "its first bytes are not those of a supported image format"
        return FileFinding(stamp, reason="not_an_image", detail=detail)
    if not has_ending(file, image_format, stamp.size_bytes):
        try:
            decode_photo(Path(os.fsdecode(path)), max_pixels=_MAX_PIXELS, needed_size=lambda *_: (1, 1))
        except DecodeError as error:
            if error.reason != "too_many_pixels":
                return FileFinding(stamp, reason=error.reason, detail=str(error))
    coded = find_coded_picture(file, image_format, stamp.size_bytes)
    hasher = PictureHasher(coded)
    image_id = hash_file(file, content_hash, buffer, hasher)
    return FileFinding(
        stamp,
        image_id=image_id,
        format=image_format,
        picture=hasher.hexdigest(),
        rendering=coded.rendering,
    )


def hash_file(
    file: int, content_hash: HashName, buffer: bytearray, picture_hasher: PictureHasher | None = None
) -> str:
    """Return the lower-case hex hash of an open file (a descriptor at its start), read through `buffer`.

    It has 32 digits for `xxh3_128`, 16 for `xxh64`. `picture_hasher` is given the same bytes.

    Raises:
        OSError: the file cannot be read.
    """
    hasher = HASHES[content_hash]()
    window = memoryview(buffer)
    while count := os.readv(file, [buffer]):
        hasher.update(window[:count])
        if picture_hasher is not None:
            picture_hasher.update(window[:count])
    return str(hasher.hexdigest())


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
    boxes = takewhile(lambda box: box[0].strip().isalnum(), list_boxes(file, 0, size_bytes))
    stated = {name: end for name, (_, end) in boxes}
    return max(stated.values(), default=0) <= size_bytes and bool(stated.keys() & _PICTURE_BOXES)


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
