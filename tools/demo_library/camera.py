"""What a camera does to a scene: horizon, light, colour cast, blur, noise, and the JPEG it writes."""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image, ImageFilter

from tools.demo_library.portable_math import cos, exp, power, sin, tanh

MOST_BYTES = 11_200
_ORIENTATION, _MAKE, _MODEL, _GPS = 0x0112, 0x010F, 0x0110, 0x8825
_TURNS = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
_CAMERAS = (("Norda", "N-30"), ("Velmo", "Pocket 5"), ("Lumen", "LX Mini"), ("Tindra", "One"))


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the JPEG says besides its pixels.

    Attributes:
        orientation: EXIF orientation 1, 3, 6 or 8; pixels are stored turned so that applying it rights them.
        has_origin: Whether it names a (made-up) camera and a place near 0° N, 0° E.
    """

    orientation: int = 1
    has_origin: bool = False


def draw_metadata(rng: np.random.Generator) -> Metadata:
    """Draw a photo's metadata: one in eight is stored turned, one in four names camera and place."""
    orientation = int(rng.choice((3, 6, 8))) if rng.random() < 0.125 else 1
    return Metadata(orientation, bool(rng.random() < 0.25))


def _tilt(rng: np.random.Generator, scene: Image.Image) -> Image.Image:
    """Hold the camera a little askew and cut to what is inside the turned frame."""
    degrees = float(np.clip(rng.normal(0, 1.6), -5, 5))
    angle = abs(np.radians(degrees))
    width, height = scene.size
    keep = 1 / (cos(angle) + sin(angle) * max(width, height) / min(width, height))
    left, top = width * (1 - keep) / 2, height * (1 - keep) / 2
    turned = scene.rotate(degrees, Image.Resampling.BICUBIC)
    return turned.crop((round(left), round(top), round(width - left), round(height - top)))


def _grade(rng: np.random.Generator, pixels: np.ndarray) -> np.ndarray:
    """Exposure as a meter sets it, contrast, colour cast, saturation, haze; pixels are floats in [0, 1]."""
    exposure = exp(rng.normal(0.05, 0.11)) * (0.6 if rng.random() < 0.06 else 1.0)
    exposure *= min(1.0, 0.58 / float(pixels.mean()))
    cast = 1 + rng.normal(0, 0.02, size=3) + rng.normal(0, 0.035) * np.array([1.0, 0.1, -1.0])
    graded = power(pixels, rng.uniform(0.82, 1.12)) * exposure * cast
    grey = graded.mean(axis=2, keepdims=True)
    graded = grey + (graded - grey) * rng.uniform(0.75, 1.15)
    graded = 0.5 + (graded - 0.5) * rng.uniform(0.84, 1.15)
    # Film and sensors roll off: without it pale things would vanish in a pale backdrop.
    graded = np.where(graded > 0.8, 0.8 + 0.2 * tanh((graded - 0.8) / 0.2), graded)
    veil = rng.uniform(0, 0.16) if rng.random() < 0.3 else 0.0
    hazy: np.ndarray = graded * (1 - veil) + 0.8 * veil
    return hazy


def _fall_off(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Vignette and uneven light, as gains of shape (height, width, 1)."""
    down, across = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None, :]
    vignette = 1 - rng.uniform(0, 0.16) * (down**2 + across**2)
    uneven = 1 + rng.normal(0, 0.1) * across + rng.normal(0, 0.07) * down
    gains: np.ndarray = (vignette * uneven)[..., None]
    return gains


def _blur(rng: np.random.Generator, photo: Image.Image) -> Image.Image:
    chance = rng.random()
    if chance < 0.3:
        return photo.filter(ImageFilter.GaussianBlur(rng.uniform(0.4, 1.3)))
    if chance < 0.38:
        kernel = np.zeros((5, 5))
        kernel[2] = 1
        taps = (kernel if rng.random() < 0.5 else np.eye(5)).reshape(-1)
        return photo.filter(ImageFilter.Kernel((5, 5), taps.tolist()))
    return photo


def expose(rng: np.random.Generator, scene: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Take the photo.

    Args:
        rng: The photo's source of randomness.
        scene: Painted scene, larger than the photo.
        size: Width and height of the photo in px.
    """
    photo = _blur(rng, _tilt(rng, scene).resize(size, Image.Resampling.LANCZOS))
    pixels = _grade(rng, np.asarray(photo, dtype=np.float64) / 255) * _fall_off(rng, (size[1], size[0]))
    grain = rng.normal(0, 1, size=(size[1], size[0], 1)) + 0.5 * rng.normal(0, 1, size=(size[1], size[0], 3))
    pixels = pixels + grain * rng.gamma(1.6, 0.0045)
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).round().astype(np.uint8), "RGB")


def _build_exif(metadata: Metadata, rng: np.random.Generator) -> Image.Exif:
    exif = Image.Exif()
    if metadata.orientation != 1:
        exif[_ORIENTATION] = metadata.orientation
    if metadata.has_origin:
        exif[_MAKE], exif[_MODEL] = _CAMERAS[int(rng.integers(len(_CAMERAS)))]
        north, east = (float(minutes) for minutes in rng.integers(0, 60, size=2))
        exif[_GPS] = {1: "N", 2: (0.0, north, 0.0), 3: "E", 4: (0.0, east, 0.0)}
    return exif


def encode_jpeg(rng: np.random.Generator, photo: Image.Image, metadata: Metadata) -> bytes:
    """Write a photo as JPEG of at most `MOST_BYTES`, lowering the quality until it fits."""
    stored = photo.transpose(_TURNS[metadata.orientation]) if metadata.orientation in _TURNS else photo
    exif = _build_exif(metadata, rng)
    quality = int(rng.integers(86, 96))
    while True:
        buffer = BytesIO()
        stored.save(buffer, "JPEG", quality=quality, exif=exif)
        if buffer.tell() <= MOST_BYTES or quality <= 30:
            return buffer.getvalue()
        quality -= 4
