"""What is sent about one photo: a JPEG with nothing but pixels in it, and the request's body."""

import base64
import math
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from vibe_photos.annotate.prompt import Question
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.settings import SentImage


def prepare_jpeg(path: Path, image: SentImage, max_pixels: int) -> bytes:
    """Return the photo as the baseline JPEG that a teacher is shown.

    Oriented, sRGB, at most `image.max_edge_px` long and `image.max_pixels` large, never enlarged, with no
    metadata of any kind. The same file gives the same bytes.

    Raises:
        DecodeError: the file is no photo that can be read, or has more than `max_pixels`.
    """
    sent_size = (0, 0)

    def needed_size(width: int, height: int) -> tuple[int, int]:
        nonlocal sent_size
        sent_size = fit_size(width, height, image)
        return sent_size

    decoded = decode_photo(path, max_pixels=max_pixels, needed_size=needed_size)
    if sent_size == (0, 0):  # the decoder had no use for the size
        sent_size = fit_size(*decoded.size, image)
    sent = resize(resize(decoded, (decoded.width, sent_size[1])), sent_size)  # rows first is faster
    sent.info = {}  # Pillow writes a comment, XMP or DPI that it finds here into the file
    jpeg = BytesIO()
    sent.save(jpeg, "JPEG", quality=image.jpeg_quality)
    return jpeg.getvalue()


def fit_size(width: int, height: int, image: SentImage) -> tuple[int, int]:
    """Return the size in pixels at which a photo of this size is sent."""
    scale = min(1.0, image.max_edge_px / max(width, height), math.sqrt(image.max_pixels / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def data_url(jpeg: bytes) -> str:
    """Return the JPEG as the URL that carries it."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def request_body(
    question: Question, model: str, image_url: str, *, response_format: str, max_tokens: int
) -> bytes:
    """Return the JSON body of a chat completion request about one photo."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [
            {"role": "system", "content": question.system},
            {
                "role": "user",
                "content": [
                    {"type": "image_url", "image_url": {"url": image_url}},
                    {"type": "text", "text": question.user},
                ],
            },
        ],
        "temperature": question.sampling.temperature,
        "max_tokens": max_tokens,
        "response_format": _describe_format(question, response_format),
    }
    if question.sampling.seed is not None:
        body["seed"] = question.sampling.seed
    return orjson.dumps(body)


def _describe_format(question: Question, response_format: str) -> dict[str, Any]:
    if response_format == "json_object":
        return {"type": "json_object"}
    schema = {"name": "photo_annotation", "strict": True, "schema": question.schema}
    return {"type": "json_schema", "json_schema": schema}
