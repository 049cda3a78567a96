"""Backdrops under the sky: mountains, sea, meadow, forest, lake, desert, skyline, street, garden."""

import numpy as np
from PIL import Image, ImageDraw

from tools.demo_library.sketch import Color, darken, lighten, mix, pick, vary, vivid
from tools.demo_library.textures import Size, blend, gradient, noise, roughen

SKIES: tuple[tuple[Color, Color], ...] = (
    ((74, 130, 206), (190, 214, 234)),
    ((96, 150, 210), (226, 232, 232)),
    ((70, 60, 110), (244, 150, 96)),
    ((150, 160, 170), (206, 210, 212)),
    ((24, 30, 66), (84, 84, 130)),
    ((120, 170, 214), (250, 220, 180)),
)


def paint_sky(rng: np.random.Generator, size: Size) -> tuple[Image.Image, Color]:
    """Paint sky, sun or moon and clouds; returns it with the colour of its haze at the horizon."""
    top, haze = pick(rng, SKIES)
    top, haze = vary(rng, top, 16), vary(rng, haze, 12)
    sky = gradient(size, top, haze)
    if rng.random() < 0.45:
        radius = size[1] * rng.uniform(0.025, 0.06)
        x, y = rng.uniform(0.1, 0.9) * size[0], rng.uniform(0.08, 0.4) * size[1]
        box = [x - radius, y - radius, x + radius, y + radius]
        ImageDraw.Draw(sky).ellipse(box, fill=(255, 246, 214))
    if rng.random() < 0.7:
        cover = noise(rng, size, (5, 7)) * 0.65 + noise(rng, size, (14, 16)) * 0.35
        threshold = rng.uniform(0.42, 0.6)
        sky = blend(sky, lighten(haze, 0.55), np.clip((cover - threshold) * 4, 0, 0.85))
    return sky, haze


def ridge(rng: np.random.Generator, width: int, bumps: int, roughness: float) -> np.ndarray:
    """Heights in about [0, 1] of a skyline of hills, one per column."""
    columns = np.linspace(0, bumps, width)
    line = np.interp(columns, np.arange(bumps + 1), rng.random(bumps + 1))
    fine = np.interp(columns * 6, np.arange(6 * bumps + 1), rng.random(6 * bumps + 1))
    return line * (1 - roughness) + fine * roughness


def fill_below(photo: Image.Image, heights_px: np.ndarray, fill: Color) -> None:
    """Fill everything below a line of y values, one per column."""
    points = [(x, float(y)) for x, y in enumerate(heights_px)]
    ImageDraw.Draw(photo).polygon([*points, (photo.width, photo.height), (0, photo.height)], fill=fill)


def paint_tree(
    rng: np.random.Generator, photo: Image.Image, x: float, foot: float, height: float, leaf: Color
) -> None:
    """Paint one tree, leafy or a fir; all measures in px."""
    draw = ImageDraw.Draw(photo)
    trunk = height * 0.04 + 1
    draw.rectangle([x - trunk, foot - height * 0.4, x + trunk, foot], fill=(88, 66, 50))
    if sum(leaf) % 2:
        for share in (0.0, 0.22, 0.44):
            half, low = height * (0.3 - share * 0.36), foot - height * (0.16 + share)
            draw.polygon(
                [(x - half, low), (x + half, low), (x, low - height * 0.42)], fill=lighten(leaf, share * 0.2)
            )
        return
    for _ in range(9):
        cx, cy = x + height * rng.uniform(-0.2, 0.2), foot - height * rng.uniform(0.42, 0.86)
        radius = height * rng.uniform(0.12, 0.2)
        draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=vary(rng, leaf, 12))


def _paint_trees(
    rng: np.random.Generator, photo: Image.Image, horizon: float, count: int, leaf: Color
) -> None:
    for depth in np.sort(rng.random(count)):
        foot = photo.height * (horizon + 0.02 + 0.3 * float(depth * depth))
        height = photo.height * (0.1 + 0.42 * float(depth)) * rng.uniform(0.7, 1.2)
        paint_tree(rng, photo, rng.uniform(0, photo.width), foot, height, vary(rng, leaf, 10))


def _ground(rng: np.random.Generator, photo: Image.Image, top: float, color: Color, cells: Size) -> None:
    top_px = round(top * photo.height)
    size = (photo.width, photo.height - top_px)
    soil = roughen(rng, gradient(size, lighten(color, 0.12), darken(color, 0.22)), cells, 0.18)
    photo.paste(soil, (0, top_px))


