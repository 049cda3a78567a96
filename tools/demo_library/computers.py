"""Computers and what belongs to them, each drawn on its own sheet."""

import numpy as np
from PIL import Image

from tools.demo_library.sketch import (
    INK,
    WHITE,
    Color,
    Sheet,
    casing,
    darken,
    lighten,
    mix,
    pick,
    vary,
    vivid,
)


def draw_keyboard(rng: np.random.Generator) -> Image.Image:
    """Rows of keys with a space bar, seen from above."""
    body = casing(rng)
    keys = lighten(body, 0.3) if sum(body) < 380 else darken(body, rng.uniform(0.08, 0.8))
    columns = int(rng.integers(12, 17))
    sheet = Sheet(100, 38)
    sheet.rect(1, 1, 99, 37, body, 3)
    pitch = 94 / columns
    for row in range(4):
        for column in range(columns):
            left, top = 3 + column * pitch, 4 + row * 6.4
            fill = vivid(rng) if rng.random() < 0.02 else keys
            sheet.rect(left + 0.4, top, left + pitch - 0.5, top + 5.3, fill, 0.8)
    for left, right in ((3, 13), (14, 24), (26, 66), (68, 78), (79, 97)):
        sheet.rect(left + 0.4, 29.8, right, 34.8, keys, 0.8)
    return sheet.image


def draw_mouse(rng: np.random.Generator) -> Image.Image:
    """An oval body with two buttons, a wheel and often a cable."""
    body = casing(rng)
    line = darken(body, 0.35) if sum(body) > 200 else lighten(body, 0.3)
    sheet = Sheet(70, 130)
    if rng.random() < 0.6:
        sheet.line([(35, 40), (33, 22), (44, 12), (40, 1)], darken(body, 0.4), 2.4)
    sheet.ellipse(35, 80, 29, 47, body)
    sheet.ellipse(35, 92, 22, 32, lighten(body, 0.08))
    sheet.line([(35, 35), (35, 68)], line, 1.4)
    sheet.arc(35, 66, 29, 10, (0, 180), line, 1.4)
    sheet.rect(32, 44, 38, 60, vivid(rng) if rng.random() < 0.3 else line, 3)
    return sheet.image


def paint_desktop(rng: np.random.Generator, sheet: Sheet, box: tuple[float, float, float, float]) -> None:
    """Show windows, pictures or a plain glow on a screen, without any text."""
    x0, y0, x1, y1 = box
    width, height = x1 - x0, y1 - y0
    base = vary(
        rng, pick(rng, ((26, 34, 58), (60, 110, 170), (24, 70, 74), (210, 220, 232), (16, 17, 20))), 16
    )
    sheet.rect(x0, y0, x1, y1, base)
    kind = rng.random()
    if kind < 0.45:
        for _ in range(int(rng.integers(1, 4))):
            left, top = x0 + rng.uniform(0.05, 0.4) * width, y0 + rng.uniform(0.06, 0.4) * height
            right, bottom = left + rng.uniform(0.3, 0.52) * width, top + rng.uniform(0.3, 0.5) * height
            sheet.rect(left, top, right, bottom, vary(rng, (236, 238, 242), 12), 1)
            sheet.rect(left, top, right, top + 0.09 * height, vivid(rng), 1)
    elif kind < 0.8:
        hill = vary(rng, (70, 130, 90), 40)
        skyline = ((0, 0.7), (0.4, 0.45), (0.7, 0.7), (1, 0.5))
        heights = [(x0 + across * width, y0 + down * height) for across, down in skyline]
        sheet.polygon([(x0, y1), *heights, (x1, y1)], hill)
        sheet.ellipse(x0 + 0.75 * width, y0 + 0.25 * height, 0.07 * width, 0.07 * width, (250, 226, 150))
    else:
        glare = [
            (x0 + 0.62 * width, y0),
            (x0 + 0.8 * width, y0),
            (x0 + 0.56 * width, y1),
            (x0 + 0.38 * width, y1),
        ]
        sheet.polygon(glare, lighten(base, 0.12))


