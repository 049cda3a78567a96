"""Animals, each drawn on its own sheet and standing on its lower edge."""

from collections.abc import Callable

import numpy as np
from PIL import Image

from tools.demo_library.portable_math import cos, sin
from tools.demo_library.sketch import INK, WHITE, Color, Sheet, darken, lighten, pick, vary

FURS: tuple[Color, ...] = (
    (70, 62, 58),
    (196, 134, 74),
    (232, 220, 200),
    (142, 134, 128),
    (120, 80, 52),
    (40, 38, 40),
)


def _paint_eyes(sheet: Sheet, x: float, y: float, gap: float, size: float, iris: Color) -> None:
    for side in (-1, 1):
        sheet.ellipse(x + side * gap, y, size, size, iris)
        sheet.ellipse(x + side * gap, y, size * 0.5, size * 0.85, INK)
        sheet.ellipse(x + side * gap - size * 0.3, y - size * 0.4, size * 0.25, size * 0.25, WHITE)


def draw_cat(rng: np.random.Generator) -> Image.Image:
    """A sitting cat with stripes or a white bib."""
    fur = vary(rng, pick(rng, FURS), 12)
    stripe = darken(fur, 0.35)
    sheet = Sheet(100, 122)
    sheet.arc(76, 92, 20, 24, (270, 450), fur, 8)
    sheet.ellipse(50, 88, 30, 33, fur)
    for x in (38, 62):
        sheet.rect(x - 8, 80, x + 8, 120, lighten(fur, 0.06), 8)
    if rng.random() < 0.5:
        sheet.ellipse(50, 78, 14, 20, WHITE)
    else:
        for y in (70, 80, 90, 100):
            sheet.arc(50, y, 29, 9, (150, 200), stripe, 2.4)
            sheet.arc(50, y, 29, 9, (-20, 30), stripe, 2.4)
    for side in (-1, 1):
        sheet.polygon([(50 + side * 28, 36), (50 + side * 27, 4), (50 + side * 7, 22)], fur)
        sheet.polygon([(50 + side * 24, 30), (50 + side * 24, 11), (50 + side * 12, 22)], (226, 160, 156))
    sheet.ellipse(50, 42, 29, 25, fur)
    for shift in (-7, 0, 7):
        sheet.line([(50 + shift, 19), (50 + shift * 0.8, 27)], stripe, 2.2)
    _paint_eyes(sheet, 50, 40, 12, 6, pick(rng, ((160, 190, 80), (230, 180, 70), (120, 180, 210))))
    sheet.ellipse(50, 54, 10, 7, lighten(fur, 0.3))
    sheet.polygon([(46, 48), (54, 48), (50, 53)], (206, 120, 120))
    for side in (-1, 1):
        for y in (51, 55):
            sheet.line([(50 + side * 10, y + 1), (50 + side * 36, y - 2)], WHITE, 0.8)
    return sheet.image


def draw_dog(rng: np.random.Generator) -> Image.Image:
    """A standing dog seen from the side, or its face from the front."""
    fur = vary(rng, pick(rng, FURS), 12)
    dark, muzzle = darken(fur, 0.35), lighten(fur, 0.35)
    if rng.random() < 0.5:
        sheet = Sheet(110, 122)
        sheet.ellipse(55, 118, 42, 36, fur)
        sheet.ellipse(55, 54, 34, 38, fur)
        for side in (-1, 1):
            sheet.ellipse(55 + side * 37, 54, 13, 31, dark)
        sheet.ellipse(55, 74, 20, 19, muzzle)
        _paint_eyes(sheet, 55, 48, 15, 5.4, (110, 74, 44))
        sheet.ellipse(55, 64, 8, 5.6, INK)
        sheet.pie(55, 80, 8, 15, (0, 180), (226, 110, 120))
        sheet.line([(55, 68), (55, 78)], INK, 1.4)
        sheet.rect(32, 92, 78, 99, (190, 54, 50), 3)
        return sheet.image
    sheet = Sheet(140, 112)
    sheet.line([(24, 52), (10, 34), (8, 18)], fur, 7)
    for x, shade in ((36, dark), (90, dark), (28, fur), (98, fur)):
        sheet.line([(x, 66), (x + rng.uniform(-6, 6), 106)], shade, 11)
    sheet.rect(18, 40, 108, 78, fur, 19)
    sheet.line([(100, 52), (112, 30)], fur, 24)
    sheet.ellipse(114, 26, 19, 16, fur)
    sheet.ellipse(130, 32, 10, 8, muzzle)
    sheet.ellipse(138, 29, 3, 3, INK)
    sheet.ellipse(103, 30, 7, 17, dark)
    sheet.ellipse(120, 22, 2.4, 2.4, INK)
    sheet.line([(98, 48), (116, 46)], (60, 110, 180), 5)
    return sheet.image


