"""Screenshots: chats, pages, code, settings, dashboards and maps, drawn to fill the whole picture."""

import numpy as np
from PIL import Image

from tools.demo_library.sketch import INK, WHITE, Color, Sheet, darken, lighten, mix, pick, vary, vivid
from tools.demo_library.stationery import BRANDS, NAMES, WORDS, write_lines


def _page(rng: np.random.Generator, aspect: float) -> tuple[Sheet, Color, Color]:
    """A blank screen with its bar; returns the sheet, its background and its ink."""
    background, ink = pick(rng, ((WHITE, INK), ((24, 26, 32), (222, 224, 230)), ((238, 240, 246), INK)))
    width = 100.0 if aspect > 1 else 160.0
    sheet = Sheet(width, width * aspect)
    sheet.rect(0, 0, width, sheet.height, background)
    return sheet, background, ink


def _title(rng: np.random.Generator) -> str:
    return f"{pick(rng, WORDS)} {pick(rng, WORDS)}".title()


def _chat(rng: np.random.Generator, aspect: float) -> Image.Image:
    sheet, background, ink = _page(rng, aspect)
    accent = vivid(rng)
    sheet.rect(0, 0, sheet.width, 15, accent)
    sheet.ellipse(10, 8, 5, 5, lighten(accent, 0.5))
    sheet.text(19, 8, pick(rng, NAMES), 6, WHITE)
    y = 21.0
    while y < sheet.height - 16:
        is_mine = rng.random() < 0.5
        height, width = rng.uniform(10, 24), sheet.width * rng.uniform(0.42, 0.68)
        left = sheet.width - width - 4 if is_mine else 4
        fill = mix(accent, WHITE, 0.72) if is_mine else mix(background, ink, 0.1)
        sheet.rect(left, y, left + width, y + height, fill, 4)
        write_lines(
            rng, sheet, (left + 4, y + 3, left + width - 4, y + height - 3), 4.6, INK if is_mine else ink
        )
        y += height + 4
    sheet.rect(4, sheet.height - 11, sheet.width - 4, sheet.height - 3, mix(background, ink, 0.14), 4)
    return sheet.image


def _web_page(rng: np.random.Generator, aspect: float) -> Image.Image:
    sheet, background, ink = _page(rng, aspect)
    bar = mix(background, ink, 0.12)
    sheet.rect(0, 0, sheet.width, 10, bar)
    sheet.rect(22, 2, sheet.width - 12, 8, background, 3)
    sheet.text(
        26, 5, f"www.{pick(rng, BRANDS).lower().replace('&', '')}.example", 4, mix(ink, background, 0.35)
    )
    for index, fill in enumerate(((226, 90, 80), (236, 190, 80), (100, 190, 110))):
        sheet.ellipse(5 + index * 5, 5, 1.6, 1.6, fill)
    sheet.text(8, 19, _title(rng), 9, ink)
    hero = 26 + sheet.width * rng.uniform(0.2, 0.34)
    sheet.rect(8, 26, sheet.width - 8, hero, vivid(rng))
    sheet.polygon([(8, hero), (sheet.width * 0.35, 32), (sheet.width * 0.66, hero)], vivid(rng))
    columns = 1 if aspect > 1 else 2
    span = (sheet.width - 16) / columns
    for column in range(columns):
        left = 8 + column * span
        write_lines(rng, sheet, (left, hero + 6, left + span - 6, sheet.height - 5), 4.4, ink)
    return sheet.image


def _code(rng: np.random.Generator, aspect: float) -> Image.Image:
    width = 100.0 if aspect > 1 else 160.0
    sheet = Sheet(width, width * aspect)
    background = vary(rng, pick(rng, ((30, 32, 40), (22, 27, 34), (250, 248, 240))), 4)
    ink: Color = (214, 218, 226) if sum(background) < 380 else (50, 54, 60)
    sheet.rect(0, 0, width, sheet.height, background)
    side = width * rng.uniform(0.12, 0.24)
    sheet.rect(0, 0, side, sheet.height, mix(background, ink, 0.08))
    hues = tuple(mix(vivid(rng), ink, 0.25) for _ in range(4))
    indent = 0
    for row, y in enumerate(np.arange(5, sheet.height - 2, 5.2)):
        sheet.text(side + 2, float(y), str(row + 1), 3.6, mix(ink, background, 0.55))
        indent = int(np.clip(indent + rng.integers(-1, 2), 0, 4))
        x = side + 12 + indent * 7
        if row % 3 == 0:
            sheet.text(3, float(y), pick(rng, WORDS)[: int(side / 3)], 3.8, mix(ink, background, 0.3))
        for _ in range(int(rng.integers(1, 5))):
            word = pick(rng, WORDS) + pick(rng, ("()", " =", ":", "[i]", ","))
            sheet.text(x, float(y), word, 4.2, pick(rng, (*hues, ink, ink)))
            x += len(word) * 2.3 + 3
    return sheet.image