def draw_laptop(rng: np.random.Generator) -> Image.Image:
    """An open laptop: screen, keys in perspective, touchpad."""
    body = vary(rng, pick(rng, ((176, 180, 186), (72, 76, 84), (44, 46, 50), (214, 206, 198))), 10)
    keys = darken(body, 0.6) if sum(body) > 300 else lighten(body, 0.2)
    sheet = Sheet(100, 92)
    sheet.rect(12, 2, 88, 54, darken(body, 0.5), 2.5)
    paint_desktop(rng, sheet, (14.5, 4.5, 85.5, 50.5))
    sheet.polygon([(12, 54), (88, 54), (99, 88), (1, 88)], body)
    sheet.polygon([(1, 88), (99, 88), (98, 91), (2, 91)], darken(body, 0.35))
    for row in range(4):
        top, inset = 57 + row * 4.6, 15 - row * 1.5
        pitch = (100 - 2 * inset) / 13
        for column in range(13):
            left = inset + column * pitch
            sheet.rect(left + 0.5, top, left + pitch - 0.5, top + 3.6, keys, 0.6)
    sheet.polygon([(37, 77), (63, 77), (65, 86), (35, 86)], darken(body, 0.12))
    return sheet.image


def draw_monitor(rng: np.random.Generator) -> Image.Image:
    """A wide desktop monitor on its stand."""
    frame = casing(rng)
    sheet = Sheet(100, 82)
    sheet.polygon([(45, 58), (55, 58), (57, 76), (43, 76)], darken(frame, 0.25))
    sheet.ellipse(50, 77, 20, 4.2, darken(frame, 0.15))
    sheet.rect(1, 1, 99, 62, frame, 2)
    paint_desktop(rng, sheet, (3.5, 3.5, 96.5, 57))
    sheet.ellipse(50, 59.6, 1, 1, lighten(frame, 0.4))
    return sheet.image


def draw_television(rng: np.random.Generator) -> Image.Image:
    """A flat television screen on two feet, with a picture on it."""
    sheet = Sheet(110, 72)
    for x in (22, 88):
        sheet.line([(x - 5, 69), (x, 60), (x + 5, 69)], (30, 31, 34), 2)
    sheet.rect(1, 1, 109, 63, (24, 25, 28), 1.5)
    paint_desktop(rng, sheet, (2.6, 2.6, 107.4, 60.6))
    return sheet.image


def _paint_icons(
    rng: np.random.Generator, sheet: Sheet, box: tuple[float, float, float, float], columns: int
) -> None:
    x0, y0, x1, y1 = box
    pitch = (x1 - x0) / columns
    for row in range(int((y1 - y0) / pitch)):
        for column in range(columns):
            if rng.random() < 0.85:
                left, top = x0 + (column + 0.18) * pitch, y0 + (row + 0.18) * pitch
                sheet.rect(left, top, left + 0.64 * pitch, top + 0.64 * pitch, vivid(rng), 0.16 * pitch)


def draw_phone(rng: np.random.Generator) -> Image.Image:
    """A smartphone, either its screen of icons or its back with cameras."""
    body = casing(rng)
    sheet = Sheet(52, 106)
    sheet.rect(1, 1, 51, 105, body, 8)
    if rng.random() < 0.75:
        screen = vary(rng, pick(rng, ((30, 52, 96), (220, 226, 236), (18, 18, 22), (120, 70, 120))), 20)
        sheet.rect(3.4, 4, 48.6, 102, screen, 6)
        _paint_icons(rng, sheet, (6, 14 + rng.uniform(0, 30), 46, 98), 4)
        sheet.rect(19, 6.5, 33, 9.5, (10, 10, 12), 1.5)
    else:
        sheet.rect(5, 5, 27, 29, darken(body, 0.2), 5)
        for x, y in ((11, 11), (21, 17), (11, 23)):
            sheet.ellipse(x, y, 4.4, 4.4, (20, 22, 28))
            sheet.ellipse(x - 1, y - 1, 1.4, 1.4, (120, 140, 170))
    return sheet.image