def draw_bird(rng: np.random.Generator) -> Image.Image:
    """A perching bird with a bright wing."""
    body = vary(
        rng, pick(rng, ((70, 130, 190), (210, 90, 60), (236, 200, 80), (120, 120, 124), (90, 150, 90))), 14
    )
    wing = darken(body, 0.3)
    sheet = Sheet(120, 96)
    for x in (54, 64):
        sheet.line([(x, 76), (x - 2, 94)], (190, 130, 60), 2.4)
    sheet.polygon([(30, 58), (2, 78), (8, 86), (40, 72)], wing)
    sheet.ellipse(58, 56, 34, 25, body)
    sheet.ellipse(66, 64, 20, 15, lighten(body, 0.5))
    sheet.polygon([(34, 42), (74, 48), (50, 70), (16, 74)], wing)
    sheet.line([(30, 64), (62, 54)], darken(wing, 0.3), 1.4)
    sheet.ellipse(88, 32, 17, 16, body)
    sheet.polygon([(102, 28), (119, 34), (102, 39)], (232, 160, 60))
    sheet.ellipse(92, 29, 3.4, 3.4, INK)
    sheet.ellipse(91, 28, 1, 1, WHITE)
    return sheet.image


def draw_fish(rng: np.random.Generator) -> Image.Image:
    """A striped fish with fins, seen from the side."""
    body = vary(rng, pick(rng, ((240, 140, 50), (90, 140, 200), (230, 200, 90), (180, 90, 150))), 14)
    sheet = Sheet(120, 78)
    sheet.polygon([(30, 40), (3, 14), (10, 40), (3, 66)], darken(body, 0.15))
    sheet.polygon([(48, 18), (66, 2), (86, 18)], darken(body, 0.2))
    sheet.polygon([(54, 60), (62, 76), (76, 62)], darken(body, 0.2))
    sheet.ellipse(68, 40, 44, 25, body)
    for x in (54, 76):
        sheet.ellipse(x, 40, 4.6, 22, WHITE)
    sheet.ellipse(97, 34, 6, 6, WHITE)
    sheet.ellipse(98, 34, 3, 3, INK)
    sheet.arc(107, 46, 7, 5, (90, 200), INK, 1.2)
    sheet.polygon([(70, 44), (58, 54), (76, 54)], darken(body, 0.25))
    return sheet.image


def draw_rabbit(rng: np.random.Generator) -> Image.Image:
    """A sitting rabbit with long ears."""
    fur = vary(rng, pick(rng, FURS), 12)
    sheet = Sheet(100, 118)
    sheet.ellipse(82, 98, 9, 9, WHITE)
    sheet.ellipse(54, 88, 32, 29, fur)
    for x, lean in ((30, -6), (46, 5)):
        sheet.line([(x, 40), (x + lean, 9)], fur, 13)
        sheet.line([(x, 38), (x + lean, 12)], (232, 176, 172), 5)
    sheet.ellipse(36, 54, 23, 21, fur)
    sheet.ellipse(27, 62, 10, 8, lighten(fur, 0.35))
    sheet.ellipse(38, 50, 4.4, 4.4, INK)
    sheet.ellipse(37, 49, 1.3, 1.3, WHITE)
    sheet.polygon([(16, 57), (22, 57), (19, 61)], (206, 110, 116))
    for x in (34, 68):
        sheet.ellipse(x, 112, 15, 6, lighten(fur, 0.12))
    return sheet.image