def _settings(rng: np.random.Generator, aspect: float) -> Image.Image:
    sheet, background, ink = _page(rng, aspect)
    sheet.text(8, 12, pick(rng, ("Settings", "Library", "Inbox", "Tasks", "Music")), 10, ink)
    accent = vivid(rng)
    for y in np.arange(24, sheet.height - 8, 14):
        top = float(y)
        sheet.rect(5, top, sheet.width - 5, top + 12, mix(background, ink, 0.07), 3)
        sheet.rect(8, top + 2, 16, top + 10, vivid(rng), 2)
        sheet.text(20, top + 4, pick(rng, WORDS).title(), 4.8, ink)
        sheet.text(20, top + 9, f"{pick(rng, WORDS)} {pick(rng, WORDS)}", 3.4, mix(ink, background, 0.4))
        is_on = rng.random() < 0.5
        knob = sheet.width - (11 if is_on else 16)
        sheet.rect(
            sheet.width - 20, top + 3.5, sheet.width - 8, top + 8.5, accent if is_on else (150, 152, 158), 2.5
        )
        sheet.ellipse(knob, top + 6, 2, 2, WHITE)
    return sheet.image


def _dashboard(rng: np.random.Generator, aspect: float) -> Image.Image:
    sheet, background, ink = _page(rng, aspect)
    sheet.text(6, 8, _title(rng), 7, ink)
    columns = 1 if aspect > 1 else 2
    span = (sheet.width - 6) / columns
    tall = span * 0.56
    for row in range(int((sheet.height - 16) / (tall + 3)) + 1):
        for column in range(columns):
            left, top = 4 + column * span, 15 + row * (tall + 3)
            right, bottom = left + span - 3, top + tall
            sheet.rect(left, top, right, bottom, mix(background, ink, 0.07), 2)
            sheet.text(left + 3, top + 5, pick(rng, WORDS).title(), 4.4, ink)
            fill, values = vivid(rng), rng.random(9)
            xs = left + 6 + np.arange(9) * (span - 14) / 8
            ys = bottom - 4 - values * tall * 0.6
            if rng.random() < 0.5:
                for x, y in zip(xs, ys, strict=True):
                    sheet.rect(float(x) - 2, float(y), float(x) + 2, bottom - 3, fill)
            else:
                sheet.line([(float(x), float(y)) for x, y in zip(xs, ys, strict=True)], fill, 1.4)
    return sheet.image


def _map(rng: np.random.Generator, aspect: float) -> Image.Image:
    sheet, _, _ = _page(rng, aspect)
    land = vary(rng, (236, 232, 220), 6)
    sheet.rect(0, 0, sheet.width, sheet.height, land)
    sheet.polygon(
        [(0, rng.uniform(20, 60)), (sheet.width, rng.uniform(40, 90)), (sheet.width, 120), (0, 80)],
        (170, 208, 232),
    )
    for _ in range(5):
        x, y = rng.uniform(0, sheet.width), rng.uniform(0, sheet.height)
        sheet.rect(x, y, x + rng.uniform(14, 36), y + rng.uniform(10, 30), (190, 222, 176), 3)
    for _ in range(9):
        start, end = rng.uniform(0, sheet.height, size=2)
        sheet.line([(0, float(start)), (sheet.width, float(end))], (250, 250, 250), rng.uniform(1, 3))
        sheet.line(
            [(float(start), 0), (float(end), sheet.height)], pick(rng, ((250, 250, 250), (250, 214, 130))), 2
        )
    for _ in range(8):
        at = (rng.uniform(6, sheet.width - 26), rng.uniform(22, sheet.height - 8))
        sheet.text(*at, pick(rng, WORDS).title() + pick(rng, (" St", " Rd", "")), 4.6, (80, 84, 96))
    sheet.rect(5, 4, sheet.width - 5, 15, WHITE, 4)
    sheet.text(10, 9.5, "Search " + pick(rng, WORDS), 5, (110, 112, 120))
    x, y = sheet.width * rng.uniform(0.3, 0.7), sheet.height * rng.uniform(0.4, 0.7)
    sheet.polygon([(x - 5, y - 9), (x + 5, y - 9), (x, y)], (214, 60, 54))
    sheet.ellipse(x, y - 10, 5.4, 5.4, (214, 60, 54))
    sheet.ellipse(x, y - 10, 2, 2, WHITE)
    return sheet.image


SCREENS = {
    "chat": _chat,
    "web page": _web_page,
    "code editor": _code,
    "settings list": _settings,
    "dashboard": _dashboard,
    "map": _map,
}


def paint_screenshot(rng: np.random.Generator, setting: str, size: tuple[int, int]) -> Image.Image:
    """Paint a screenshot of a kind of program that fills a picture of this size in px."""
    image = SCREENS[setting](rng, size[1] / size[0])
    shade = darken(WHITE, 0.02)
    page = Image.new("RGB", image.size, shade)
    page.paste(image, (0, 0), image)
    return page.resize(size, Image.Resampling.LANCZOS)