def draw_tablet(rng: np.random.Generator) -> Image.Image:
    """A tablet with a wide bezel, icons and sometimes a pen beside it."""
    body = casing(rng)
    sheet = Sheet(112, 80)
    sheet.rect(1, 1, 104, 79, body, 5)
    sheet.rect(7, 6, 98, 74, vary(rng, pick(rng, ((40, 80, 120), (226, 228, 232), (96, 60, 100))), 20), 1)
    _paint_icons(rng, sheet, (14, 12, 92, 70), int(rng.integers(5, 7)))
    if rng.random() < 0.4:
        sheet.line([(108, 8), (108, 66)], WHITE, 2.6)
        sheet.line([(108, 67), (108, 72)], (120, 120, 124), 1.4)
    return sheet.image


def draw_mini_pc(rng: np.random.Generator) -> Image.Image:
    """A small square computer: low box, power button, a few ports on the front."""
    body = casing(rng)
    sheet = Sheet(100, 58)
    sheet.cuboid(3, 27, (72, 27, 22), body)
    ports = lighten(body, 0.35) if sum(body) < 300 else darken(body, 0.7)
    sheet.ellipse(66, 40, 3.6, 3.6, ports)
    sheet.ellipse(66, 40, 2.4, 2.4, (90, 170, 240))
    for x in (9, 20, 31):
        sheet.rect(x, 36, x + 8, 40, ports, 0.4)
        sheet.rect(x + 1, 37.4, x + 7, 38.8, (50, 90, 190))
    sheet.ellipse(48, 38, 2.2, 2.2, ports)
    for x in range(9, 60, 3):
        sheet.line([(x, 47), (x, 50)], darken(body, 0.5), 0.7)
    sheet.rect(4, 54, 12, 57, INK)
    sheet.rect(66, 54, 74, 57, INK)
    return sheet.image


def draw_desktop_tower(rng: np.random.Generator) -> Image.Image:
    """A tall computer case with a glass side or front fans."""
    body = vary(rng, pick(rng, ((40, 42, 46), (30, 30, 34), (224, 224, 222), (120, 124, 130))), 8)
    glow = vivid(rng)
    sheet = Sheet(80, 116)
    sheet.cuboid(4, 22, (46, 92, 27), body)
    if rng.random() < 0.65:
        for y in (42, 68, 94):
            sheet.ellipse(27, y, 12, 12, darken(body, 0.45))
            sheet.arc(27, y, 11, 11, (0, 360), glow, 1.6)
            for angle in range(0, 360, 60):
                sheet.pie(27, y, 9, 9, (angle, angle + 26), mix(glow, body, 0.55))
            sheet.ellipse(27, y, 3, 3, INK)
    else:
        for y in (28, 38):
            sheet.rect(9, y, 45, y + 7, lighten(body, 0.15), 0.8)
        for y in range(70, 108, 4):
            sheet.line([(12, y), (42, y)], darken(body, 0.5), 1.2)
        sheet.ellipse(27, 58, 3.4, 3.4, glow)
    sheet.line([(14, 16), (24, 10)], darken(body, 0.5), 1.6)
    return sheet.image


def draw_hub(rng: np.random.Generator) -> Image.Image:
    """A slim USB hub: a bar with a row of ports and a short cable."""
    body = casing(rng)
    sheet = Sheet(120, 44)
    sheet.line([(98, 26), (108, 25), (113, 16), (118, 14)], darken(body, 0.35), 3.4)
    sheet.cuboid(3, 18, (88, 17, 9), body)
    hole = (16, 17, 20) if sum(body) > 180 else (150, 152, 158)
    tongue: Color = pick(rng, ((40, 90, 200), (230, 232, 236), (40, 150, 170)))
    for port in range(int(rng.integers(4, 6))):
        left = 9 + port * 16
        sheet.rect(left, 23, left + 11.5, 29.5, hole, 0.5)
        sheet.rect(left + 1, 26, left + 10.5, 28.4, tongue)
        sheet.ellipse(left + 5.7, 20.6, 0.9, 0.9, (110, 220, 130))
    return sheet.image


