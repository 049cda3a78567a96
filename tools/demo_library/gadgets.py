"""Electronics that are no computers, and household things without a label of their own."""

import numpy as np
from PIL import Image

from tools.demo_library.portable_math import cos, sin
from tools.demo_library.sketch import INK, WHITE, Color, Sheet, casing, darken, lighten, pick, vary, vivid


def draw_charger(rng: np.random.Generator) -> Image.Image:
    """A wall plug with two pins and a coiled cable."""
    body = pick(rng, (vary(rng, (236, 236, 232), 8), vary(rng, (40, 42, 46), 8)))
    sheet = Sheet(96, 84)
    cable = darken(body, 0.12)
    for radius in (25, 21, 17):
        sheet.arc(66, 50, radius, radius * 0.8, (0, 360), cable, 2.4)
    sheet.line([(36, 38), (48, 40), (56, 34)], cable, 2.6)
    for y in (26, 40):
        sheet.rect(0.5, y, 12, y + 3, (190, 178, 140), 1)
    sheet.rect(10, 15, 36, 54, body, 6)
    sheet.rect(31, 18, 36, 51, darken(body, 0.15), 3)
    sheet.rect(15, 31, 20, 38, darken(body, 0.25), 1)
    sheet.line([(80, 66), (88, 76)], cable, 2.6)
    sheet.rect(84, 74, 94, 81, (170, 172, 176), 1)
    return sheet.image


def draw_router(rng: np.random.Generator) -> Image.Image:
    """A wireless router: flat box, antennas, a row of small lights."""
    body = casing(rng)
    sheet = Sheet(110, 78)
    for x, lean in ((16, -8), (44, -2), (72, 3), (96, 9)):
        sheet.line([(x, 50), (x + lean, 4)], darken(body, 0.3), 3.6)
    sheet.cuboid(4, 50, (90, 20, 14), body)
    for lamp in range(6):
        sheet.ellipse(
            14 + lamp * 8, 60, 1.5, 1.5, pick(rng, ((96, 230, 120), (250, 190, 60), (80, 160, 250)))
        )
    sheet.rect(72, 57, 88, 63, darken(body, 0.4), 1)
    return sheet.image


def draw_radio(rng: np.random.Generator) -> Image.Image:
    """A portable radio: loudspeaker, tuning scale, knob and aerial."""
    body = vivid(rng)
    sheet = Sheet(100, 78)
    sheet.line([(82, 22), (97, 2)], (176, 178, 182), 1.4)
    sheet.arc(50, 22, 30, 14, (180, 360), darken(body, 0.4), 3)
    sheet.rect(2, 20, 98, 76, body, 5)
    sheet.rect(6, 24, 94, 72, lighten(body, 0.12), 3)
    sheet.ellipse(30, 48, 20, 20, darken(body, 0.5))
    for radius in range(4, 20, 3):
        sheet.arc(30, 48, radius, radius, (0, 360), lighten(body, 0.3), 0.9)
    sheet.rect(55, 30, 89, 42, (240, 226, 180), 1)
    for x in range(58, 88, 3):
        sheet.line([(x, 32), (x, 36)], INK, 0.5)
    sheet.line([(68, 31), (68, 41)], (200, 50, 40), 0.9)
    for x in (63, 80):
        sheet.ellipse(x, 57, 7, 7, darken(body, 0.35))
        sheet.line([(x, 57), (x + 3, 52)], WHITE, 1)
    return sheet.image


def draw_camera(rng: np.random.Generator) -> Image.Image:
    """A camera from the front: big lens, viewfinder hump, grip."""
    body = vary(rng, (42, 43, 47), 10)
    top = body if rng.random() < 0.5 else vary(rng, (184, 186, 188), 8)
    sheet = Sheet(110, 82)
    sheet.polygon([(38, 16), (44, 3), (70, 3), (76, 16)], top)
    sheet.rect(12, 9, 26, 16, darken(top, 0.4), 1.5)
    sheet.ellipse(92, 13, 6, 4, (150, 152, 156))
    sheet.rect(2, 14, 108, 80, body, 7)
    sheet.rect(2, 14, 108, 28, top, 5)
    sheet.rect(2, 26, 20, 80, darken(body, 0.35), 5)
    for radius, fill in (
        (31, (22, 23, 26)),
        (27, (70, 72, 78)),
        (23, (16, 17, 20)),
        (15, (42, 50, 84)),
        (8, (14, 14, 22)),
    ):
        sheet.ellipse(60, 50, radius, radius, fill)
    sheet.ellipse(53, 43, 4, 4, (178, 196, 226))
    sheet.ellipse(66, 57, 2, 2, (150, 110, 170))
    sheet.rect(47, 6, 67, 12, (200, 214, 226) if rng.random() < 0.5 else (20, 20, 24), 1)
    sheet.rect(90, 32, 102, 38, vivid(rng), 1)
    return sheet.image


