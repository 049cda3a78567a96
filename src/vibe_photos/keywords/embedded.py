"""The keywords that a photo itself holds, in its XMP and in the older IPTC; the photo is only read."""

from pathlib import Path

from PIL import ImageFile, IptcImagePlugin

from vibe_photos.errors import InputError
from vibe_photos.keywords.notation import KeywordPath
from vibe_photos.keywords.sidecar import read_keywords
from vibe_photos.pixels.formats import open_image

_IPTC_KEYWORDS = (2, 25)


def read_embedded(path: Path, image_format: str) -> list[KeywordPath]:
    """Return the keywords of a photo, those of its XMP first, each once.

    Args:
        path: the photo.
        image_format: Pillow's name of its format.

    Raises:
        InputError: what it holds cannot be read; the message goes after the name of the photo's sidecar.
        OSError: the photo cannot be read.
    """
    try:
        with path.open("rb") as file:
            image = open_image(file, image_format)
            xmp = image.info.get("xmp")
            words = _read_iptc(image)
    except OSError:
        raise
    except Exception as error:
        raise InputError(f"is not written, for the keywords in its photo cannot be read: {error}") from None
    paths = _read_xmp(xmp)
    known = {path[-1] for path in paths}
    return [*paths, *((word,) for word in words if word not in known)]


def _read_xmp(xmp: bytes | str | None) -> list[KeywordPath]:
    data = (xmp.encode() if isinstance(xmp, str) else xmp or b"").strip(b"\0 \r\n\t")
    try:
        return read_keywords(data) if data else []
    except InputError as error:
        raise InputError(f"is not written, for the XMP in its photo {error}") from None


def _read_iptc(image: ImageFile.ImageFile) -> list[str]:
    """Return IPTC-IIM's keywords (2:25): UTF-8, or what old programs wrote."""
    found = (IptcImagePlugin.getiptcinfo(image) or {}).get(_IPTC_KEYWORDS, [])
    words = [_decode(value) for value in (found if isinstance(found, list) else [found])]
    return [word for word in dict.fromkeys(words) if word.strip()]


def _decode(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    # IPTC may hold control characters, and XML may not.
    return "".join(character for character in text if character.isprintable())