def _paint_grazer(sheet: Sheet, fur: Color, head: Color, legs: Color, sway: float) -> None:
    for x in (34, 44, 86, 96):
        sheet.line([(x, 66), (x + sway, 106)], legs, 7)
    sheet.rect(22, 30, 106, 78, fur, 22)
    sheet.ellipse(118, 36, 14, 17, head)
    sheet.ellipse(124, 46, 10, 9, lighten(head, 0.25))
    sheet.ellipse(118, 32, 2, 2, INK)
    sheet.ellipse(104, 26, 8, 4, darken(head, 0.2))


def draw_sheep(rng: np.random.Generator) -> Image.Image:
    """A woolly sheep with a dark face."""
    wool = vary(rng, (236, 230, 216), 10)
    sheet = Sheet(140, 110)
    _paint_grazer(sheet, wool, pick(rng, ((52, 48, 48), (210, 190, 170))), (52, 48, 48), rng.uniform(-4, 4))
    for angle in np.linspace(0, 6.28, 22):
        curl = (64 + 40 * float(cos(angle)), 54 + 24 * float(sin(angle)))
        sheet.ellipse(*curl, 9, 8, vary(rng, wool, 10))
    return sheet.image


def draw_cow(rng: np.random.Generator) -> Image.Image:
    """A spotted cow with horns and a tail."""
    hide = vary(rng, pick(rng, ((240, 238, 232), (176, 104, 62))), 8)
    spot = darken(hide, 0.8) if sum(hide) > 500 else darken(hide, 0.4)
    sheet = Sheet(140, 110)
    sheet.line([(24, 42), (14, 60), (17, 84)], hide, 3.4)
    _paint_grazer(sheet, hide, hide, darken(hide, 0.15), rng.uniform(-4, 4))
    for _ in range(5):
        sheet.ellipse(rng.uniform(34, 92), rng.uniform(40, 66), rng.uniform(6, 12), rng.uniform(5, 9), spot)
    for x, tip in ((108, 104), (120, 128)):
        sheet.line([(x, 22), (tip, 10)], (220, 208, 180), 3)
    sheet.ellipse(70, 80, 10, 6, (226, 160, 156))
    return sheet.image


def draw_duck(rng: np.random.Generator) -> Image.Image:
    """A duck, swimming or standing."""
    body = vary(rng, pick(rng, ((240, 226, 150), (146, 120, 92), (236, 236, 232))), 12)
    head = pick(rng, (body, (40, 110, 76)))
    sheet = Sheet(120, 92)
    sheet.polygon([(20, 52), (2, 38), (10, 64)], darken(body, 0.2))
    sheet.ellipse(56, 66, 44, 24, body)
    sheet.ellipse(50, 62, 26, 15, darken(body, 0.16))
    sheet.line([(88, 58), (90, 34)], head, 17)
    sheet.ellipse(92, 24, 17, 16, head)
    sheet.rect(104, 24, 119, 31, (236, 160, 50), 3)
    sheet.ellipse(96, 20, 2.6, 2.6, INK)
    sheet.line([(80, 48), (97, 48)], WHITE, 2.4)
    return sheet.image


ANIMALS: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "cat": draw_cat,
    "dog": draw_dog,
    "bird": draw_bird,
    "fish": draw_fish,
    "rabbit": draw_rabbit,
    "sheep": draw_sheep,
    "cow": draw_cow,
    "duck": draw_duck,
}
