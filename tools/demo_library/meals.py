"""Food, desserts and drinks, most of them seen from a little above."""

import numpy as np
from PIL import Image

from tools.demo_library.portable_math import cos, sin
from tools.demo_library.sketch import WHITE, Color, Sheet, darken, lighten, mix, pick, vary, vivid


def _plate(rng: np.random.Generator) -> Sheet:
    rim = vary(rng, pick(rng, ((240, 240, 236), (226, 216, 200), (70, 84, 104), (208, 222, 220))), 8)
    sheet = Sheet(100, 76)
    sheet.ellipse(50, 40, 49, 35, darken(rim, 0.2))
    sheet.ellipse(50, 37, 49, 35, rim)
    sheet.ellipse(50, 38, 37, 25, darken(rim, 0.06))
    return sheet


def _scatter(
    rng: np.random.Generator, sheet: Sheet, colors: tuple[Color, ...], count: int, size: float
) -> None:
    """Strew blobs over the middle of a plate."""
    for _ in range(count):
        angle, reach = rng.uniform(0, 6.28), np.sqrt(rng.random())
        x, y = 50 + 30 * reach * cos(angle), 36 + 19 * reach * sin(angle)
        fill = vary(rng, pick(rng, colors), 16)
        rx = size * rng.uniform(0.6, 1.2)
        sheet.ellipse(x, y + 1, rx, rx * 0.75, darken(fill, 0.3))
        sheet.ellipse(x, y, rx, rx * 0.75, fill)


def draw_pizza(rng: np.random.Generator) -> Image.Image:
    """A round pizza with slices marked and toppings."""
    sheet = Sheet(100, 76)
    sheet.ellipse(50, 40, 49, 34, (150, 100, 54))
    sheet.ellipse(50, 37, 48, 34, vary(rng, (212, 158, 90), 12))
    sheet.ellipse(50, 37, 42, 29, (190, 72, 44))
    sheet.ellipse(50, 37, 40, 27, vary(rng, (236, 196, 110), 12))
    _scatter(
        rng,
        sheet,
        ((178, 46, 40), (178, 46, 40), (70, 120, 56), (244, 232, 200)),
        int(rng.integers(14, 22)),
        5,
    )
    for angle in np.linspace(0.2, 3.34, 4)[:-1]:
        dx, dy = 46 * cos(angle), 32 * sin(angle)
        sheet.line([(50 - dx, 37 - dy), (50 + dx, 37 + dy)], (168, 110, 60), 0.9)
    return sheet.image


def draw_noodle_soup(rng: np.random.Generator) -> Image.Image:
    """A deep bowl of noodle soup with an egg and chopsticks."""
    bowl = vivid(rng)
    sheet = Sheet(104, 84)
    sheet.polygon([(4, 34), (96, 34), (74, 80), (26, 80)], darken(bowl, 0.2))
    sheet.ellipse(50, 34, 47, 26, bowl)
    sheet.ellipse(50, 35, 42, 22, vary(rng, (190, 122, 58), 16))
    for _ in range(16):
        off_centre = rng.uniform(-12, 12)
        y = 35 + off_centre
        reach = 34 * np.sqrt(max(0.05, 1 - off_centre * off_centre / 400))
        wave = [(50 - reach + step * reach / 4, y + 2.4 * sin(step + y)) for step in range(9)]
        sheet.line(wave, vary(rng, (240, 212, 140), 10), 1.5)
    sheet.ellipse(34, 29, 11, 7.5, WHITE)
    sheet.ellipse(34, 29, 5.4, 3.8, (240, 168, 50))
    for _ in range(8):
        sheet.ellipse(rng.uniform(52, 80), rng.uniform(24, 46), 2.6, 1.7, (92, 150, 70))
    for shift in (0, 5):
        sheet.line([(56 + shift, 42), (102, 3 + shift)], (120, 70, 44), 1.9)
    return sheet.image


