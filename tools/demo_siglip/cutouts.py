"""More to learn from: cutouts of single things, pasted into rendered pictures.

A thing is painted in 2 ms, a picture in 90, and most pictures show few things. So each step pastes freshly
posed cutouts into some of its pictures (Dwibedi, Misra and Hebert 2017, "Cut, Paste and Learn").
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.figures import draw_bust, draw_figure, draw_looks
from tools.demo_library.placing import Light, Pose, place
from tools.demo_library.stationery import draw_sign
from tools.demo_library.things import CATALOGUE, KEY_OF_WORD
from tools.demo_siglip.pictures import Pixels

_MOST_PX = 64
_ASPECTS = (0.75, 0.75, 0.75, 1.0, 1.33)
"""A picture of 224 x 168 px is squashed to a square, and so are the things in it."""
_SMALLEST, _LARGEST = 0.22, 0.8
"""Widths of cutouts, as shares of the picture's, for a thing of size 1."""
_MOST_CUTOUTS = 6


@dataclass(frozen=True, slots=True)
class Cutout:
    """One thing without a background.

    Attributes:
        sticker: RGBA, at most `_MOST_PX` wide and high.
        facts: What holds of a picture that shows it, as in `lessons.state_facts`.
        size: Its width relative to other things.
        is_flat: Whether it lies on a table rather than standing there.
    """

    sticker: Image.Image
    facts: frozenset[str]
    size: float
    is_flat: bool


def draw_cutouts(rng: np.random.Generator, each: int) -> list[Cutout]:
    """Paint `each` cutouts of every thing and animal, and as many of four kinds each of people and signs."""
    return [cutout for _ in range(each) for cutout in _draw_one_of_each(rng)]


def _draw_one_of_each(rng: np.random.Generator) -> Iterator[Cutout]:
    for thing in CATALOGUE.values():
        facts = {f"thing.{thing.name}"} | ({"attr.has_text"} if thing.has_text else set())
        facts |= {KEY_OF_WORD[thing.coarse_type]} if thing.coarse_type in KEY_OF_WORD else set()
        yield _cut(rng, thing.draw(rng), facts, thing.size, thing.is_flat)
    for name, draw_animal in ANIMALS.items():
        yield _cut(rng, draw_animal(rng), {f"animal.{name}", "attr.has_animal"}, 0.6)
    for _ in range(4):
        yield _cut(rng, draw_bust(rng, draw_looks(rng)), {"attr.has_person"}, 0.9)
        yield _cut(rng, draw_figure(rng, draw_looks(rng)), {"attr.has_person"}, 0.4)
        yield _cut(rng, draw_sign(rng), {"attr.has_text"}, 0.7)


def _cut(
    rng: np.random.Generator, drawn: Image.Image, facts: set[str], size: float, is_flat: bool = False
) -> Cutout:
    aspect = float(rng.choice(_ASPECTS))
    scale = _MOST_PX / max(drawn.width * aspect, drawn.height)
    px = max(1, round(drawn.width * aspect * scale)), max(1, round(drawn.height * scale))
    return Cutout(drawn.resize(px, Image.Resampling.LANCZOS), frozenset(facts), size * aspect, is_flat)


def paste_cutouts(
    rng: np.random.Generator, picture: npt.NDArray[np.uint8], cutouts: list[Cutout]
) -> tuple[Pixels, list[int]]:
    """Paste one to six cutouts, lit and with shadows; returns the picture and which cutouts it got."""
    photo = Image.fromarray(picture)
    chosen = rng.integers(len(cutouts), size=rng.integers(1, _MOST_CUTOUTS + 1))
    light = Light(side=float(rng.uniform(-1, 1)), hardness=float(rng.uniform(0, 1)))
    for number in chosen:
        cutout = cutouts[number]
        width = cutout.size * _SMALLEST * (_LARGEST / _SMALLEST) ** rng.random()
        width = min(width, 0.8 * cutout.sticker.width / cutout.sticker.height)
        height = width * cutout.sticker.height / cutout.sticker.width
        pose = Pose(
            x=float(rng.uniform(0.1, 0.9)),
            y=float(rng.uniform(min(0.97, height), 1)),
            width=float(width),
            is_standing=not cutout.is_flat,
            angle_degrees=float(rng.normal(0, 8)),
            squash=float(rng.uniform(0.5, 1)),
        )
        place(photo, cutout.sticker, pose, light)
    return np.asarray(photo), [int(number) for number in chosen]
