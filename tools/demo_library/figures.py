"""People: faces, busts and whole figures, each with their own hair, clothes and stance."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from tools.demo_library.portable_math import cos, sin
from tools.demo_library.sketch import INK, WHITE, Color, Sheet, darken, lighten, mix, pick, vary, vivid

SKINS: tuple[Color, ...] = ((246, 214, 186), (230, 186, 150), (198, 146, 106), (150, 102, 72), (104, 70, 52))
HAIRS: tuple[Color, ...] = (
    (38, 30, 28),
    (84, 54, 36),
    (146, 96, 50),
    (216, 176, 104),
    (176, 84, 46),
    (190, 190, 192),
)


@dataclass(frozen=True, slots=True)
class Looks:
    """What stays the same of one person in whatever frame they are drawn."""

    skin: Color
    hair: Color
    shirt: Color
    trousers: Color
    hair_style: str
    has_glasses: bool
    has_beard: bool
    has_stripes: bool
    smile: float


def draw_looks(rng: np.random.Generator) -> Looks:
    """Draw a person's looks."""
    style = pick(rng, ("short", "long", "bun", "curly", "bald", "hat", "bob"))
    return Looks(
        skin=vary(rng, pick(rng, SKINS), 8),
        hair=vary(rng, pick(rng, HAIRS), 10),
        shirt=vivid(rng),
        trousers=vary(rng, pick(rng, ((52, 70, 110), (60, 58, 60), (150, 130, 100), (110, 50, 60))), 14),
        hair_style=style,
        has_glasses=rng.random() < 0.22,
        has_beard=style in ("short", "bald", "hat") and rng.random() < 0.35,
        has_stripes=rng.random() < 0.3,
        smile=float(rng.uniform(0.1, 1)),
    )


def _paint_back_hair(sheet: Sheet, looks: Looks, x: float, y: float, size: float) -> None:
    if looks.hair_style == "long":
        sheet.rect(x - size * 1.02, y - size * 0.7, x + size * 1.02, y + size * 1.9, looks.hair, size * 0.8)
    elif looks.hair_style == "bob":
        sheet.rect(x - size * 1.08, y - size * 0.8, x + size * 1.08, y + size * 0.95, looks.hair, size * 0.7)
    elif looks.hair_style == "bun":
        sheet.ellipse(x, y - size * 1.35, size * 0.42, size * 0.4, looks.hair)
    elif looks.hair_style == "curly":
        for angle in np.linspace(2.6, 6.82, 11):
            curl = (
                x + size * 0.92 * float(cos(angle)),
                y - size * 0.15 + size * 0.98 * float(sin(angle)),
            )
            sheet.ellipse(*curl, size * 0.42, size * 0.42, looks.hair)


def _paint_front_hair(sheet: Sheet, looks: Looks, x: float, y: float, size: float) -> None:
    if looks.hair_style == "bald":
        return
    if looks.hair_style == "hat":
        sheet.pie(x, y - size * 0.45, size * 0.95, size * 0.95, (180, 360), looks.trousers)
        sheet.rect(
            x - size * 1.3, y - size * 0.55, x + size * 1.3, y - size * 0.36, looks.trousers, size * 0.1
        )
        return
    sheet.pie(x, y - size * 0.28, size * 0.97, size * 0.9, (180, 360), looks.hair)
    parting = [
        (x - size * 0.95, y - size * 0.3),
        (x - size * 0.3, y - size * 0.3),
        (x - size * 0.9, y + size * 0.1),
    ]
    sheet.polygon(parting, looks.hair)
    sheet.polygon([(2 * x - px, py) for px, py in parting], looks.hair)


def _paint_features(sheet: Sheet, looks: Looks, x: float, y: float, size: float) -> None:
    """Eyes, brows, nose, cheeks, mouth."""
    shade = darken(looks.skin, 0.22)
    for side in (-1, 1):
        eye_x = x + side * size * 0.36
        sheet.ellipse(eye_x, y, size * 0.17, size * 0.12, WHITE)
        sheet.ellipse(eye_x, y, size * 0.09, size * 0.11, mix(INK, looks.hair, 0.3))
        brow = [(eye_x - size * 0.2, y - size * 0.22), (eye_x + size * 0.2, y - size * 0.24)]
        sheet.line(brow, mix(looks.hair, INK, 0.3), size * 0.08)
        cheek = mix(looks.skin, (226, 96, 90), 0.2)
        sheet.ellipse(x + side * size * 0.55, y + size * 0.36, size * 0.2, size * 0.15, cheek)
        if looks.has_glasses:
            sheet.arc(eye_x, y, size * 0.27, size * 0.24, (0, 360), INK, size * 0.06)
    sheet.line(
        [(x, y + size * 0.05), (x + size * 0.09, y + size * 0.32), (x - size * 0.05, y + size * 0.34)],
        shade,
        size * 0.06,
    )
    if looks.has_beard:
        sheet.pie(x, y + size * 0.4, size * 0.78, size * 0.68, (0, 180), looks.hair)
    depth = size * (0.08 + 0.2 * looks.smile)
    sheet.pie(x, y + size * 0.52, size * 0.34, depth, (0, 180), (150, 54, 56))
    if looks.smile > 0.4:
        sheet.pie(x, y + size * 0.52, size * 0.27, depth * 0.5, (0, 180), WHITE)


