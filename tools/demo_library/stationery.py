"""Paper, books, cards and packaging: things that carry legible text."""

import numpy as np
from PIL import Image

from tools.demo_library.portable_math import sin
from tools.demo_library.sketch import INK, WHITE, Color, Sheet, darken, lighten, pick, vary, vivid

WORDS = (
    *("garden", "river", "market", "winter", "harbour", "meeting", "account", "summer", "train", "letter"),
    *("morning", "copper", "bridge", "picture", "season", "supply", "notice", "village", "report", "number"),
    *("island", "evening", "window", "member", "receipt", "travel", "candle", "forest", "library", "plan"),
)
NAMES = (
    "Ada Lind",
    "Tom Reyes",
    "Mia Okoro",
    "Jan Novak",
    "Lea Moreau",
    "Sam Hart",
    "Yuki Mori",
    "Ines Costa",
)
BRANDS = ("NORDA", "Velmo", "PICO", "Harvest", "Tindra", "OAT&CO", "Lumen", "Brisk", "SOLA", "Kettle")


def write_lines(
    rng: np.random.Generator,
    sheet: Sheet,
    box: tuple[float, float, float, float],
    size: float,
    ink: Color = INK,
) -> None:
    """Fill a box with ragged lines of words."""
    x0, y0, x1, y1 = box
    letters_per_line = int((x1 - x0) / (size * 0.52))
    for y in np.arange(y0 + size / 2, y1, size * 1.45):
        line = pick(rng, WORDS)
        target = letters_per_line * rng.uniform(0.55, 1)
        while len(line) < target - 7:
            line += " " + pick(rng, WORDS)
        sheet.text(x0, float(y), line, size, ink)


def draw_letter(rng: np.random.Generator) -> Image.Image:
    """A printed letter with a heading, paragraphs and a signature."""
    paper = vary(rng, (246, 244, 238), 6)
    size = rng.uniform(3, 4.6)
    sheet = Sheet(100, 136)
    sheet.rect(0, 0, 100, 136, paper, 0.5)
    sheet.text(
        10,
        12,
        pick(rng, WORDS).title() + " " + pick(rng, WORDS),
        rng.uniform(6, 9),
        pick(rng, (INK, vivid(rng))),
    )
    sheet.line([(10, 19), (90, 19)], darken(paper, 0.4), 0.5)
    write_lines(rng, sheet, (10, 26, 90, 62), size)
    write_lines(rng, sheet, (10, 68, 90, 104), size)
    start = rng.uniform(10, 50)
    wave = [(start + step * 2, 120 + 4 * sin(step * 1.9 + start)) for step in range(16)]
    sheet.line(wave, (44, 60, 140), 0.9)
    return sheet.image


def draw_receipt(rng: np.random.Generator) -> Image.Image:
    """A shop receipt: a narrow strip of items, prices and a bar code."""
    paper = vary(rng, (244, 243, 240), 6)
    sheet = Sheet(56, 136)
    sheet.rect(0, 0, 56, 136, paper)
    sheet.text(28, 9, pick(rng, BRANDS), 8, INK, "mm")
    for y in np.arange(20, 92, 6.4):
        sheet.text(5, float(y), pick(rng, WORDS)[:8], 4.4)
        sheet.text(51, float(y), f"{rng.uniform(0.5, 40):.2f}", 4.4, INK, "rm")
    sheet.line([(5, 96), (51, 96)], INK, 0.6)
    sheet.text(5, 103, "TOTAL", 6.6)
    sheet.text(51, 103, f"{rng.uniform(20, 300):.2f}", 6.6, INK, "rm")
    for x in np.arange(9, 47, 1.7):
        if rng.random() < 0.6:
            sheet.rect(float(x), 113, float(x) + rng.uniform(0.4, 1.3), 128, INK)
    return sheet.image


def draw_form(rng: np.random.Generator) -> Image.Image:
    """A printed form or table with ruled cells, some filled in by hand."""
    paper, accent = vary(rng, (246, 246, 242), 5), vivid(rng)
    sheet = Sheet(100, 136)
    sheet.rect(0, 0, 100, 136, paper)
    sheet.rect(7, 7, 93, 18, accent)
    sheet.text(10, 12.5, f"FORM {rng.integers(10, 99)}-{pick(rng, 'ABC')}", 6.6, WHITE)
    for y in np.arange(25, 122, 11):
        sheet.rect(7, float(y), 93, float(y) + 9.4, darken(paper, 0.35))
        sheet.rect(7.5, float(y) + 0.5, 42, float(y) + 8.9, darken(paper, 0.07))
        sheet.rect(42.5, float(y) + 0.5, 92.5, float(y) + 8.9, paper)
        sheet.text(9, float(y) + 4.7, pick(rng, WORDS), 4)
        if rng.random() < 0.7:
            sheet.text(
                45, float(y) + 4.7, pick(rng, (*WORDS, *NAMES, "12.04.", "310,00")), 4.6, (40, 56, 140)
            )
    return sheet.image