def draw_salad(rng: np.random.Generator) -> Image.Image:
    """A plate of salad: leaves, tomatoes, cucumber."""
    sheet = _plate(rng)
    _scatter(rng, sheet, ((88, 148, 62), (120, 172, 76), (64, 118, 56)), 46, 7)
    _scatter(rng, sheet, ((206, 58, 46), (206, 58, 46), (214, 226, 160), (236, 200, 80)), 13, 4.6)
    return sheet.image


def draw_burger(rng: np.random.Generator) -> Image.Image:
    """A hamburger on a board, with fries beside it."""
    bun = vary(rng, (208, 144, 76), 12)
    sheet = Sheet(120, 88)
    sheet.rect(1, 74, 119, 86, vary(rng, (140, 98, 62), 12), 3)
    for x in range(82, 114, 4):
        sheet.line([(x, 76), (x + rng.uniform(-7, 7), rng.uniform(40, 56))], vary(rng, (238, 194, 86), 10), 3)
    sheet.rect(8, 62, 74, 77, darken(bun, 0.08), 5)
    sheet.rect(6, 53, 76, 64, (92, 56, 38), 4)
    sheet.polygon([(6, 52), (76, 52), (64, 59), (50, 53), (36, 60), (22, 53)], (244, 190, 60))
    sheet.rect(8, 46, 74, 50, (196, 56, 44), 2)
    for x in range(6, 76, 8):
        sheet.ellipse(x + 4, 46, 5.6, 3.6, (116, 170, 72))
    sheet.pie(41, 44, 35, 33, (180, 360), bun)
    for _ in range(14):
        angle, reach = rng.uniform(3.5, 5.9), rng.uniform(8, 28)
        sheet.ellipse(41 + reach * cos(angle), 44 + reach * sin(angle) * 0.9, 1.5, 1, (246, 228, 180))
    return sheet.image


def draw_fried_egg_plate(rng: np.random.Generator) -> Image.Image:
    """A breakfast plate: fried eggs, bread, beans or tomatoes."""
    sheet = _plate(rng)
    for x, y in ((38, 32), (58, 42)):
        sheet.ellipse(x, y, 15, 10, (252, 250, 244))
        sheet.ellipse(x + 4, y + 3, 10, 8, (250, 248, 240))
        sheet.ellipse(x, y - 1, 6, 4.6, vary(rng, (244, 176, 50), 10))
    sheet.polygon([(62, 18), (82, 24), (78, 36), (60, 30)], (196, 138, 76))
    sheet.polygon([(64, 20), (80, 25), (77, 33), (62, 28)], (240, 208, 150))
    for _ in range(6):
        sheet.ellipse(rng.uniform(24, 40), rng.uniform(46, 54), 3, 2.4, (190, 66, 44))
    return sheet.image


def draw_sushi(rng: np.random.Generator) -> Image.Image:
    """Rows of sushi on a dark tray."""
    sheet = Sheet(110, 66)
    sheet.cuboid(2, 22, (98, 38, 8), vary(rng, (58, 50, 52), 10))
    for row in range(2):
        for column in range(4):
            x, y = 15 + column * 23, 30 + row * 19
            if (row + column) % 2:
                sheet.ellipse(x, y + 1, 9, 8, (34, 44, 40))
                sheet.ellipse(x, y - 1, 7, 6, WHITE)
                sheet.ellipse(x, y - 1, 3, 2.6, vary(rng, (226, 110, 70), 20))
            else:
                sheet.rect(x - 9, y - 3, x + 9, y + 8, WHITE, 4)
                sheet.rect(x - 10, y - 8, x + 10, y + 2, vary(rng, (236, 126, 84), 24), 4)
                sheet.line([(x - 5, y - 6), (x - 1, y)], (250, 190, 160), 1)
    return sheet.image