def paint_head(sheet: Sheet, looks: Looks, x: float, y: float, size: float) -> None:
    """Paint a head around a centre; `size` is half the face's width in units."""
    _paint_back_hair(sheet, looks, x, y, size)
    for side in (-1, 1):
        sheet.ellipse(
            x + side * size * 0.93, y + size * 0.08, size * 0.16, size * 0.24, darken(looks.skin, 0.1)
        )
    sheet.ellipse(x, y + size * 0.05, size * 0.92, size * 1.16, darken(looks.skin, 0.1))
    sheet.ellipse(x - size * 0.05, y + size * 0.02, size * 0.87, size * 1.12, looks.skin)
    _paint_features(sheet, looks, x, y, size)
    _paint_front_hair(sheet, looks, x, y, size)


def _paint_torso(sheet: Sheet, looks: Looks, x: float, top: float, width: float, height: float) -> None:
    """A neck and a shirt with rounded shoulders."""
    neck = width * 0.16
    sheet.rect(
        x - neck, top - width * 0.3, x + neck, top + width * 0.14, darken(looks.skin, 0.14), neck * 0.6
    )
    half = width / 2
    sheet.rect(x - half, top, x + half, top + height + half, looks.shirt, half * 0.55)
    if looks.has_stripes:
        for y in np.arange(top + width * 0.22, top + height, width * 0.2):
            sheet.rect(x - half, float(y), x + half, float(y) + width * 0.08, lighten(looks.shirt, 0.45))
    sheet.pie(x, top, neck * 1.3, neck * 1.2, (0, 180), looks.skin)


def draw_bust(rng: np.random.Generator, looks: Looks) -> Image.Image:
    """Head and shoulders, sometimes waving."""
    sheet = Sheet(120, 130)
    _paint_torso(sheet, looks, 60, 82, rng.uniform(74, 90), 60)
    if rng.random() < 0.25:
        sheet.line([(98, 112), (112, 86), (106, 60)], looks.shirt, 14)
        sheet.ellipse(105, 52, 8, 9, looks.skin)
    lean = rng.uniform(-4, 4)
    paint_head(sheet, looks, 60 + lean, 46, rng.uniform(25, 29))
    return sheet.image


def draw_selfie(rng: np.random.Generator, looks: Looks) -> Image.Image:
    """A large near face with one arm reaching out to the camera."""
    sheet = Sheet(120, 132)
    side = pick(rng, (-1, 1))
    _paint_torso(sheet, looks, 60, 96, 92, 50)
    sheet.line(
        [(60 + side * 34, 114), (60 + side * 52, 118), (60 + side * 62, 132)], darken(looks.shirt, 0.15), 26
    )
    paint_head(sheet, looks, 60, 54, rng.uniform(33, 38))
    return sheet.image


def draw_figure(rng: np.random.Generator, looks: Looks) -> Image.Image:
    """A whole standing or walking person."""
    sheet = Sheet(90, 220)
    stride = rng.uniform(3, 16)
    for side in (-1, 1):
        foot_x = 45 + side * (5 + stride)
        sheet.line(
            [(45 + side * 9, 124), (45 + side * (7 + stride / 2), 166), (foot_x, 206)], looks.trousers, 15
        )
        sheet.ellipse(foot_x + side * 4, 211, 10, 6, darken(looks.trousers, 0.55))
    swing = rng.uniform(-8, 14, size=2)
    lift = rng.uniform(0, 34) if rng.random() < 0.3 else 0.0
    for side, out in zip((-1, 1), swing, strict=True):
        raised = lift if side == 1 else 0.0
        hand = (45 + side * (28 + float(out)), 124 - 2.2 * raised)
        elbow = (45 + side * (29 + float(out) / 2), 98 - 0.4 * raised)
        sheet.line([(45 + side * 20, 66), elbow, hand], darken(looks.shirt, 0.12), 11)
        sheet.ellipse(*hand, 6, 6.4, looks.skin)
    _paint_torso(sheet, looks, 45, 56, 50, 56)
    sheet.rect(20, 116, 70, 136, looks.trousers, 5)
    paint_head(sheet, looks, 45, 30, 16.5)
    return sheet.image
