"""Surfaces as arrays: gradients, clouds of noise, wood, tiles, cloth."""

import numpy as np
from PIL import Image, ImageDraw

from tools.demo_library.placing import warp
from tools.demo_library.sketch import Color, darken, lighten, mix, pick, vary, vivid

Size = tuple[int, int]


def gradient(size: Size, top: Color, bottom: Color) -> Image.Image:
    """Blend from one colour at the top to another at the bottom."""
    share = np.linspace(0, 1, size[1])[:, None, None]
    pixels = np.array(top) * (1 - share) + np.array(bottom) * share
    return Image.fromarray(np.broadcast_to(pixels, (size[1], size[0], 3)).round().astype(np.uint8), "RGB")


def noise(rng: np.random.Generator, size: Size, cells: Size) -> np.ndarray:
    """Smooth random values in [0, 1], float32 of shape (height, width); `cells`: bumps across and down."""
    coarse = Image.fromarray(rng.random((max(2, cells[1]), max(2, cells[0])), dtype=np.float32), "F")
    smooth: np.ndarray = np.clip(np.asarray(coarse.resize(size, Image.Resampling.BICUBIC)), 0, 1)
    return smooth


def roughen(rng: np.random.Generator, image: Image.Image, cells: Size, strength: float) -> Image.Image:
    """Make a surface uneven: brighten and darken it by up to `strength` of its value."""
    gain = 1 + strength * (2 * noise(rng, image.size, cells) - 1)
    pixels = np.asarray(image, dtype=np.float32) * gain[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).round().astype(np.uint8), "RGB")


def blend(base: Image.Image, color: Color, mask: np.ndarray) -> Image.Image:
    """Cover an image with a colour where the mask, in [0, 1], says so."""
    return Image.composite(
        Image.new("RGB", base.size, color), base, Image.fromarray((mask * 255).round().astype(np.uint8), "L")
    )


def _wood(rng: np.random.Generator, size: Size) -> Image.Image:
    base = vary(
        rng, pick(rng, ((164, 116, 74), (120, 80, 52), (206, 172, 130), (92, 66, 50), (180, 150, 120))), 12
    )
    image = roughen(rng, Image.new("RGB", size, base), (4, 70), 0.22)
    draw = ImageDraw.Draw(image)
    planks = int(rng.integers(4, 8))
    for plank in range(1, planks):
        x = round(size[0] * plank / planks)
        draw.line([(x, 0), (x, size[1])], fill=darken(base, 0.5), width=2)
    return roughen(rng, image, (planks, 2), 0.12)


def _tiles(rng: np.random.Generator, size: Size) -> Image.Image:
    base = vary(rng, pick(rng, ((206, 200, 190), (150, 156, 160), (196, 160, 130), (100, 116, 120))), 12)
    other = lighten(base, 0.25) if rng.random() < 0.5 else base
    image = Image.new("RGB", size, darken(base, 0.3))
    draw = ImageDraw.Draw(image)
    count = int(rng.integers(5, 9))
    side = size[0] / count
    for row in range(int(size[1] / side) + 1):
        for column in range(count):
            fill = vary(rng, base if (row + column) % 2 else other, 5)
            x, y = column * side, row * side
            draw.rectangle([x + 2, y + 2, x + side - 2, y + side - 2], fill=fill)
    return image


def _cloth(rng: np.random.Generator, size: Size) -> Image.Image:
    base, stripe = vivid(rng), vivid(rng)
    image = Image.new("RGB", size, base)
    draw = ImageDraw.Draw(image, "RGBA")
    pitch = size[0] / int(rng.integers(5, 13))
    is_checked = rng.random() < 0.6
    for index in range(0, int(max(size) / pitch) + 1):
        span = (index * pitch, index * pitch + pitch * 0.5)
        draw.rectangle([span[0], 0, span[1], size[1]], fill=(*stripe, 130))
        if is_checked:
            draw.rectangle([0, span[0], size[0], span[1]], fill=(*stripe, 130))
    return roughen(rng, image, (60, 60), 0.12)


def _plain(rng: np.random.Generator, size: Size) -> Image.Image:
    pale: Color = pick(
        rng, ((226, 222, 214), (200, 206, 210), (120, 130, 140), (60, 62, 70), (224, 206, 190))
    )
    base = mix(vivid(rng), pale, 0.75)
    return roughen(rng, gradient(size, lighten(base, 0.1), darken(base, 0.1)), (40, 40), 0.05)


def surface(rng: np.random.Generator, kind: str, size: Size) -> Image.Image:
    """Make a flat surface seen from straight above: wood, tiles, cloth or plain."""
    return {"wood": _wood, "tiles": _tiles, "cloth": _cloth, "plain": _plain}[kind](rng, size)


def lay_surface(photo: Image.Image, texture: Image.Image, top: float) -> None:
    """Lay a surface in perspective below `top` (share of the height), converging towards the back."""
    width, height = photo.size
    top_px = round(top * height)
    page = (width, height - top_px)
    corners = np.array([(0, 0), (width, 0), (width * 1.7, page[1]), (-width * 0.7, page[1])], float)
    laid = warp(texture.convert("RGBA"), page, corners)
    photo.paste(laid.convert("RGB"), (0, top_px), laid.getchannel("A"))
