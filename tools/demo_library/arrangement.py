"""Who and what stands where: people, animals and things, placed so that each of them can be seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.figures import draw_bust, draw_figure, draw_looks, draw_selfie
from tools.demo_library.placing import Pose
from tools.demo_library.portable_math import power
from tools.demo_library.specs import ABOVE, TABLES, PhotoSpec
from tools.demo_library.stationery import draw_sign
from tools.demo_library.things import CATALOGUE

LEAST_VISIBLE_SHARE = 0.55
_TRIES = 12
_GRID = 48


@dataclass(frozen=True, slots=True)
class Placed:
    """A sticker and where it goes."""

    sticker: Image.Image
    pose: Pose


def spread(rng: np.random.Generator, count: int, jitter: float = 0.25) -> list[float]:
    """Draw `count` places across a photo, in random order, each within its own column."""
    centres = (np.arange(count) + 0.5 + rng.uniform(-jitter, jitter, count)) / count
    return [float(x) for x in rng.permutation(centres)]


def fit_width(width: float, sticker: Image.Image, size: tuple[int, int], most_height: float) -> float:
    """Narrow a sticker (share of the photo's width) so that it is no taller than a share of the height."""
    return min(width, most_height * size[1] * sticker.width / (sticker.height * size[0]))


def arrange_sign(
    rng: np.random.Generator, spec: PhotoSpec, ground: float, size: tuple[int, int]
) -> list[Placed]:
    """Put up a sign where the ground begins, if there is one."""
    if not spec.has_sign:
        return []
    sticker = draw_sign(rng)
    width = fit_width(rng.uniform(0.3, 0.42), sticker, size, 0.6)
    return [Placed(sticker, Pose(rng.uniform(0.22, 0.78), min(0.9, ground + 0.1), width))]


def arrange_people(
    rng: np.random.Generator, spec: PhotoSpec, ground: float, size: tuple[int, int]
) -> list[Placed]:
    """Stand people in a photo: near faces for a selfie, busts behind tables, whole figures elsewhere."""
    is_behind_table = spec.setting in TABLES or spec.setting == "studio"
    is_near = spec.scene == "selfie" or is_behind_table or (spec.scene == "people" and rng.random() < 0.82)
    placed = []
    for x in spread(rng, spec.people):
        looks = draw_looks(rng)
        if not is_near:
            sticker = draw_figure(rng, looks)
            height = rng.uniform(0.14, 0.3) if spec.scene == "landscape" else rng.uniform(0.72, 0.95)
            foot = min(0.98, max(ground + rng.uniform(0.04, 0.3), height + 0.04))
            placed.append(Placed(sticker, Pose(x, foot, fit_width(1, sticker, size, height))))
            continue
        draw = draw_selfie if spec.scene == "selfie" else draw_bust
        sticker = draw(rng, looks)
        width = min(
            rng.uniform(0.62, 0.86) if spec.scene == "selfie" else rng.uniform(0.6, 0.84), 1.4 / spec.people
        )
        foot = max(0.62, ground + 0.14) if is_behind_table and spec.objects else 1.04
        width = fit_width(width, sticker, size, min(1.05, foot - 0.02))
        placed.append(Placed(sticker, Pose(x, foot, width, casts_shadow=not spec.objects)))
    return placed


def arrange_animals(
    rng: np.random.Generator, spec: PhotoSpec, ground: float, size: tuple[int, int]
) -> list[Placed]:
    """Put animals on the ground: large where the photo is of them, small in a landscape."""
    placed = []
    low, high = {"animals": (0.7, 0.95), "landscape": (0.1, 0.2)}.get(spec.scene, (0.2, 0.32))
    for x, kind in zip(spread(rng, len(spec.animals)), spec.animals, strict=True):
        sticker = ANIMALS[kind](rng)
        if rng.random() < 0.5:
            sticker = sticker.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        width = fit_width(rng.uniform(low, high) / power(len(spec.animals), 0.4), sticker, size, 0.82)
        height = width * size[0] / size[1] * sticker.height / sticker.width
        if spec.setting == "aquarium":
            pose = Pose(x, rng.uniform(height + 0.05, 0.95), width, casts_shadow=False)
        else:
            foot = max(ground + rng.uniform(0.05, 0.35), height + 0.06)
            pose = Pose(x, min(0.97, foot), width)
        placed.append(Placed(sticker, pose))
    return placed


def _size_objects(
    rng: np.random.Generator, spec: PhotoSpec, stickers: Sequence[Image.Image], size: tuple[int, int]
) -> list[float]:
    """Draw the things' widths (shares of the photo's): as large as the scene has them, all side by side.

    Before people things stay low, or a face would be hidden.
    """
    low, high = {"product": (0.66, 0.96), "food": (0.74, 1.0), "document": (1.05, 1.4)}.get(
        spec.scene, (0.26, 0.46)
    )
    scale = rng.uniform(low, high)
    tallest = 0.42 if spec.people else {"snapshot": 0.6, "document": 0.9}.get(spec.scene, 0.8)
    widths = []
    for thing, sticker in zip(spec.objects, stickers, strict=True):
        width = scale * CATALOGUE[thing.name].size * rng.uniform(0.9, 1.1) * (1 if thing.is_main else 0.72)
        widths.append(fit_width(width, sticker, size, tallest))
    crowding = min(1.0, 1.02 / sum(widths))
    return [width * crowding for width in widths]


def arrange_objects(
    rng: np.random.Generator, spec: PhotoSpec, ground: float, size: tuple[int, int]
) -> list[Placed]:
    """Lay and stand things side by side on a table or the floor."""
    if not spec.objects:
        return []
    stickers = [CATALOGUE[thing.name].draw(rng) for thing in spec.objects]
    widths = _size_objects(rng, spec, stickers, size)
    squash = 1.0 if spec.setting in ABOVE else float(rng.uniform(0.5, 0.85))
    left = rng.uniform(0, max(0.02, 0.98 - sum(widths))) + 0.01
    placed = []
    for index in rng.permutation(len(stickers)):
        thing, sticker, width = spec.objects[index], stickers[index], widths[index]
        pose = _pose_object(rng, CATALOGUE[thing.name].is_flat, left + width / 2, width, ground, squash)
        placed.append(Placed(sticker, _keep_inside(pose, sticker, size)))
        left += width
    return placed


def _pose_object(
    rng: np.random.Generator, is_flat: bool, x: float, width: float, ground: float, squash: float
) -> Pose:
    is_standing = not is_flat and squash < 1
    if is_standing:
        return Pose(x, rng.uniform(ground + 0.12, 0.95), width, True, rng.uniform(-2.5, 2.5))
    turn = rng.normal(0, 8) if rng.random() < 0.9 else rng.uniform(-90, 90)
    return Pose(
        x, rng.uniform((ground + 1) / 2 - 0.08, (ground + 1) / 2 + 0.12), width, False, float(turn), squash
    )


def _keep_inside(pose: Pose, sticker: Image.Image, size: tuple[int, int]) -> Pose:
    """Move a pose so that the sticker is not cut off above or below."""
    height = pose.width * size[0] / size[1] * sticker.height / sticker.width
    if pose.is_standing:
        y = min(0.97, max(pose.y, height + 0.03))
    else:
        half = height * pose.squash / 2
        y = min(max(pose.y, half + 0.02), max(half + 0.02, 0.98 - half))
    return replace(pose, y=y)


def visible_shares(placed: Sequence[Placed], size: tuple[int, int]) -> np.ndarray:
    """Estimate how much of each sticker is seen once those behind it in the list cover it.

    Args:
        placed: Stickers from back to front.
        size: Width and height of the photo in px.

    Returns:
        Shares in [0, 1], float64 of shape (len(placed),): by bounding boxes on a coarse grid.
    """
    owner = np.full((_GRID, _GRID), -1)
    areas = np.empty(len(placed))
    for index, item in enumerate(placed):
        pose = item.pose
        height = pose.width * size[0] / size[1] * item.sticker.height / item.sticker.width
        height *= 1 if pose.is_standing else pose.squash
        top = pose.y - height * (1 if pose.is_standing else 0.5)
        left = pose.x - pose.width / 2
        rows = slice(max(0, round(top * _GRID)), max(0, round((top + height) * _GRID)))
        columns = slice(max(0, round(left * _GRID)), max(0, round((left + pose.width) * _GRID)))
        owner[rows, columns] = index
        areas[index] = max(1.0, pose.width * height * _GRID**2)
    seen = np.array([(owner == index).sum() for index in range(len(placed))])
    return np.minimum(1.0, seen / areas)


def arrange(rng: np.random.Generator, spec: PhotoSpec, ground: float, size: tuple[int, int]) -> list[Placed]:
    """Arrange all that a photo shows, from back to front, trying again while something is hidden.

    Args:
        rng: The photo's source of randomness.
        spec: What it shows.
        ground: Where floor or table begins, as a share of the height; 0 when seen from above.
        size: Width and height in px.
    """
    best: list[Placed] = []
    best_share = -1.0
    for _ in range(_TRIES):
        placed: list[Placed] = []
        for arrange_some in (arrange_sign, arrange_people, arrange_animals, arrange_objects):
            placed += sorted(arrange_some(rng, spec, ground, size), key=lambda item: item.pose.y)
        share = float(visible_shares(placed, size).min(initial=1.0))
        if share > best_share:
            best, best_share = placed, share
        if share >= LEAST_VISIBLE_SHARE:
            break
    return best