def draw_headphones(rng: np.random.Generator) -> Image.Image:
    """Over-ear headphones: a padded band and two cups."""
    body = casing(rng)
    pad = darken(body, 0.4) if sum(body) > 250 else lighten(body, 0.15)
    sheet = Sheet(100, 100)
    sheet.arc(50, 52, 38, 48, (180, 360), body, 6)
    sheet.arc(50, 53, 33, 42, (205, 335), pad, 4)
    for side, x in ((-1, 14), (1, 86)):
        sheet.rect(x - 2.4, 44, x + 2.4, 62, (170, 172, 176), 1)
        sheet.ellipse(x, 75, 12, 20, body)
        sheet.ellipse(x - side * 6, 75, 8, 18, pad)
        sheet.ellipse(x + side * 4, 75, 5, 10, lighten(body, 0.22))
    return sheet.image


def draw_earbuds(rng: np.random.Generator) -> Image.Image:
    """Two wireless earbuds before their open charging case."""
    body = vary(rng, pick(rng, ((240, 240, 238), (44, 46, 50), (208, 196, 182), (120, 150, 180))), 8)
    inner = darken(body, 0.25)
    sheet = Sheet(100, 92)
    sheet.rect(20, 3, 80, 30, darken(body, 0.08), 10)
    sheet.rect(25, 9, 75, 28, inner, 6)
    sheet.rect(20, 30, 80, 58, body, 10)
    sheet.ellipse(50, 45, 1.8, 1.8, (100, 220, 120))
    for side, x in ((1, 28), (-1, 72)):
        sheet.rect(x - 3.4, 66, x + 3.4, 91, body, 3)
        sheet.ellipse(x + side * 3, 68, 9, 8, body)
        sheet.ellipse(x + side * 9, 66, 4.6, 5.4, (70, 72, 78))
        sheet.line([(x - side, 74), (x - side, 88)], darken(body, 0.2), 1)
    return sheet.image


def draw_console(rng: np.random.Generator) -> Image.Image:
    """A game console: an upright tower in two shells, or a handheld with a screen."""
    accent = vivid(rng)
    if rng.random() < 0.5:
        sheet = Sheet(124, 56)
        left, right = vivid(rng), vivid(rng)
        sheet.rect(2, 2, 40, 54, left, 14)
        sheet.rect(84, 2, 122, 54, right, 14)
        sheet.rect(22, 2, 102, 54, (32, 33, 36), 2)
        sheet.rect(27, 6, 97, 50, vary(rng, (70, 140, 190), 50), 1)
        sheet.polygon([(27, 50), (27, 40), (50, 32), (66, 42), (82, 36), (97, 44), (97, 50)], (84, 150, 84))
        sheet.ellipse(60, 26, 5, 5, accent)
        for x, y in ((12, 16), (112, 36)):
            sheet.ellipse(x, y, 5.4, 5.4, (26, 27, 30))
        for x, y in ((12, 29), (12, 41), (7, 35), (17, 35), (112, 12), (112, 24), (107, 18), (117, 18)):
            sheet.ellipse(x, y, 2.4, 2.4, (26, 27, 30))
        return sheet.image
    sheet = Sheet(62, 112)
    shell = pick(rng, ((236, 237, 240), (34, 35, 38)))
    sheet.polygon([(18, 6), (46, 6), (48, 106), (16, 106)], (20, 21, 24))
    sheet.polygon([(8, 2), (20, 8), (24, 56), (20, 104), (8, 109), (13, 56)], shell)
    sheet.polygon([(54, 2), (42, 8), (38, 56), (42, 104), (54, 109), (49, 56)], darken(shell, 0.12))
    sheet.line([(24, 12), (26, 56), (24, 100)], (70, 140, 240), 1.4)
    sheet.rect(29, 40, 32, 74, (8, 8, 10))
    sheet.ellipse(31, 84, 1.8, 1.8, accent)
    return sheet.image


