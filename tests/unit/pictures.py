"""Small pictures of every format, made on the spot."""

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

LONG_AGO_SECONDS = 1_500_000_000
FORMATS = {
    "JPEG": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "BMP": "bmp",
    "TIFF": "tif",
    "GIF": "gif",
    "HEIF": "heic",
    "AVIF": "avif",
}


def draw_picture(seed: int, width: int = 96, height: int = 64) -> Image.Image:
    """A smooth random picture: blobs of colour, as photos have at a distance."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encode_picture(image: Image.Image, image_format: str, **options: object) -> bytes:
    if image_format == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    buffer = io.BytesIO()
    image.save(buffer, image_format, **options)
    return buffer.getvalue()


def put_file(path: Path | bytes, data: bytes) -> None:
    """Write a file that was last modified long ago, so that a scan may trust its stamp."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
    os.utime(path, (LONG_AGO_SECONDS, LONG_AGO_SECONDS))
