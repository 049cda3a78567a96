"""Pictures of nothing in particular: lights at night, fireworks, fabric, ceilings, pocket shots, a car."""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from tools.demo_library.portable_math import cos, sin
from tools.demo_library.sketch import darken, lighten, mix, pick, vary, vivid
from tools.demo_library.textures import Size, gradient, noise, roughen, surface


def _night_lights(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = gradient(size, (10, 12, 26), vary(rng, (44, 34, 50), 14))
    draw = ImageDraw.Draw(photo, "RGBA")
    for _ in range(int(rng.integers(12, 40))):
        x, y, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), size[0] * rng.uniform(0.015, 0.06)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], fill=(*lighten(vivid(rng), 0.3), 120))
    return photo


def _fireworks(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = gradient(size, (8, 10, 24), (30, 28, 48))
    draw = ImageDraw.Draw(photo)
    for _ in range(int(rng.integers(2, 6))):
        x, y, reach = (
            rng.uniform(0.15, 0.85) * size[0],
            rng.uniform(0.1, 0.7) * size[1],
            size[1] * rng.uniform(0.12, 0.34),
        )
        fill = lighten(vivid(rng), 0.3)
        for angle in np.linspace(0, 6.28, int(rng.integers(16, 34))):
            length = reach * rng.uniform(0.7, 1)
            tip = (x + length * cos(angle), y + length * sin(angle) + 0.1 * reach)
            draw.line(
                [(x + 0.3 * length * cos(angle), y + 0.3 * length * sin(angle)), tip],
                fill=fill,
                width=2,
            )
            draw.ellipse([tip[0] - 2, tip[1] - 2, tip[0] + 2, tip[1] + 2], fill=lighten(fill, 0.5))
    return photo


def _fabric(rng: np.random.Generator, size: Size) -> Image.Image:
    photo = surface(rng, pick(rng, ("cloth", "tiles", "wood")), size)
    folds = sin(noise(rng, size, (3, 2)) * rng.uniform(12, 30)).astype(np.float32)
    pixels = np.asarray(photo, dtype=np.float32) * (1 + 0.22 * folds[..., None])
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8), "RGB")


def _ceiling(rng: np.random.Generator, size: Size) -> Image.Image:
    base = vary(rng, (214, 210, 202), 18)
    photo = roughen(rng, gradient(size, base, darken(base, 0.2)), (3, 3), 0.1)
    draw = ImageDraw.Draw(photo)
    corner = (rng.uniform(0.2, 0.8) * size[0], rng.uniform(0.5, 0.85) * size[1])
    draw.polygon([(0, corner[1] - 30), corner, (0, size[1])], fill=darken(base, 0.25))
    draw.polygon([(0, size[1]), corner, (size[0], corner[1] - 50), size], fill=darken(base, 0.16))
    x, y, radius = (
        rng.uniform(0.2, 0.8) * size[0],
        rng.uniform(0.1, 0.4) * size[1],
        size[0] * rng.uniform(0.05, 0.12),
    )
    draw.ellipse([x - radius, y - radius * 0.6, x + radius, y + radius * 0.6], fill=(255, 248, 220))
    return photo


def _pocket_shot(rng: np.random.Generator, size: Size) -> Image.Image:
    dark, warm = vary(rng, (40, 34, 38), 16), vary(rng, (150, 80, 60), 30)
    photo = Image.fromarray(
        (noise(rng, size, (3, 3))[..., None] * (np.array(warm) - dark) + dark).astype(np.uint8), "RGB"
    )
    draw = ImageDraw.Draw(photo)
    for _ in range(3):
        points = [(rng.uniform(-0.2, 1.2) * size[0], rng.uniform(-0.2, 1.2) * size[1]) for _ in range(3)]
        draw.polygon(points, fill=mix(vivid(rng), dark, 0.5))
    return photo.filter(ImageFilter.GaussianBlur(size[0] * 0.03))


def _car(rng: np.random.Generator, size: Size) -> Image.Image:
    paint = vivid(rng)
    photo = gradient(size, (150, 170, 186), (120, 118, 116))
    draw = ImageDraw.Draw(photo)
    width, foot = size[0] * rng.uniform(0.8, 1.15), size[1] * rng.uniform(0.74, 0.88)
    x, height = size[0] * rng.uniform(-0.12, 0.12), size[1] * rng.uniform(0.4, 0.5)
    draw.ellipse([x, foot - 12, x + width, foot + 22], fill=(54, 54, 58))
    roof = [
        (x + width * 0.2, foot - height * 0.55),
        (x + width * 0.34, foot - height),
        (x + width * 0.68, foot - height),
        (x + width * 0.84, foot - height * 0.55),
    ]
    draw.polygon(roof, fill=darken(paint, 0.1))
    draw.polygon(
        [
            (x + width * 0.25, foot - height * 0.55),
            (x + width * 0.36, foot - height * 0.92),
            (x + width * 0.49, foot - height * 0.92),
            (x + width * 0.49, foot - height * 0.55),
        ],
        fill=(170, 196, 210),
    )
    draw.polygon(
        [
            (x + width * 0.52, foot - height * 0.55),
            (x + width * 0.52, foot - height * 0.92),
            (x + width * 0.66, foot - height * 0.92),
            (x + width * 0.78, foot - height * 0.55),
        ],
        fill=(150, 178, 194),
    )
    draw.rounded_rectangle([x, foot - height * 0.58, x + width, foot - height * 0.08], radius=26, fill=paint)
    draw.rectangle(
        [x + 8, foot - height * 0.36, x + width - 8, foot - height * 0.32], fill=lighten(paint, 0.3)
    )
    for share in (0.2, 0.78):
        wheel = height * 0.24
        cx, cy = x + width * share, foot - wheel * 0.6
        for radius, fill in (
            (wheel, (28, 28, 30)),
            (wheel * 0.6, (176, 178, 182)),
            (wheel * 0.2, (70, 72, 76)),
        ):
            draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=fill)
    draw.ellipse(
        [x + width * 0.93, foot - height * 0.48, x + width * 0.99, foot - height * 0.36], fill=(255, 240, 190)
    )
    return photo


def _shadow_on_wall(rng: np.random.Generator, size: Size) -> Image.Image:
    base = mix(vivid(rng), (214, 196, 170), 0.7)
    photo = roughen(rng, Image.new("RGB", size, base), (50, 50), 0.14)
    shadow = Image.new("L", size)
    draw = ImageDraw.Draw(shadow)
    for _ in range(int(rng.integers(3, 9))):
        x, lean, width = (
            rng.uniform(-0.2, 1) * size[0],
            rng.uniform(-80, 160),
            size[0] * rng.uniform(0.02, 0.1),
        )
        draw.polygon([(x, 0), (x + width, 0), (x + width + lean, size[1]), (x + lean, size[1])], fill=150)
    photo.paste(darken(base, 0.55), (0, 0), shadow.filter(ImageFilter.GaussianBlur(3)))
    return photo


ODDITIES = {
    "night lights": _night_lights,
    "fireworks": _fireworks,
    "fabric": _fabric,
    "ceiling": _ceiling,
    "pocket shot": _pocket_shot,
    "parked car": _car,
    "shadow on a wall": _shadow_on_wall,
}


def paint_oddity(rng: np.random.Generator, setting: str, size: Size) -> Image.Image:
    """Paint one of the pictures that fit no other scene."""
    return ODDITIES[setting](rng, size)
