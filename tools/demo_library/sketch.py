"""Drawing in units: a transparent sheet on which one thing is drawn before it is placed in a photo."""

from collections.abc import Sequence
from functools import cache
from typing import TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Color = tuple[int, int, int]
Point = tuple[float, float]
Choice = TypeVar("Choice")

PX_PER_UNIT = 3

WHITE: Color = (250, 250, 248)
INK: Color = (38, 40, 46)


def mix(first: Color, second: Color, share: float) -> Color:
    """Blend two colours; `share` in [0, 1] is how much of the second there is."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


def darken(color: Color, share: float) -> Color:
    """Blend a colour towards black."""
    return mix(color, (0, 0, 0), share)


def lighten(color: Color, share: float) -> Color:
    """Blend a colour towards white."""
    return mix(color, (255, 255, 255), share)


def vary(rng: np.random.Generator, color: Color, amount: int = 14) -> Color:
    """Shift each channel by up to `amount` grey levels."""
    red, green, blue = (min(255, max(0, c + int(rng.integers(-amount, amount + 1)))) for c in color)
    return red, green, blue


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Draw one of the choices, each equally likely."""
    return choices[int(rng.integers(len(choices)))]


def vivid(rng: np.random.Generator) -> Color:
    """Draw a colour as clothes, covers and boxes have it."""
    palette: tuple[Color, ...] = (
        (196, 62, 54), (222, 128, 48), (232, 190, 70), (92, 142, 82), (48, 118, 128), (58, 96, 164),
        (104, 78, 146), (190, 92, 130), (120, 84, 62), (232, 226, 212), (60, 64, 74), (148, 178, 196),
    )  # fmt: skip
    return vary(rng, pick(rng, palette), 18)


def casing(rng: np.random.Generator) -> Color:
    """Draw a colour as the casings of electronics have it: mostly black, grey, white."""
    palette: tuple[Color, ...] = (
        (36, 38, 42),
        (62, 64, 70),
        (118, 122, 128),
        (188, 190, 194),
        (232, 232, 230),
    )
    return vary(rng, pick(rng, palette), 8) if rng.random() < 0.85 else vivid(rng)


@cache
def font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's built-in typeface, so that text looks the same on every machine."""
    return ImageFont.load_default(size_px)


class Sheet:
    """A transparent page measured in units; it draws shapes and ends as a sticker.

    Args:
        width: Width in units; a thing usually fills about 100.
        height: Height in units.
    """

    def __init__(self, width: float = 100, height: float = 100) -> None:
        self.width, self.height = width, height
        self.image = Image.new("RGBA", (round(width * PX_PER_UNIT), round(height * PX_PER_UNIT)))
        self._draw = ImageDraw.Draw(self.image)

    def polygon(self, points: Sequence[Point], fill: Color) -> None:
        """Fill a polygon."""
        self._draw.polygon([(x * PX_PER_UNIT, y * PX_PER_UNIT) for x, y in points], fill=fill)

    def rect(self, x0: float, y0: float, x1: float, y1: float, fill: Color, radius: float = 0) -> None:
        """Fill a rectangle with rounded corners."""
        box = [value * PX_PER_UNIT for value in (x0, y0, x1, y1)]
        self._draw.rounded_rectangle(box, radius=radius * PX_PER_UNIT, fill=fill)

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: Color) -> None:
        """Fill an ellipse around a centre."""
        self._draw.ellipse([value * PX_PER_UNIT for value in (x - rx, y - ry, x + rx, y + ry)], fill=fill)

    def line(self, points: Sequence[Point], fill: Color, width: float = 1) -> None:
        """Draw a line with round joints and ends."""
        scaled = [(x * PX_PER_UNIT, y * PX_PER_UNIT) for x, y in points]
        self._draw.line(scaled, fill=fill, width=max(1, round(width * PX_PER_UNIT)), joint="curve")
        for x, y in (points[0], points[-1]):
            self.ellipse(x, y, width / 2, width / 2, fill)

    def arc(
        self, x: float, y: float, rx: float, ry: float, degrees: Point, fill: Color, width: float = 1
    ) -> None:
        """Draw part of an ellipse's outline, clockwise from three o'clock."""
        box = [value * PX_PER_UNIT for value in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.arc(box, *degrees, fill=fill, width=max(1, round(width * PX_PER_UNIT)))

    def pie(self, x: float, y: float, rx: float, ry: float, degrees: Point, fill: Color) -> None:
        """Fill a slice of an ellipse."""
        box = [value * PX_PER_UNIT for value in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.pieslice(box, *degrees, fill=fill)

    def text(
        self, x: float, y: float, words: str, size: float, fill: Color = INK, anchor: str = "lm"
    ) -> None:
        """Write one line of text, by default from the left at mid height."""
        at = (x * PX_PER_UNIT, y * PX_PER_UNIT)
        self._draw.text(at, words, fill=fill, font=font(max(5, round(size * PX_PER_UNIT))), anchor=anchor)

    def stamp(self, sticker: Image.Image, x: float, y: float, width: float, angle_degrees: float = 0) -> None:
        """Paste another sticker around a centre, scaled to a width in units."""
        turned = sticker.rotate(angle_degrees, Image.Resampling.BICUBIC, expand=True)
        width_px = max(1, round(width * PX_PER_UNIT))
        turned = turned.resize((width_px, max(1, round(turned.height * width_px / turned.width))))
        at = (round(x * PX_PER_UNIT - turned.width / 2), round(y * PX_PER_UNIT - turned.height / 2))
        layer = Image.new("RGBA", self.image.size)
        layer.paste(turned, at)
        self.image.alpha_composite(layer)
        self._draw = ImageDraw.Draw(self.image)

    def cuboid(self, x: float, y: float, size: tuple[float, float, float], fill: Color) -> None:
        """Draw a box seen from the front, its right side and top falling back.

        Args:
            x: Left edge of the front face.
            y: Top edge of the front face.
            size: Width and height of the front face and how far the box falls back, in units.
            fill: Colour of the front face; the side is darker, the top lighter.
        """
        width, height, depth = size
        back = depth * 0.6
        front_right, bottom = x + width, y + height
        top = [(x, y), (x + depth, y - back), (front_right + depth, y - back), (front_right, y)]
        side = [(front_right, y), (front_right + depth, y - back)]
        side += [(front_right + depth, bottom - back), (front_right, bottom)]
        self.polygon(top, lighten(fill, 0.28))
        self.polygon(side, darken(fill, 0.35))
        self.rect(x, y, front_right, bottom, fill)