def draw_note(rng: np.random.Generator) -> Image.Image:
    """A ruled page with handwriting-like lines."""
    paper = vary(rng, pick(rng, ((250, 246, 226), (244, 246, 250), (252, 238, 160))), 6)
    ink = pick(rng, ((36, 52, 140), (40, 40, 44), (150, 36, 44)))
    sheet = Sheet(100, 124)
    sheet.rect(0, 0, 100, 124, paper)
    sheet.line([(13, 0), (13, 124)], (226, 140, 140), 0.5)
    for y in np.arange(14, 122, 9):
        sheet.line([(0, float(y) + 3), (100, float(y) + 3)], (168, 190, 216), 0.4)
        sheet.text(16, float(y), " ".join(pick(rng, WORDS) for _ in range(int(rng.integers(2, 5)))), 6, ink)
    return sheet.image


def draw_book(rng: np.random.Generator) -> Image.Image:
    """A book, closed with title and spine, or open with two pages of text."""
    if rng.random() < 0.4:
        paper = vary(rng, (244, 238, 222), 8)
        sheet = Sheet(130, 86)
        sheet.rect(0, 2, 130, 86, vivid(rng), 2)
        for left in (3, 65):
            sheet.rect(left, 0, left + 62, 83, paper, 2)
            sheet.text(left + 9, 9, pick(rng, WORDS).title(), 6)
            write_lines(rng, sheet, (left + 8, 17, left + 54, 76), 3.6)
        sheet.polygon([(62, 0), (68, 0), (70, 83), (60, 83)], darken(paper, 0.22))
        return sheet.image
    cover = vivid(rng)
    ink = WHITE if sum(cover) < 420 else INK
    sheet = Sheet(86, 112)
    sheet.polygon([(76, 3), (84, 7), (84, 111), (76, 111)], (232, 226, 208))
    sheet.rect(0, 2, 78, 112, cover, 1.5)
    sheet.rect(0, 2, 7, 112, darken(cover, 0.3), 1)
    sheet.text(43, 22, pick(rng, WORDS).title(), 12, ink, "mm")
    sheet.text(43, 37, "of the " + pick(rng, WORDS), 7.4, ink, "mm")
    sheet.ellipse(43, 68, 17, 17, lighten(cover, 0.35))
    sheet.polygon([(28, 77), (43, 54), (58, 77)], darken(cover, 0.25))
    sheet.text(43, 101, pick(rng, NAMES), 6, ink, "mm")
    return sheet.image


def draw_bank_card(rng: np.random.Generator) -> Image.Image:
    """A bank card: chip, number, name, two overlapping circles."""
    base = vivid(rng)
    ink = WHITE if sum(base) < 480 else INK
    sheet = Sheet(100, 63)
    sheet.rect(0, 0, 100, 63, base, 5)
    sheet.pie(90, 70, 70, 70, (180, 300), lighten(base, 0.12))
    sheet.text(8, 10, pick(rng, BRANDS) + " BANK", 7, ink)
    sheet.rect(9, 20, 24, 32, (222, 190, 110), 2)
    sheet.line([(9, 26), (24, 26)], (150, 120, 60), 0.6)
    sheet.line([(16.5, 20), (16.5, 32)], (150, 120, 60), 0.6)
    sheet.text(8, 42, " ".join(f"{rng.integers(0, 10000):04d}" for _ in range(4)), 8.2, ink)
    sheet.text(8, 55, pick(rng, NAMES).upper(), 5.4, ink)
    sheet.ellipse(81, 53, 6, 6, (226, 70, 54))
    sheet.ellipse(89, 53, 6, 6, (244, 170, 60))
    return sheet.image


