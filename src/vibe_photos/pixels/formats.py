"""The supported image formats: detected by a file's first bytes, read by Pillow's readers.

The readers are called directly, because `Image.open` has a process-wide limit on pixels, and passes JPEGs
with several pictures to a reader that cannot shrink while decoding.
"""

import os
import re
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from typing import IO

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    ImageFile,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from vibe_photos.errors import DecodeError

HOW_TO_READ_JXL = "JPEG XL needs a plugin: pip install 'vibe-photos[jxl]'"

HEAD_BYTES = 512
"""How many first bytes of a file `recognise_format` needs; fewer only if the file is shorter."""

BOUNDED_FORMATS = frozenset({"JPEG", "PNG"})
"""Formats whose decoding time and memory are limited by the number of pixels, in files up to `BOUNDED_BYTES`.

A JPEG has at most 100 scans, each a pass over all pixels: 250 megapixels in 100 empty scans took 5 s and
2.4 GB. All other files are decoded in a child process with limits: see `decoder_process`.
"""

BOUNDED_BYTES = 256 << 20
"""A larger JPEG or PNG is decoded in a child process too: its metadata alone could fill the memory."""

_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    "JXL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_FILM_BOXES = {b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

_MAX_JPEG_SCANS = 100
_MAX_JPEG_SEGMENTS = 1000
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
"""A marker among coded bytes, where 0xFF is followed by 0 or a restart marker (0xD0 to 0xD7)."""

_JPEG_FOLLOWING = frozenset(b"\xc4\xcc\xd9\xda\xdb\xdc\xdd\xfe") | frozenset(range(0xE0, 0xF0))
"""Second bytes of the markers that may follow a scan; others are bytes of something else, such as a film."""

_BLOCK_BYTES = 1 << 20
_REDUCED_IMAGE = 1
_SUBFILE_TYPE, _SUB_IFDS, _DNG_VERSION = 254, 330, 50706

# By default Pillow refuses a picture whose text or profile exceeds 1 MiB, which no viewer does. Image
# generators write more, and 64 MiB for all texts together stay the limit.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY


def recognise_format(head: bytes) -> str | None:
    """Return Pillow's name of a file's format, given its first bytes, or None if it is not supported.

    Supported are JPEG, PNG, WEBP, BMP, TIFF (also BigTIFF), GIF, HEIF, AVIF, and JXL (JPEG XL, with the extra
    `jxl`). Pillow's readers of other formats, such as PostScript, run programs or have no limits.
    """
    for image_format, beginnings in _BEGINNINGS.items():
        if head.startswith(beginnings):
            return image_format
    if head[4:8] == b"ftyp":
        return _recognise_brand(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    # A text may begin with BM too, so the header's size is checked.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return None


def _recognise_brand(head: bytes) -> str | None:
    """Distinguish HEIF, AVIF and videos by the brands of the ISO base media file (14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None


def can_read_jxl() -> bool:
    """Return whether the plugin for JPEG XL is installed."""
    return find_spec("pillow_jxl") is not None


def is_film(head: bytes) -> bool:
    """Return whether a file that is no supported image begins like an MP4, QuickTime or AVI film."""
    return head[4:8] in _FILM_BOXES or (head.startswith(b"RIFF") and head[8:12] == b"AVI ")


def open_image(file: IO[bytes], image_format: str) -> ImageFile.ImageFile:
    """Read the header of an image of a known format, without decoding pixels (a JXL is decoded).

    Raises:
        Exception: anything that Pillow's reader raises for a damaged header.
        DecodeError: `not_supported`, a RAW file, or a JXL without the extra `jxl`.
    """
    return _READERS[image_format](file)


def open_whole_jpeg(file: IO[bytes], image: ImageFile.ImageFile) -> ImageFile.ImageFile:
    """Return a JPEG, just opened, ready to decode: only its own coded bytes count, not a film behind them.

    If the end marker is missing, as in panoramas of some phones, the picture may still be whole. Then
    eight zeros follow the coded bytes, because libjpeg looks ahead. More zeros, which fill a broken-off copy,
    are left out: libjpeg would take them for pixels.

    Raises:
        Exception: anything that Pillow's reader raises for a damaged header.
        DecodeError: `too_complex`, more than 100 scans or 1,000 segments between them.
    """
    end = _find_broken_end(file)
    return image if end is None else JpegImagePlugin.JpegImageFile(_copy_coded_bytes(file, end))


def _find_broken_end(file: IO[bytes]) -> int | None:
    """Follow the markers of a JPEG, from behind its first start of a scan; None if there is an end marker.

    Otherwise return where its coded bytes end at the latest: at a marker that cannot follow, or at the file's
    end.

    Raises:
        DecodeError: `too_complex`.
    """
    at, scans = file.tell(), 1
    for _ in range(_MAX_JPEG_SEGMENTS):
        file.seek(at)
        while (marker := _JPEG_MARKER.search(block := file.read(_BLOCK_BYTES))) is None:
            if len(block) < _BLOCK_BYTES:
                return file.tell()
            file.seek(-1, os.SEEK_CUR)
        start = file.tell() - len(block) + marker.start()
        if marker[0][1] not in _JPEG_FOLLOWING:
            return start
        if marker[0] == b"\xff\xd9":
            return None
        scans += marker[0] == b"\xff\xda"
        if scans > _MAX_JPEG_SCANS:
            break
        file.seek(start + 2)
        at = start + 2 + int.from_bytes(file.read(2), "big")
    raise DecodeError("too_complex", f"a JPEG of more than {_MAX_JPEG_SCANS} scans would take too long")


def _copy_coded_bytes(file: IO[bytes], end: int) -> BytesIO:
    """Return a file up to `end`, without the zeros there, but with the 8 that libjpeg looks ahead."""
    while end:
        start = max(0, end - _BLOCK_BYTES)
        file.seek(start)
        block = file.read(end - start)
        if block != bytes(len(block)):
            end = start + len(block.rstrip(b"\0"))
            break
        end = start
    file.seek(0)
    return BytesIO(file.read(end) + bytes(8))


def _open_png(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a PNG; ancillary chunks (a small first letter: PNG, 5.4) may have a wrong checksum.

    Viewers show such files. Pillow refuses them if the chunk is before the pixels, and not if it is behind.
    """
    try:
        return PngImagePlugin.PngImageFile(file)
    except SyntaxError:
        file.seek(0)
        content, at = bytearray(file.read()), len(_BEGINNINGS["PNG"])
    while (end := at + 8 + int.from_bytes(content[at : at + 4], "big")) + 4 <= len(content):
        name = content[at + 4 : at + 8]
        if name == b"IDAT":
            break
        if name[:1].islower():
            content[end : end + 4] = zlib.crc32(content[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return PngImagePlugin.PngImageFile(BytesIO(content))


def _open_tiff(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a TIFF, unless its first picture is only the thumbnail of a RAW file."""
    image = TiffImagePlugin.TiffImageFile(file)
    tags = image.tag_v2
    is_reduced = tags.get(_SUBFILE_TYPE) == _REDUCED_IMAGE
    if is_reduced and (_SUB_IFDS in tags or _DNG_VERSION in tags):
        raise DecodeError("not_supported", "it is a RAW file: export it as JPEG, beside it or in its place")
    return image


def _open_heif(file: IO[bytes]) -> ImageFile.ImageFile:
    # The import takes 20 ms, and most libraries have no HEIF.
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


def _open_jxl(file: IO[bytes]) -> ImageFile.ImageFile:
    try:
        from pillow_jxl.JpegXLImagePlugin import JXLImageFile
    except ImportError:
        raise DecodeError("not_supported", HOW_TO_READ_JXL) from None
    image = JXLImageFile(file)
    if not image.jpeg:
        # The decoder has turned the picture already. Not so where a JPEG was packed: it comes out as it was.
        image.info.pop("exif", None)
    return image


_READERS: dict[str, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    "JPEG": JpegImagePlugin.JpegImageFile,
    "PNG": _open_png,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": _open_tiff,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIF": _open_heif,
    "JXL": _open_jxl,
}