def _mountains(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    rock = vary(rng, pick(rng, ((92, 100, 120), (110, 96, 90), (84, 104, 92))), 12)
    for layer in range(3):
        line = ridge(rng, photo.width, int(rng.integers(3, 6)) + layer, 0.28)
        reach = (0.5 - 0.12 * layer) * rng.uniform(0.7, 1)
        heights = (horizon + 0.05 - reach * line) * photo.height
        if layer == 0 and rng.random() < 0.6:
            fill_below(photo, heights, (240, 243, 248))
            heights = heights + photo.height * 0.05 * (0.6 + ridge(rng, photo.width, 24, 0.5))
        fill_below(photo, heights, mix(rock, haze, 0.55 - 0.25 * layer))
    _ground(rng, photo, horizon + 0.06, vary(rng, (96, 124, 74), 20), (30, 12))
    _paint_trees(rng, photo, horizon + 0.03, int(rng.integers(0, 9)), (48, 84, 63))


def _sea(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    water = mix(vary(rng, (36, 104, 138), 22), haze, 0.25)
    _ground(rng, photo, horizon, water, (10, 60))
    draw = ImageDraw.Draw(photo)
    for depth in np.sort(rng.random(26)):
        y = photo.height * (horizon + 0.02 + (1 - horizon) * float(depth))
        x, length = rng.uniform(0, photo.width), photo.width * (0.02 + 0.14 * float(depth))
        draw.line([(x, y), (x + length, y)], fill=lighten(water, 0.35), width=1 + int(2 * depth))
    if rng.random() < 0.65:
        shore = (horizon + (1 - horizon) * rng.uniform(0.4, 0.7)) * photo.height
        line = shore + photo.height * 0.12 * ridge(rng, photo.width, 3, 0.06)
        fill_below(photo, line - photo.height * 0.015, (240, 244, 244))
        fill_below(photo, line, vary(rng, (220, 196, 150), 12))
    if rng.random() < 0.35:
        x, y = rng.uniform(0.15, 0.85) * photo.width, photo.height * (horizon + 0.02)
        mast = photo.height * rng.uniform(0.08, 0.16)
        draw.polygon([(x, y - mast), (x, y), (x + mast * 0.55, y)], fill=(246, 244, 238))
        draw.polygon(
            [
                (x - mast * 0.4, y),
                (x + mast * 0.6, y),
                (x + mast * 0.4, y + mast * 0.16),
                (x - mast * 0.25, y + mast * 0.16),
            ],
            fill=vivid(rng),
        )


def _meadow(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    grass = vary(rng, pick(rng, ((112, 150, 70), (190, 170, 90), (92, 130, 76))), 14)
    for layer in range(2):
        line = (horizon + 0.04 * layer - 0.14 * ridge(rng, photo.width, 2 + layer, 0.05)) * photo.height
        fill_below(photo, line, mix(grass, haze, 0.5 - 0.25 * layer))
    _ground(rng, photo, horizon + 0.05, grass, (40, 30))
    draw = ImageDraw.Draw(photo)
    for x, depth in zip(rng.random(90), np.sort(rng.random(90)), strict=True):
        y, radius = photo.height * (horizon + 0.1 + (0.9 - horizon) * float(depth)), 0.6 + 2 * float(depth)
        flower = pick(rng, ((240, 220, 90), (226, 90, 90), (236, 236, 240)))
        draw.ellipse(
            [x * photo.width - radius, y - radius, x * photo.width + radius, y + radius], fill=flower
        )
    _paint_trees(rng, photo, horizon, int(rng.integers(1, 7)), (70, 116, 62))


def _forest(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    _ground(rng, photo, horizon, vary(rng, (88, 92, 58), 16), (30, 20))
    leaf = vary(rng, pick(rng, ((46, 84, 56), (80, 110, 50), (170, 110, 50))), 10)
    for depth in np.sort(rng.random(int(rng.integers(22, 38)))):
        foot = photo.height * (horizon + 0.04 + 0.42 * float(depth * depth))
        height = photo.height * (0.3 + 0.55 * float(depth))
        color = mix(leaf, haze, 0.45 * (1 - float(depth)))
        paint_tree(rng, photo, rng.uniform(0, photo.width), foot, height, vary(rng, color, 8))


def _lake(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    _mountains(rng, photo, haze, horizon)
    top = round((horizon + 0.08) * photo.height)
    depth = min(top, photo.height - top)
    mirrored = photo.crop((0, top - depth, photo.width, top)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    water = Image.blend(mirrored, Image.new("RGB", mirrored.size, (50, 84, 110)), 0.4)
    photo.paste(roughen(rng, water, (8, 60), 0.16), (0, top))


def _desert(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    sand = vary(rng, (218, 172, 110), 16)
    for layer in range(4):
        line = (horizon + 0.14 * layer - 0.16 * ridge(rng, photo.width, 2, 0.03)) * photo.height
        fill_below(photo, line, darken(mix(sand, haze, 0.4 - 0.13 * layer), 0.1 * (layer % 2)))


def paint_house(rng: np.random.Generator, photo: Image.Image, box: tuple[float, float, float, float]) -> None:
    """Paint a house front with rows of windows into a box in px."""
    x0, y0, x1, y1 = box
    wall = mix(vivid(rng), pick(rng, ((210, 196, 176), (160, 150, 146), (120, 128, 140))), 0.7)
    draw = ImageDraw.Draw(photo)
    draw.rectangle(box, fill=wall)
    pane = pick(rng, (darken(wall, 0.55), (250, 224, 150), (120, 150, 176)))
    step = max(9.0, (x1 - x0) / int(rng.integers(2, 6)))
    for y in np.arange(y0 + step * 0.3, y1 - step * 0.7, step * 1.05):
        for x in np.arange(x0 + step * 0.24, x1 - step * 0.6, step):
            window = pane if rng.random() < 0.85 else lighten(pane, 0.4)
            draw.rectangle([x, y, x + step * 0.5, y + step * 0.62], fill=window)


def _skyline(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    for layer in range(2):
        x = -rng.uniform(0, 30)
        while x < photo.width:
            width = photo.width * rng.uniform(0.05, 0.13)
            height = photo.height * rng.uniform(0.08, 0.42) * (1 - 0.25 * layer)
            foot = photo.height * (horizon + 0.06)
            if layer == 0:
                ImageDraw.Draw(photo).rectangle(
                    [x, foot - height, x + width, foot], fill=mix((90, 96, 116), haze, 0.5)
                )
            else:
                paint_house(rng, photo, (x, foot - height, x + width, foot))
            x += width * rng.uniform(0.8, 1.2)
    _ground(rng, photo, horizon + 0.06, vary(rng, (80, 96, 100), 16), (12, 40))


def _street(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    x = -rng.uniform(0, 60)
    foot = photo.height * (horizon + 0.12)
    while x < photo.width:
        width = photo.width * rng.uniform(0.2, 0.42)
        paint_house(rng, photo, (x, foot - photo.height * rng.uniform(0.38, 0.62), x + width, foot))
        x += width
    _ground(rng, photo, horizon + 0.12, mix(vary(rng, (120, 120, 122), 14), haze, 0.15), (50, 30))
    draw = ImageDraw.Draw(photo)
    draw.rectangle([0, foot, photo.width, foot + photo.height * 0.05], fill=(170, 166, 160))
    for x in np.arange(rng.uniform(0, 40), photo.width, photo.width / 6):
        draw.polygon(
            [
                (x, photo.height * 0.86),
                (x + 40, photo.height * 0.86),
                (x + 34, photo.height * 0.89),
                (x - 8, photo.height * 0.89),
            ],
            fill=(226, 222, 206),
        )


def _garden(rng: np.random.Generator, photo: Image.Image, haze: Color, horizon: float) -> None:
    _ground(rng, photo, horizon, vary(rng, (98, 140, 70), 16), (60, 40))
    draw = ImageDraw.Draw(photo)
    plank = mix(pick(rng, ((236, 232, 222), (150, 106, 70), (90, 110, 96))), haze, 0.15)
    top, foot = photo.height * (horizon - 0.2), photo.height * (horizon + 0.03)
    draw.rectangle([0, top + 14, photo.width, top + 22], fill=darken(plank, 0.15))
    for x in np.arange(0, photo.width, 17):
        draw.rectangle([float(x), top, float(x) + 12, foot], fill=vary(rng, plank, 6))
    _paint_trees(rng, photo, horizon, int(rng.integers(1, 5)), (72, 124, 66))


OUTDOORS = {
    "mountains": _mountains,
    "sea": _sea,
    "meadow": _meadow,
    "forest": _forest,
    "lake": _lake,
    "desert": _desert,
    "skyline": _skyline,
    "street": _street,
    "garden": _garden,
}


def paint_outdoors(rng: np.random.Generator, setting: str, size: Size) -> tuple[Image.Image, float]:
    """Paint a setting under the sky; returns it and where its ground begins (share of the height)."""
    photo, haze = paint_sky(rng, size)
    horizon = float(rng.uniform(0.38, 0.62) if setting != "street" else rng.uniform(0.48, 0.58))
    OUTDOORS[setting](rng, photo, haze, horizon)
    return photo, horizon + 0.12
