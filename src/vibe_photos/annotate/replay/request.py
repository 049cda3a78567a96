"""Whether a chat completion request is what a strict server takes: model, messages, one whole image."""

import base64
import binascii
from io import BytesIO

import msgspec
from PIL import Image

from vibe_photos.errors import VibePhotosError

_ENDINGS = {"jpeg": b"\xff\xd9", "png": b"IEND\xaeB`\x82"}
"""The image formats that are taken, and the bytes that a whole file of each ends in."""


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
        BadRequest: it is not JSON, lacks a part, or its image is not whole.
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
    _check_image(images[0])
    return request.model


def _check_image(url: str) -> None:
    head, _, encoded = url.partition(";base64,")
    name = head.removeprefix("data:image/")
    if name not in _ENDINGS:
        raise BadRequest(f"the image is none of {', '.join(_ENDINGS)}, in base64")
    try:
        content = base64.b64decode(encoded, validate=True)
        with Image.open(BytesIO(content), formats=[name]) as image:
            is_whole = image.width > 0 and content.endswith(_ENDINGS[name])
    except (binascii.Error, OSError, ValueError) as error:
        raise BadRequest(f"the image cannot be read: {error}") from None
    if not is_whole:
        raise BadRequest("the image breaks off")