def draw_controller(rng: np.random.Generator) -> Image.Image:
    """A game controller: two grips, sticks, a cross and four coloured buttons."""
    body = vary(rng, pick(rng, ((44, 46, 52), (236, 237, 240), (60, 96, 170), (176, 50, 56))), 10)
    dark = darken(body, 0.55)
    sheet = Sheet(110, 78)
    sheet.ellipse(20, 52, 17, 25, body)
    sheet.ellipse(90, 52, 17, 25, body)
    sheet.rect(12, 8, 98, 52, body, 18)
    sheet.rect(16, 4, 34, 12, dark, 3)
    sheet.rect(76, 4, 94, 12, dark, 3)
    for x, y in ((40, 44), (70, 44)):
        sheet.ellipse(x, y, 9, 9, dark)
        sheet.ellipse(x, y, 6.4, 6.4, lighten(dark, 0.15))
    sheet.rect(21, 17, 27, 36, dark, 1)
    sheet.rect(14.5, 23.5, 33.5, 29.5, dark, 1)
    for x, y, fill in (
        (86, 18, (236, 196, 64)),
        (94, 26, (210, 66, 60)),
        (86, 34, (84, 170, 96)),
        (78, 26, (70, 120, 210)),
    ):
        sheet.ellipse(x, y, 3.8, 3.8, fill)
    sheet.rect(46, 18, 64, 30, lighten(body, 0.2) if sum(body) < 500 else darken(body, 0.15), 3)
    return sheet.image


def draw_plant(rng: np.random.Generator) -> Image.Image:
    """A potted plant with many leaves."""
    pot = vary(rng, pick(rng, ((190, 106, 70), (226, 222, 212), (80, 96, 110))), 14)
    leaf = vary(rng, (66, 128, 70), 24)
    sheet = Sheet(100, 140)
    for angle in np.linspace(-1.25, 1.25, int(rng.integers(7, 12))):
        reach = rng.uniform(52, 84)
        tip_x, tip_y = 50 + reach * sin(angle) * 0.62, 100 - reach * cos(angle)
        sheet.line(
            [(50, 104), ((50 + tip_x) / 2, (96 + tip_y) / 2 - 6), (tip_x, tip_y)], darken(leaf, 0.3), 1.4
        )
        leaflet = Sheet(30, 60)
        leaflet.ellipse(15, 30, 12, 29, vary(rng, leaf, 16))
        leaflet.line([(15, 4), (15, 56)], darken(leaf, 0.25), 1.2)
        sheet.stamp(leaflet.image, tip_x, tip_y, rng.uniform(14, 24), float(-np.degrees(angle)))
    sheet.polygon([(28, 100), (72, 100), (65, 138), (35, 138)], pot)
    sheet.rect(25, 96, 75, 106, lighten(pot, 0.12), 2)
    return sheet.image


def draw_ball(rng: np.random.Generator) -> Image.Image:
    """A striped ball."""
    first, second = vivid(rng), WHITE
    sheet = Sheet(100, 100)
    sheet.ellipse(50, 50, 48, 48, first)
    for index in range(0, 6, 2):
        sheet.pie(50, 50, 48, 48, (index * 60 + 10, index * 60 + 70), second if index else vivid(rng))
    sheet.ellipse(50, 50, 10, 10, darken(first, 0.2))
    return sheet.image


def draw_table_lamp(rng: np.random.Generator) -> Image.Image:
    """A table lamp with a cloth shade."""
    shade: Color = pick(rng, ((244, 226, 184), (214, 160, 120), (230, 232, 236)))
    sheet = Sheet(80, 120)
    sheet.line([(40, 50), (40, 110)], (150, 120, 70), 4)
    sheet.ellipse(40, 112, 20, 6, (130, 104, 64))
    sheet.polygon([(24, 4), (56, 4), (74, 56), (6, 56)], shade)
    sheet.polygon([(44, 4), (56, 4), (74, 56), (52, 56)], darken(shade, 0.12))
    return sheet.image


def draw_vase(rng: np.random.Generator) -> Image.Image:
    """A vase of flowers."""
    glass = vivid(rng)
    sheet = Sheet(80, 130)
    for _ in range(int(rng.integers(4, 8))):
        x, y = rng.uniform(12, 68), rng.uniform(12, 48)
        petal = vivid(rng)
        sheet.line([(40, 84), (x, y)], (70, 120, 66), 1.6)
        for angle in np.linspace(0, 6.28, 7)[:-1]:
            sheet.ellipse(x + 6 * cos(angle), y + 6 * sin(angle), 4.6, 4.6, petal)
        sheet.ellipse(x, y, 3.6, 3.6, (240, 200, 80))
    sheet.ellipse(40, 102, 19, 26, glass)
    sheet.polygon([(32, 70), (48, 70), (50, 90), (30, 90)], glass)
    sheet.ellipse(34, 98, 4, 12, lighten(glass, 0.35))
    return sheet.image
