"""Which image format a file is, by its first bytes; its name counts for nothing."""

HEAD_BYTES = 512
"""How much of a file's beginning `recognise_format` wants to see; shorter files are judged as they are."""

_BMP_HEADER_SIZES = {12, 40, 52, 56, 64, 108, 124}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}


def recognise_format(head: bytes) -> str | None:
    """Return Pillow's name of the format that `head` begins, or None when it is none of the allowed ones.

    Allowed are JPEG, PNG, WEBP, BMP, TIFF (BigTIFF too), GIF, HEIF and AVIF. PostScript and the other
    formats that Pillow could open are not: their readers run programs or have no bounds.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[4:8] == b"ftyp":
        return _recognise_brand(head)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
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