def draw_fruit_bowl(rng: np.random.Generator) -> Image.Image:
    """A bowl of apples, oranges and grapes."""
    bowl = vivid(rng)
    sheet = Sheet(100, 84)
    colors: tuple[Color, ...] = ((196, 50, 44), (236, 146, 48), (150, 180, 70), (236, 204, 84))
    for x, y in ((26, 34), (50, 26), (74, 34), (38, 44), (62, 44)):
        fill = vary(rng, pick(rng, colors), 14)
        sheet.ellipse(x, y, 15, 14, fill)
        sheet.ellipse(x - 4, y - 5, 4, 3, lighten(fill, 0.4))
        sheet.line([(x, y - 12), (x + 2, y - 17)], (96, 70, 44), 1.4)
    sheet.pie(50, 46, 48, 36, (0, 180), bowl)
    sheet.ellipse(50, 46, 48, 4, lighten(bowl, 0.18))
    return sheet.image


def draw_cake(rng: np.random.Generator) -> Image.Image:
    """A slice of layer cake with icing and a berry."""
    icing = vary(rng, pick(rng, ((244, 228, 220), (120, 72, 48), (238, 170, 186), (246, 236, 200))), 12)
    sponge = vary(rng, (222, 178, 112), 16)
    sheet = Sheet(100, 88)
    sheet.ellipse(50, 76, 48, 11, vary(rng, (232, 234, 238), 10))
    sheet.polygon([(10, 40), (84, 34), (84, 68), (10, 76)], sponge)
    for low, high in ((48, 52), (61, 65)):
        sheet.polygon([(10, low), (84, low - 6), (84, high - 6), (10, high)], icing)
    sheet.polygon([(10, 40), (70, 18), (86, 34)], lighten(icing, 0.15))
    sheet.polygon([(84, 34), (10, 40), (10, 46), (84, 40)], icing)
    for x in (28, 44, 60, 74):
        sheet.ellipse(x, 42 - x * 0.06, 4, 6, icing)
    sheet.ellipse(62, 20, 8, 8, (200, 44, 54))
    sheet.polygon([(56, 13), (68, 13), (62, 18)], (84, 140, 66))
    return sheet.image


def draw_ice_cream(rng: np.random.Generator) -> Image.Image:
    """Scoops of ice cream in a cone or a glass."""
    sheet = Sheet(70, 120)
    scoops: tuple[Color, ...] = ((244, 222, 188), (236, 150, 170), (112, 72, 52), (170, 214, 170))
    if rng.random() < 0.5:
        sheet.polygon([(15, 58), (55, 58), (35, 118)], (214, 156, 84))
        for shift in range(0, 40, 8):
            sheet.line([(15 + shift, 60), (30 + shift / 4, 96)], (180, 120, 60), 0.9)
            sheet.line([(55 - shift, 60), (40 - shift / 4, 96)], (180, 120, 60), 0.9)
    else:
        sheet.polygon([(8, 56), (62, 56), (42, 92), (28, 92)], (196, 216, 226))
        sheet.line([(35, 92), (35, 112)], (180, 200, 210), 4)
        sheet.ellipse(35, 114, 18, 4, (186, 206, 216))
    for x, y in ((22, 46), (48, 46), (35, 26)):
        fill = vary(rng, pick(rng, scoops), 12)
        sheet.ellipse(x, y, 16, 16, fill)
        sheet.ellipse(x - 5, y - 6, 4, 3, lighten(fill, 0.4))
    sheet.ellipse(36, 9, 5, 5, (196, 36, 50))
    return sheet.image


def draw_donut(rng: np.random.Generator) -> Image.Image:
    """A glazed donut with sprinkles."""
    glaze = vary(rng, pick(rng, ((236, 140, 170), (110, 66, 44), (246, 238, 222), (150, 196, 220))), 12)
    sheet = Sheet(100, 74)
    sheet.ellipse(50, 41, 47, 31, (190, 128, 66))
    sheet.ellipse(50, 37, 47, 31, (216, 160, 92))
    sheet.ellipse(50, 34, 43, 27, glaze)
    for _ in range(40):
        angle, reach = rng.uniform(0, 6.28), rng.uniform(0.55, 0.9)
        x, y = 50 + 41 * reach * cos(angle), 34 + 26 * reach * sin(angle)
        sheet.line([(x - 1.5, y - 0.8), (x + 1.5, y + 0.8)], vivid(rng), 1.2)
    sheet.ellipse(50, 35, 13, 8, (176, 114, 58))
    sheet.ellipse(50, 37, 11, 6, mix((120, 90, 70), glaze, 0.15))
    return sheet.image