def draw_id_card(rng: np.random.Generator) -> Image.Image:
    """An identity card: portrait on the left, lines of personal data, a seal."""
    base = vary(rng, pick(rng, ((206, 222, 232), (226, 214, 220), (214, 228, 208))), 8)
    sheet = Sheet(100, 66)
    sheet.rect(0, 0, 100, 66, base, 4)
    sheet.rect(0, 5, 100, 13, vivid(rng))
    sheet.text(50, 9, "IDENTITY CARD", 6, WHITE, "mm")
    sheet.rect(6, 18, 32, 52, (238, 240, 242), 1)
    skin = vary(rng, pick(rng, ((236, 198, 168), (176, 122, 86), (110, 74, 54))), 10)
    sheet.pie(19, 53, 12, 14, (180, 360), vivid(rng))
    sheet.ellipse(19, 31, 7.4, 9, darken(skin, 0.65))
    sheet.ellipse(19, 33, 6, 7.4, skin)
    name = pick(rng, NAMES)
    rows = (
        name.split()[1].upper(),
        name.split()[0],
        f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.19{rng.integers(50, 99)}",
    )
    for row, words in enumerate((*rows, f"No {rng.integers(10**6, 10**7)}")):
        sheet.text(37, 21 + row * 8.6, words, 6)
    sheet.text(6, 59, "<<" + name.upper().replace(" ", "<<") + "<" * 14, 5, (70, 76, 90))
    sheet.arc(86, 42, 9, 9, (0, 360), (150, 120, 170), 1.2)
    sheet.ellipse(86, 42, 5, 5, (196, 172, 206))
    return sheet.image


def draw_cereal_box(rng: np.random.Generator) -> Image.Image:
    """An upright carton with a brand, a picture and small print."""
    base, accent = vivid(rng), vivid(rng)
    ink = WHITE if sum(base) < 430 else INK
    sheet = Sheet(92, 124)
    sheet.cuboid(2, 13, (70, 110, 18), base)
    sheet.rect(6, 19, 68, 42, ink, 3)
    sheet.text(37, 30.5, pick(rng, BRANDS), 15, base, "mm")
    sheet.ellipse(37, 74, 26, 24, accent)
    for _ in range(12):
        sheet.ellipse(
            37 + rng.uniform(-17, 17), 76 + rng.uniform(-12, 14), 4, 3.4, vary(rng, (224, 170, 84), 24)
        )
    write_lines(rng, sheet, (8, 104, 66, 119), 4.4, ink)
    return sheet.image


def draw_parcel(rng: np.random.Generator) -> Image.Image:
    """A brown cardboard parcel with tape and an address label."""
    card = vary(rng, (186, 142, 94), 12)
    sheet = Sheet(118, 86)
    sheet.cuboid(2, 24, (86, 60, 28), card)
    sheet.polygon([(40, 24), (50, 24), (78, 7), (68, 7)], (222, 196, 150))
    sheet.rect(40, 24, 50, 42, (222, 196, 150))
    sheet.rect(8, 50, 50, 80, WHITE, 0.5)
    sheet.text(11, 55, "TO: " + pick(rng, NAMES), 4.8)
    write_lines(rng, sheet, (11, 60, 48, 68), 4)
    for x in np.arange(11, 46, 1.6):
        sheet.rect(float(x), 71, float(x) + rng.uniform(0.4, 1.2), 78, INK)
    sheet.text(68, 68, "FRAGILE", 7, (190, 46, 40), "mm")
    return sheet.image


def draw_tin(rng: np.random.Generator) -> Image.Image:
    """A round tin or jar with a label around it."""
    label = vivid(rng)
    metal: Color = pick(rng, ((190, 194, 198), (214, 178, 96), (92, 62, 44)))
    sheet = Sheet(74, 104)
    sheet.rect(2, 12, 72, 94, metal)
    sheet.ellipse(37, 94, 35, 9, metal)
    sheet.rect(2, 28, 72, 84, label)
    sheet.ellipse(37, 84, 35, 8, label)
    sheet.ellipse(37, 28, 35, 8, metal)
    sheet.ellipse(37, 12, 35, 9, lighten(metal, 0.3))
    sheet.ellipse(37, 12, 29, 7, darken(metal, 0.12))
    sheet.rect(12, 46, 62, 66, WHITE, 3)
    sheet.text(37, 56, pick(rng, BRANDS), 11, darken(label, 0.4), "mm")
    sheet.text(37, 77, f"{rng.integers(1, 10) * 50} g", 8, WHITE, "mm")
    return sheet.image


def draw_sign(rng: np.random.Generator) -> Image.Image:
    """A sign with a large name on it, on a post."""
    base = vivid(rng)
    sheet = Sheet(104, 110)
    sheet.rect(49, 30, 55, 110, (96, 84, 74))
    sheet.rect(0, 0, 104, 44, WHITE, 5)
    sheet.rect(2.5, 2.5, 101.5, 41.5, base, 4)
    sheet.text(52, 22, pick(rng, BRANDS), 22, WHITE if sum(base) < 440 else INK, "mm")
    return sheet.image
