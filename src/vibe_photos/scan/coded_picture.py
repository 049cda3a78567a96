"""Find the coded picture in a file: the bytes that stay when a program writes a rating or a caption into it.

Only headers are read here. `files.hash_file` hashes the picture's bytes while it reads the whole file.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import xxhash
from PIL import Image

from vibe_photos.pixels.conversion import find_orientation

_MAX_STEPS = 100_000
"""The most segments, chunks or boxes that are followed; a PNG of 100 megapixels has about 50,000."""

_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_RAW_EXIF = b"Raw profile type exif\0"
_MAX_TEXT_BYTES = 1 << 22
_PNG_PICTURE = {b"IHDR", b"PLTE", b"tRNS", b"IDAT"}
_WEBP_PICTURE = {b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"}
_CODED_ITEMS = {b"hvc1", b"hev1", b"avc1", b"av01", b"jpeg", b"grid", b"iovl", b"iden"}
_ORIENTATION_BOXES, _COLOUR_BOXES = {b"irot", b"imir"}, {b"colr"}
_TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 5: "Q", 7: "B", 16: "Q"}
_TIFF_LAYOUT = {256, 257, 258, 259, 262, 266, 277, 278, 284, 292, 293}
_TIFF_LAYOUT |= {317, 320, 322, 323, 332, 338, 339, 347, 530, 532}
"""The tags that say how the bytes of strips and tiles become pixels (TIFF 6.0)."""

_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES = 273, 279, 324, 325
_ORIENTATION, _ICC_PROFILE = 274, 34675
_TIFF_OTHER = {_STRIP_OFFSETS, _STRIP_SIZES, _TILE_OFFSETS, _TILE_SIZES, _ORIENTATION, _ICC_PROFILE}

Range = tuple[int, int]


@dataclass(slots=True)
class CodedPicture:
    """Where in a file the coded picture is.

    Attributes:
        ranges: start and end of each range of the file's bytes, in file order.
        layout: bytes outside the ranges that decide how those become pixels.
        exif, xmp: metadata that may hold the orientation.
        orientation: what the format itself says of it (HEIF boxes, TIFF tag).
        colour_profile: the profile, or other bytes that say how to read colours.
    """

    ranges: list[Range] = field(default_factory=list)
    layout: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""
    orientation: bytes = b""
    colour_profile: bytes = b""

    @property
    def rendering(self) -> str:
        """A hash of the orientation and the colour profile; empty if there is nothing to apply."""
        image = Image.Image()
        image.info = {"exif": self.exif, "xmp": self.xmp}
        orientation = find_orientation(image)
        if orientation == 1 and not self.orientation and not self.colour_profile:
            return ""
        size = struct.pack(">BI", orientation, len(self.orientation))
        return xxhash.xxh3_64_hexdigest(size + self.orientation + self.colour_profile)


def find_coded_picture(file: int, image_format: str, size_bytes: int) -> CodedPicture:
    """Return where in an open file (a descriptor) the coded picture is.

    - JPEG: every segment but APPn and COM (but APP14, which says how colours are coded), and all after
      them. PNG: header, palette, transparency and pixels. WebP: the chunks of pixels. HEIF, AVIF: the data of
      coded items and their properties. TIFF: the strips or tiles of the first directory and their layout.
    - All other formats, and a file that does not follow its format: the whole file.
    """
    try:
        return _FINDERS[image_format](file, size_bytes)
    except (struct.error, KeyError, ValueError, OverflowError, IndexError, zlib.error):
        return CodedPicture([(0, size_bytes)])


def _find_in_jpeg(file: int, size_bytes: int) -> CodedPicture:
    found, at = CodedPicture(), 2
    for _ in range(_MAX_STEPS):
        head = os.pread(file, 4, at)
        marker, length = head[1], 2 + int.from_bytes(head[2:], "big")
        if head[0] != 0xFF or marker == 0xFF:
            at += 1
        elif marker == 0xDA:
            found.ranges.append((at, size_bytes))
            return found
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            if marker in (0xE1, 0xE2):
                payload = os.pread(file, length - 4, at + 4)
                found.exif += payload if payload.startswith(_EXIF) else b""
                found.xmp += payload.removeprefix(_XMP) if payload.startswith(_XMP) else b""
                found.colour_profile += payload if payload.startswith(_ICC) else b""
            elif marker == 0xEE or not (marker == 0xFE or 0xE0 <= marker <= 0xEF):
                found.ranges.append((at, at + length))
            at += length
    raise ValueError("a JPEG without a scan")


def _find_in_png(file: int, size_bytes: int) -> CodedPicture:
    found, at = CodedPicture(), 8
    for _ in range(_MAX_STEPS):
        length, kind = struct.unpack(">I4s", os.pread(file, 8, at))
        end = at + length + 12
        if kind in _PNG_PICTURE:
            found.ranges.append((at, min(end, size_bytes)))
        elif kind == b"eXIf":
            found.exif = os.pread(file, length, at + 8)
        elif kind in (b"iCCP", b"cICP"):
            found.colour_profile += os.pread(file, length, at + 8)
        elif kind in (b"iTXt", b"zTXt") and length <= _MAX_TEXT_BYTES:
            text = os.pread(file, length, at + 8)
            found.xmp += text if text.startswith(b"XML:com.adobe.xmp\0") else b""
            if text.startswith(_RAW_EXIF) and not found.exif:
                written = zlib.decompressobj().decompress(text[len(_RAW_EXIF) + 1 :], _MAX_TEXT_BYTES)
                found.exif = bytes.fromhex("".join(written.decode("latin-1").split("\n")[3:]))
        at = end
        if kind == b"IEND" or at >= size_bytes:
            return found
    raise ValueError("a PNG without an end")


def _find_in_webp(file: int, size_bytes: int) -> CodedPicture:
    found, at = CodedPicture(), 12
    while at + 8 <= size_bytes:
        kind, length = struct.unpack("<4sI", os.pread(file, 8, at))
        if kind in _WEBP_PICTURE:
            found.ranges.append((at, min(at + 8 + length, size_bytes)))
        elif kind == b"EXIF":
            found.exif = os.pread(file, length, at + 8)
        elif kind == b"XMP ":
            found.xmp = os.pread(file, length, at + 8)
        elif kind == b"ICCP":
            found.colour_profile = os.pread(file, length, at + 8)
        at += 8 + length + length % 2
        if len(found.ranges) > _MAX_STEPS:
            raise ValueError("too many chunks")
    return found


def _find_in_heif(file: int, size_bytes: int) -> CodedPicture:
    """Follow the boxes of ISO/IEC 23008-12: items, where their data is, and their properties."""
    metas = (body for kind, body in list_boxes(file, 0, size_bytes) if kind == b"meta")
    start, end = next(metas, (size_bytes, size_bytes))
    boxes = dict(list_boxes(file, start + 4, min(end, size_bytes)))
    found = CodedPicture()
    items = _read_coded_items(_read_range(file, boxes[b"iinf"]))
    for item, method, extents in _read_locations(_read_range(file, boxes[b"iloc"])):
        if item in items:
            base = boxes[b"idat"][0] if method == 1 else 0
            found.ranges += [(base + start, base + start + length) for start, length in extents]
    if not found.ranges:
        raise ValueError("no coded items")
    found.ranges.sort()
    properties = dict(list_boxes(file, *boxes[b"iprp"]))[b"ipco"]
    for kind, body in list_boxes(file, *properties):
        content = kind + _read_range(file, body)
        found.orientation += content if kind in _ORIENTATION_BOXES else b""
        found.colour_profile += content if kind in _COLOUR_BOXES else b""
        found.layout += b"" if kind in _ORIENTATION_BOXES | _COLOUR_BOXES else content
    return found


def list_boxes(file: int, start: int, end: int) -> Iterator[tuple[bytes, Range]]:
    """Yield the kind of each box and the range of its body, as stated: a damaged one may exceed the file."""
    at = start
    for _ in range(_MAX_STEPS):
        if at + 8 > end:
            return
        length, kind = struct.unpack(">I4s", os.pread(file, 8, at))
        head = 8
        if length == 1:
            (length,), head = struct.unpack(">Q", os.pread(file, 8, at + 8)), 16
        length = end - at if length == 0 else max(length, head)
        yield kind, (at + head, at + length)
        at += length


def _read_range(file: int, body: Range) -> bytes:
    return os.pread(file, min(body[1] - body[0], 1 << 22), body[0])


def _read_coded_items(iinf: bytes) -> set[int]:
    """Return the ids of the items that hold coded pixels (boxes `infe` of version 2 or 3)."""
    at = 4 + (2 if iinf[0] == 0 else 4)
    items = set()
    while at + 12 <= len(iinf):
        length, version = struct.unpack_from(">I4xB", iinf, at)
        layout = ">HH4s" if version == 2 else ">IH4s"
        item, _, kind = struct.unpack_from(layout, iinf, at + 12)
        if version >= 2 and kind in _CODED_ITEMS:
            items.add(item)
        at += max(length, 8)
    return items


def _read_locations(iloc: bytes) -> list[tuple[int, int, list[Range]]]:
    """Return each item's id, construction method and extents (start and length)."""
    version = iloc[0]
    sizes = [iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15 if version else 0]
    at = 6

    def read_integer(count: int) -> int:
        nonlocal at
        at += count
        return int.from_bytes(iloc[at - count : at], "big")

    offset_bytes, length_bytes, base_bytes, index_bytes = sizes
    wide = 4 if version == 2 else 2
    locations = []
    for _ in range(read_integer(wide)):
        item = read_integer(wide)
        method = read_integer(2) & 15 if version else 0
        read_integer(2)  # which file the data is in
        base = read_integer(base_bytes)
        extents = []
        for _ in range(read_integer(2)):
            read_integer(index_bytes)
            start = base + read_integer(offset_bytes)
            extents.append((start, read_integer(length_bytes)))
        locations.append((item, method, extents))
        if at > len(iloc):
            raise ValueError("the box is cut off")
    return locations