def draw_hard_disk(rng: np.random.Generator) -> Image.Image:
    """An opened hard disk: shining platter, arm and screws."""
    frame = vary(rng, (150, 154, 160), 14)
    sheet = Sheet(76, 106)
    sheet.rect(1, 1, 75, 105, frame, 3)
    sheet.rect(4, 4, 72, 101, darken(frame, 0.25), 4)
    sheet.ellipse(38, 39, 33, 33, (222, 226, 232))
    start = int(rng.integers(0, 360))
    for turn, shade in ((0, 0.06), (30, 0.18), (180, 0.06), (210, 0.2)):
        sheet.pie(38, 39, 33, 33, (start + turn, start + turn + 26), darken((222, 226, 232), shade))
    sheet.ellipse(38, 39, 9, 9, (150, 152, 158))
    sheet.ellipse(38, 39, 4, 4, (84, 86, 92))
    sheet.polygon([(60, 90), (52, 86), (36, 54), (39, 52), (64, 82)], (186, 176, 150))
    sheet.ellipse(59, 86, 7, 7, (120, 122, 128))
    sheet.polygon([(8, 78), (30, 82), (28, 98), (8, 98)], (52, 110, 78))
    for x, y in ((7, 7), (69, 7), (7, 99), (69, 99)):
        sheet.ellipse(x, y, 2, 2, (66, 68, 72))
    return sheet.image


def draw_memory_drive(rng: np.random.Generator) -> Image.Image:
    """A flat solid-state drive with a coloured sticker and its connector."""
    body = casing(rng)
    accent = vivid(rng)
    sheet = Sheet(100, 72)
    sheet.rect(1, 1, 99, 68, body, 3)
    sheet.polygon([(9, 10), (68, 10), (54, 58), (9, 58)], accent)
    sheet.polygon([(74, 10), (80, 10), (66, 58), (60, 58)], lighten(accent, 0.4))
    sheet.rect(30, 68, 78, 71.5, (210, 178, 96))
    for x, y in ((5, 5), (95, 5), (5, 64), (95, 64)):
        sheet.ellipse(x, y, 1.7, 1.7, (150, 152, 156))
    return sheet.image


def draw_circuit_board(rng: np.random.Generator) -> Image.Image:
    """A board with tracks, chips, capacitors and gold contacts."""
    board = vary(rng, pick(rng, ((28, 104, 66), (24, 62, 120), (36, 40, 44), (120, 34, 40))), 10)
    track = lighten(board, 0.25)
    sheet = Sheet(110, 80)
    sheet.rect(1, 1, 109, 79, board, 2)
    for _ in range(22):
        x, y = rng.uniform(5, 105), rng.uniform(5, 75)
        bend = x + rng.uniform(-30, 30)
        sheet.line([(x, y), (x, y + 8), (bend, y + 14), (bend, 76)], track, 0.7)
    for x, y in ((6, 6), (104, 6), (6, 74), (104, 74)):
        sheet.ellipse(x, y, 3, 3, (206, 172, 92))
        sheet.ellipse(x, y, 1.6, 1.6, INK)
    for x, y, side in ((rng.uniform(18, 40), 22, 24), (rng.uniform(66, 82), rng.uniform(12, 36), 16)):
        for pin in np.arange(1.5, side, 3):
            sheet.line([(x - 2, y + pin), (x + side + 2, y + pin)], (196, 198, 202), 0.9)
        sheet.rect(x, y, x + side, y + side, (26, 27, 30), 0.8)
        sheet.ellipse(x + 3, y + 3, 1, 1, (120, 122, 126))
    for left in range(14, 60, 9):
        sheet.ellipse(left, 61, 3.6, 3.6, (180, 184, 190))
        sheet.pie(left, 61, 3.6, 3.6, (90, 270), (60, 74, 120))
    for left in range(66, 102, 3):
        sheet.rect(left, 70, left + 1.8, 78, (214, 180, 90))
    return sheet.image
