"""Whether a chat completion request is what a strict server takes: model, messages, one whole JPEG."""

import base64
import binascii
import warnings
from io import BytesIO

import msgspec
from PIL import Image

from vibe_photos.errors import VibePhotosError

_IMAGE_START = "data:image/jpeg;base64,"
_JPEG_END = b"\xff\xd9"


class BadRequest(VibePhotosError):
    """What is wrong with a request."""


class _ImageUrl(msgspec.Struct):
    url: str


class _Part(msgspec.Struct):
    type: str
    text: str = ""
    image_url: _ImageUrl | None = None


class _Message(msgspec.Struct):
    role: str
    content: str | list[_Part]


class _Request(msgspec.Struct):
    model: str
    messages: list[_Message]
    max_tokens: int
    temperature: float = 0.0


_DECODER = msgspec.json.Decoder(_Request)


def check_request(body: bytes) -> str:
    """Return the model that a well-formed request asks for.

    Raises:
        BadRequest: it is not JSON, lacks a part, or its image is no whole JPEG.
    """
    try:
        request = _DECODER.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"no chat completion request: {error}") from None
    parts = [
        part for message in request.messages if isinstance(message.content, list) for part in message.content
    ]
    images = [part.image_url.url for part in parts if part.image_url]
    if len(images) != 1 or not any(part.text for part in parts):
        raise BadRequest("the request needs one image and a text")
    _check_jpeg(images[0])
    return request.model


def _check_jpeg(url: str) -> None:
    if not url.startswith(_IMAGE_START):
        raise BadRequest(f"the image is not given as {_IMAGE_START}...")
    try:
        jpeg = base64.b64decode(url[len(_IMAGE_START) :], validate=True)
        with warnings.catch_warnings(), Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
            warnings.simplefilter("ignore")
            is_whole = image.width > 0 and jpeg.endswith(_JPEG_END)
    except (binascii.Error, OSError, ValueError) as error:
        raise BadRequest(f"the image cannot be read: {error}") from None
    if not is_whole:
        raise BadRequest("the image breaks off")
