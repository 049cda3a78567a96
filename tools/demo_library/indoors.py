"""Backdrops under a roof: rooms, desks, kitchens, table tops, studio sweeps."""

import numpy as np
from PIL import Image, ImageDraw

from tools.demo_library.portable_math import sin
from tools.demo_library.sketch import Color, darken, lighten, mix, pick, vary, vivid
from tools.demo_library.textures import Size, gradient, lay_surface, noise, roughen, surface

Box = tuple[float, float, float, float]


def _wall(rng: np.random.Generator, size: Size) -> Image.Image:
    pale = pick(
        rng,
        (
            (232, 226, 214),
            (206, 214, 218),
            (222, 206, 190),
            (190, 200, 186),
            (150, 160, 176),
            (110, 104, 110),
        ),
    )
    base = mix(vary(rng, pale, 12), vivid(rng), 0.12)
    return roughen(rng, gradient(size, lighten(base, 0.08), darken(base, 0.08)), (6, 5), 0.07)


def _paint_window(rng: np.random.Generator, photo: Image.Image, box: Box) -> None:
    x0, y0, x1, y1 = box
    draw = ImageDraw.Draw(photo)
    pane = pick(rng, ((190, 216, 236), (236, 240, 240), (60, 70, 100)))
    draw.rectangle(box, fill=(240, 238, 232))
    draw.rectangle([x0 + 6, y0 + 6, x1 - 6, y1 - 6], fill=pane)
    draw.rectangle([x0 + 6, y1 - (y1 - y0) * 0.3, x1 - 6, y1 - 6], fill=mix(pane, (80, 130, 80), 0.6))
    draw.line([((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1)], fill=(240, 238, 232), width=5)
    draw.line([(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2)], fill=(240, 238, 232), width=5)


def _paint_picture(rng: np.random.Generator, photo: Image.Image, box: Box) -> None:
    x0, y0, x1, y1 = box
    draw = ImageDraw.Draw(photo)
    draw.rectangle(box, fill=pick(rng, ((60, 46, 38), (230, 226, 218), (190, 150, 80))))
    inner = [x0 + 5, y0 + 5, x1 - 5, y1 - 5]
    draw.rectangle(inner, fill=vivid(rng))
    draw.ellipse(
        [x0 + (x1 - x0) * 0.3, y0 + (y1 - y0) * 0.3, x1 - (x1 - x0) * 0.3, y1 - (y1 - y0) * 0.3],
        fill=vivid(rng),
    )


def _paint_shelf(rng: np.random.Generator, photo: Image.Image, box: Box) -> None:
    """Shelves with plain boxes and vases on them, too far away to be told apart."""
    x0, y0, x1, y1 = box
    draw = ImageDraw.Draw(photo)
    wood = vary(rng, pick(rng, ((120, 84, 56), (226, 222, 214), (80, 74, 72))), 10)
    draw.rectangle(box, fill=darken(wood, 0.35))
    boards = int(rng.integers(2, 5))
    pitch = (y1 - y0) / boards
    for board in range(boards):
        low = y0 + (board + 1) * pitch
        x = x0 + 6
        while x < x1 - 12:
            width = rng.uniform(6, 16)
            if rng.random() < 0.82:
                draw.rectangle(
                    [x, low - pitch * rng.uniform(0.4, 0.8), min(x + width, x1 - 4), low], fill=vivid(rng)
                )
            x += width + 1
        draw.rectangle([x0, low - 4, x1, low], fill=wood)


def _paint_sofa(rng: np.random.Generator, photo: Image.Image, floor: float) -> None:
    cloth = vivid(rng)
    draw = ImageDraw.Draw(photo)
    width, height = photo.width * rng.uniform(0.5, 0.75), photo.height * rng.uniform(0.24, 0.34)
    x, foot = rng.uniform(0.02, 0.4) * photo.width, photo.height * (floor + 0.1)
    draw.rounded_rectangle([x, foot - height, x + width, foot], radius=16, fill=darken(cloth, 0.15))
    for half in range(2):
        left = x + width * (0.09 + 0.42 * half)
        draw.rounded_rectangle(
            [left, foot - height * 0.55, left + width * 0.4, foot - 6], radius=10, fill=cloth
        )
    for left in (x - 8, x + width - width * 0.08):
        draw.rounded_rectangle(
            [left, foot - height * 0.66, left + width * 0.1, foot], radius=9, fill=darken(cloth, 0.25)
        )
    pillow = vivid(rng)
    draw.rounded_rectangle(
        [x + width * 0.14, foot - height * 0.85, x + width * 0.32, foot - height * 0.4], radius=8, fill=pillow
    )


def _hang_on_wall(rng: np.random.Generator, photo: Image.Image, floor: float) -> None:
    """Hang windows, pictures and shelves side by side."""
    for slot in range(int(rng.integers(1, 4))):
        x0 = photo.width * (0.04 + 0.33 * slot + rng.uniform(0, 0.06))
        y0 = photo.height * floor * rng.uniform(0.08, 0.3)
        width, height = photo.width * rng.uniform(0.14, 0.26), photo.height * floor * rng.uniform(0.35, 0.6)
        painter = pick(rng, (_paint_window, _paint_picture, _paint_picture, _paint_shelf))
        painter(rng, photo, (x0, y0, x0 + width, y0 + height))


def _room(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    photo, floor = _wall(rng, size), float(rng.uniform(0.55, 0.68))
    _hang_on_wall(rng, photo, floor)
    lay_surface(photo, surface(rng, pick(rng, ("wood", "wood", "tiles", "plain")), (500, 400)), floor)
    line = round(floor * size[1])
    ImageDraw.Draw(photo).rectangle([0, line - 7, size[0], line], fill=(236, 232, 224))
    if rng.random() < 0.75:
        _paint_sofa(rng, photo, floor)
    return photo, floor + 0.08


def _kitchen(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    photo, top = _wall(rng, size), float(rng.uniform(0.5, 0.6))
    tiles = surface(rng, "tiles", size)
    photo.paste(tiles.crop((0, 0, size[0], round(size[1] * top * 0.55))), (0, round(size[1] * top * 0.45)))
    draw = ImageDraw.Draw(photo)
    front = mix(vivid(rng), (230, 226, 220), 0.5)
    step = size[0] / int(rng.integers(3, 6))
    for x in np.arange(0, size[0], step):
        draw.rectangle([x + 2, 0, x + step - 2, size[1] * top * 0.4], fill=vary(rng, front, 4))
        draw.line(
            [(x + step * 0.84, size[1] * top * 0.25), (x + step * 0.84, size[1] * top * 0.36)],
            fill=(90, 90, 92),
            width=3,
        )
    lay_surface(photo, surface(rng, pick(rng, ("wood", "plain")), (500, 400)), top)
    return photo, top + 0.06


def _desk(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    photo, top = _wall(rng, size), float(rng.uniform(0.36, 0.5))
    _hang_on_wall(rng, photo, top)
    lay_surface(photo, surface(rng, pick(rng, ("wood", "wood", "plain")), (500, 400)), top)
    return photo, top + 0.08


def _restaurant(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    photo, top = _wall(rng, size), float(rng.uniform(0.26, 0.4))
    dark: Color = pick(rng, ((70, 44, 40), (40, 52, 60), (120, 90, 70)))
    photo = Image.blend(photo, Image.new("RGB", size, dark), 0.55)
    draw = ImageDraw.Draw(photo)
    for _ in range(int(rng.integers(4, 12))):
        x, y, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1] * top), rng.uniform(6, 18)
        draw.ellipse(
            [x - radius, y - radius, x + radius, y + radius],
            fill=mix(dark, (255, 214, 140), rng.uniform(0.4, 0.9)),
        )
    lay_surface(photo, surface(rng, pick(rng, ("cloth", "cloth", "wood")), (500, 400)), top)
    return photo, top + 0.08


def _studio(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    base = mix(
        vivid(rng),
        pick(rng, ((226, 226, 224), (214, 212, 206), (206, 210, 216), (226, 226, 224), (70, 72, 78))),
        rng.uniform(0.72, 0.97),
    )
    glow = noise(rng, size, (2, 2))
    photo = gradient(size, darken(base, 0.1), lighten(base, 0.12))
    return roughen(rng, photo, (2, 3), 0.08 + 0.04 * float(glow.mean())), float(rng.uniform(0.34, 0.5))


def _table_top(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    photo = surface(rng, pick(rng, ("wood", "wood", "wood", "cloth", "plain")), size)
    return photo, 0.0


def _carpet(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    return surface(rng, pick(rng, ("cloth", "plain", "wood")), size), 0.0


def _aquarium(rng: np.random.Generator, size: Size) -> tuple[Image.Image, float]:
    water = vary(rng, (40, 120, 160), 24)
    photo = roughen(rng, gradient(size, lighten(water, 0.3), darken(water, 0.35)), (6, 4), 0.15)
    draw = ImageDraw.Draw(photo)
    for _ in range(int(rng.integers(5, 12))):
        x, top = rng.uniform(0, size[0]), size[1] * rng.uniform(0.4, 0.8)
        stem = [(x + 10 * sin(y / 26 + x), y) for y in np.arange(top, size[1], 8)]
        draw.line(stem, fill=vary(rng, (60, 130, 70), 24), width=7)
    for _ in range(14):
        x, y, radius = rng.uniform(0, size[0]), rng.uniform(0, size[1]), rng.uniform(2, 6)
        draw.ellipse([x - radius, y - radius, x + radius, y + radius], outline=lighten(water, 0.6), width=2)
    return photo, 0.4


INDOORS = {
    "aquarium": _aquarium,
    "room": _room,
    "kitchen": _kitchen,
    "desk": _desk,
    "restaurant": _restaurant,
    "studio": _studio,
    "table top": _table_top,
    "carpet": _carpet,
}


def paint_indoors(rng: np.random.Generator, setting: str, size: Size) -> tuple[Image.Image, float]:
    """Paint a setting under a roof; returns it and where its floor or table begins (0: seen from above)."""
    return INDOORS[setting](rng, size)