def _find_in_tiff(file: int, size_bytes: int) -> CodedPicture:
    """Follow the first directory (TIFF 6.0, section 2; BigTIFF is the same with 8-byte counts)."""
    head = os.pread(file, 16, 0)
    order, is_big = "<" if head.startswith(b"I") else ">", b"+" in head[2:4]
    letters = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    count_format, entry_format, offset_format = (order + letter for letter in letters)
    (at,) = struct.unpack_from(offset_format, head, 8 if is_big else 4)
    count_bytes = struct.calcsize(count_format)
    (count,) = struct.unpack(count_format, os.pread(file, count_bytes, at))
    entries = os.pread(file, struct.calcsize(entry_format) * min(count, 0xFFFF), at + count_bytes)
    found, values = CodedPicture(), {}
    for tag, kind, length, value in struct.iter_unpack(entry_format, entries):
        if tag not in _TIFF_LAYOUT | _TIFF_OTHER:
            continue
        layout = f"{order}{length}{_TIFF_TYPES[kind]}"
        needed_bytes = struct.calcsize(layout)
        if needed_bytes > size_bytes:
            raise ValueError("longer than the file")
        if needed_bytes > len(value):  # the entry holds the offset of its values, not the values
            value = os.pread(file, needed_bytes, *struct.unpack(offset_format, value))
        values[tag] = struct.unpack_from(layout, value)
        found.layout += repr((tag, values[tag])).encode() if tag in _TIFF_LAYOUT else b""
    starts = values.get(_STRIP_OFFSETS) or values[_TILE_OFFSETS]
    lengths = values.get(_STRIP_SIZES) or values[_TILE_SIZES]
    found.ranges = sorted((start, start + length) for start, length in zip(starts, lengths, strict=True))
    orientation = values.get(_ORIENTATION, (1,))[0]
    found.orientation = bytes([orientation]) if 1 < orientation <= 8 else b""
    found.colour_profile = bytes(values.get(_ICC_PROFILE, ()))
    return found


_FINDERS: dict[str, Callable[[int, int], CodedPicture]] = {
    "JPEG": _find_in_jpeg,
    "PNG": _find_in_png,
    "WEBP": _find_in_webp,
    "HEIF": _find_in_heif,
    "AVIF": _find_in_heif,
    "TIFF": _find_in_tiff,
}


class PictureHasher:
    """Hashes the bytes of a coded picture while its file is read block by block."""

    def __init__(self, picture: CodedPicture) -> None:
        self._hasher = xxhash.xxh3_128(picture.layout)
        self._ranges = picture.ranges
        self._range_index = 0
        self._offset = 0

    def update(self, block: memoryview) -> None:
        """Take the next block of the file."""
        end = self._offset + len(block)
        while self._range_index < len(self._ranges):
            start, stop = self._ranges[self._range_index]
            if start >= end:
                break
            self._hasher.update(block[max(start - self._offset, 0) : max(stop - self._offset, 0)])
            if stop > end:
                break
            self._range_index += 1
        self._offset = end

    def hexdigest(self) -> str:
        """Return the hash as 32 hex digits."""
        return str(self._hasher.hexdigest())
