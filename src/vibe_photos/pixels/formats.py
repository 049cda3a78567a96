"""The image formats that may be opened: recognised by a file's first bytes, read by Pillow's readers.

A file's name counts for nothing. The readers are called directly, because `Image.open` warns of large
pictures by a limit that is global to the process, and gives JPEGs with several pictures to a reader that
cannot shrink while decoding.
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
"""How much of a file's beginning `recognise_format` needs; a shorter file is passed whole."""

BOUNDED_FORMATS = frozenset({"JPEG", "PNG"})
"""Formats whose decoding time and memory follow from the number of pixels, which is checked first.

The others are decoded in a process of their own, with limits: see `decoder_process`.
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
    """Return Pillow's name of the format that `head` begins, or None when it is none of the allowed ones.

    Allowed are JPEG, PNG, WEBP, BMP, TIFF (BigTIFF too), GIF, HEIF and AVIF. PostScript and the other
    formats that Pillow could open are not: their readers run programs or have no limits.
    """
    for image_format, beginnings in _BEGINNINGS.items():
        if head.startswith(beginnings):
            return image_format
    if head[4:8] == b"ftyp":
        return _recognise_brand(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    # Two letters alone would make every text that begins with BM a picture.
    if head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return "BMP"
    return None


def _recognise_brand(head: bytes) -> str | None:
    """Tell HEIF from AVIF and both from films, by the brands of the ISO base media file (14496-12, 4.3)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end, 4))}
    if brands & _AVIF_BRANDS:
        return "AVIF"
    return "HEIF" if brands & _HEIF_BRANDS else None


def open_image(file: IO[bytes], image_format: str) -> ImageFile.ImageFile:
    """Read the header of an image of a known format; no pixel is decoded.

    Raises:
        Exception: whatever Pillow's reader raises for a damaged header.
        DecodeError: `too_complex`, a JPEG that would take too long.
    """
    return _READERS[image_format](file)


def _open_jpeg(file: IO[bytes]) -> ImageFile.ImageFile:
    """Open a JPEG, unless it is a bomb.

    Each scan of a progressive JPEG costs a pass over all pixels, and a pass can be a few hundred bytes.
    Cameras and editors write about ten.
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
    # The import takes 20 ms, and most libraries hold no HEIF.
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
