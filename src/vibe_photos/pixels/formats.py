"""The supported image formats: detected by a file's first bytes, read by Pillow's readers.

The readers are called directly, because `Image.open` has a process-wide limit on pixels, and passes JPEGs
with several pictures to a reader that cannot shrink while decoding.
"""

from collections.abc import Callable
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

HEAD_BYTES = 512
"""How many first bytes of a file `recognise_format` needs; fewer only if the file is shorter."""

BOUNDED_FORMATS = frozenset({"JPEG", "PNG"})
"""Formats whose decoding time and memory are limited by the number of pixels.

The others are decoded in a child process with limits: see `decoder_process`.
"""

_BEGINNINGS: dict[str, bytes | tuple[bytes, ...]] = {
    "JPEG": b"\xff\xd8\xff",
    "PNG": b"\x89PNG\r\n\x1a\n",
    "GIF": (b"GIF87a", b"GIF89a"),
    "TIFF": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}
_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_MAX_JPEG_SCANS = 100


def recognise_format(head: bytes) -> str | None:
    """Return Pillow's name of a file's format, given its first bytes, or None if it is not supported.

    Supported are JPEG, PNG, WEBP, BMP, TIFF (also BigTIFF), GIF, HEIF and AVIF. Pillow's readers of other
    formats, such as PostScript, run programs or have no limits.
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


def open_image(file: IO[bytes], image_format: str) -> ImageFile.ImageFile:
    """Read the header of an image of a known format, without decoding pixels.

    Raises:
        Exception: anything that Pillow's reader raises for a damaged header.
        DecodeError: `too_complex`, a JPEG that would take too long.
    """
    return _READERS[image_format](file)


def _open_jpeg(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a JPEG, unless it has too many scans.

    Each scan of a progressive JPEG is a pass over all pixels but may be only a few hundred bytes. Cameras and
    editors write about ten.
    """
    image = JpegImagePlugin.JpegImageFile(file)
    if "progressive" in image.info:
        after_header = file.tell()
        file.seek(0)
        scans = file.read().count(b"\xff\xda")
        file.seek(after_header)
        if scans > _MAX_JPEG_SCANS:
            raise DecodeError("too_complex", f"a progressive JPEG of {scans} scans would take too long")
    return image


def _open_heif(file: IO[bytes]) -> ImageFile.ImageFile:
    # The import takes 20 ms, and most libraries have no HEIF.
    from pillow_heif import HeifImageFile

    image: ImageFile.ImageFile = HeifImageFile(file)  # type: ignore[no-untyped-call]
    return image


_READERS: dict[str, Callable[[IO[bytes]], ImageFile.ImageFile]] = {
    "JPEG": _open_jpeg,
    "PNG": PngImagePlugin.PngImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "AVIF": AvifImagePlugin.AvifImageFile,
    "HEIF": _open_heif,
}