def draw_coffee(rng: np.random.Generator) -> Image.Image:
    """A cup of coffee on a saucer."""
    cup = vary(rng, pick(rng, ((244, 242, 238), (60, 110, 130), (190, 80, 60), (230, 200, 120))), 10)
    sheet = Sheet(100, 74)
    sheet.ellipse(50, 58, 47, 15, darken(cup, 0.1))
    sheet.ellipse(50, 57, 38, 11, lighten(cup, 0.12))
    sheet.arc(80, 34, 13, 12, (0, 360), cup, 4)
    sheet.polygon([(18, 22), (80, 22), (70, 58), (28, 58)], cup)
    sheet.ellipse(49, 57, 21, 7, cup)
    sheet.ellipse(49, 22, 31, 11, lighten(cup, 0.25))
    sheet.ellipse(49, 23, 27, 8.5, (86, 54, 36))
    sheet.ellipse(49, 23, 14, 4.4, (206, 170, 124))
    sheet.ellipse(49, 23, 6, 2, (120, 78, 50))
    return sheet.image


def draw_juice(rng: np.random.Generator) -> Image.Image:
    """A tall glass of juice with a straw."""
    juice = vary(rng, pick(rng, ((240, 160, 50), (206, 60, 66), (150, 190, 80), (120, 60, 40))), 14)
    sheet = Sheet(66, 118)
    sheet.line([(36, 100), (54, 3)], vivid(rng), 3)
    sheet.polygon([(8, 18), (58, 18), (51, 114), (15, 114)], (206, 222, 230))
    sheet.polygon([(11, 34), (55, 34), (49, 110), (17, 110)], juice)
    sheet.ellipse(33, 34, 22, 5, lighten(juice, 0.3))
    sheet.polygon([(14, 36), (20, 36), (23, 106), (19, 106)], lighten(juice, 0.35))
    for x, y in ((28, 44), (42, 52), (33, 62)):
        sheet.rect(x - 6, y - 6, x + 5, y + 5, lighten(juice, 0.25), 2)
    sheet.ellipse(54, 22, 9, 9, (244, 190, 60))
    sheet.ellipse(54, 22, 6.6, 6.6, (250, 226, 130))
    return sheet.image


def draw_wine(rng: np.random.Generator) -> Image.Image:
    """A stemmed glass of wine."""
    wine = vary(rng, pick(rng, ((130, 24, 46), (236, 212, 120), (226, 140, 130))), 12)
    sheet = Sheet(62, 124)
    sheet.ellipse(31, 44, 27, 41, (212, 222, 230))
    sheet.pie(31, 46, 25, 38, (0, 180), wine)
    sheet.ellipse(31, 46, 25, 6, lighten(wine, 0.25))
    sheet.line([(31, 84), (31, 114)], (196, 208, 216), 3)
    sheet.ellipse(31, 117, 21, 5, (200, 212, 220))
    sheet.line([(13, 30), (12, 54)], WHITE, 2)
    return sheet.image


def draw_bottle(rng: np.random.Generator) -> Image.Image:
    """A bottle of something to drink, with a plain band."""
    glass = vary(rng, pick(rng, ((52, 96, 60), (110, 66, 34), (180, 214, 230), (150, 40, 44))), 12)
    sheet = Sheet(44, 136)
    sheet.rect(16, 1, 28, 12, vivid(rng), 2)
    sheet.polygon([(17, 10), (27, 10), (28, 34), (41, 52), (41, 130), (3, 130), (3, 52), (16, 34)], glass)
    sheet.rect(3, 120, 41, 135, glass, 5)
    sheet.rect(3, 66, 41, 102, vivid(rng))
    sheet.ellipse(22, 84, 9, 9, WHITE)
    sheet.line([(10, 54), (10, 62)], lighten(glass, 0.5), 2.6)
    return sheet.image
