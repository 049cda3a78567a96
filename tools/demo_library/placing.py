"""Putting a sticker into a photo: turned, tilted, lit from one side, with its shadow."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from tools.demo_library.portable_math import solve


@dataclass(frozen=True, slots=True)
class Light:
    """Where a photo's light comes from.

    Attributes:
        side: From -1 (from the left) to 1 (from the right).
        hardness: From 0 (overcast, hardly a shadow) to 1 (hard sun).
    """

    side: float
    hardness: float


@dataclass(frozen=True, slots=True)
class Pose:
    """Where and how one sticker goes into a photo.

    Attributes:
        x: Centre as a share of the photo's width.
        y: Share of the photo's height: the foot of what stands, the centre of what lies.
        width: Share of the photo's width.
        is_standing: Whether it stands upright or lies flat.
        angle_degrees: Counter-clockwise turn in its own plane.
        squash: Height factor of what lies: 1 seen from above, less from the side.
        casts_shadow: False for what floats, such as a bird in the sky.
    """

    x: float
    y: float
    width: float
    is_standing: bool = True
    angle_degrees: float = 0.0
    squash: float = 1.0
    casts_shadow: bool = True


def warp(image: Image.Image, size: tuple[int, int], corners: np.ndarray) -> Image.Image:
    """Map an image onto a quadrilateral of a transparent page.

    Args:
        image: RGBA image; its corners go to `corners`.
        size: Size of the page in px.
        corners: (4, 2) array in px: where upper left, upper right, lower right, lower left go.
    """
    source = [(0, 0), (image.width, 0), (image.width, image.height), (0, image.height)]
    rows = []
    for (u, v), (x, y) in zip(source, corners.tolist(), strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    coefficients = solve(rows, [value for point in source for value in point])
    return image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)


def tilt_back(sticker: Image.Image, squash: float) -> Image.Image:
    """Lay a sticker on a table: its far edge becomes shorter, its height shrinks."""
    if squash >= 1:
        return sticker
    height = max(8, round(sticker.height * squash))
    inset = sticker.width * 0.16 * (1 - squash)
    corners = np.array([(inset, 0), (sticker.width - inset, 0), (sticker.width, height), (0, height)])
    return warp(
        sticker.resize((sticker.width, height), Image.Resampling.LANCZOS), (sticker.width, height), corners
    )


def shade(sticker: Image.Image, light: Light) -> Image.Image:
    """Let light fall across a sticker: brighter towards the light, darker away from it and below."""
    across = np.linspace(-1, 1, sticker.width)[None, :] * light.side
    down = np.linspace(1, -1, sticker.height)[:, None] * 0.5
    gain = 1 + (0.08 + 0.16 * light.hardness) * (across + down)
    pixels = np.asarray(sticker, dtype=np.float32).copy()
    pixels[..., :3] = np.clip(pixels[..., :3] * gain[..., None], 0, 255)
    return Image.fromarray(pixels.round().astype(np.uint8), "RGBA")


def _cast(
    photo: Image.Image, mask: Image.Image, at: tuple[int, int], blur_px: float, strength: float
) -> None:
    """Darken the photo under a blurred mask."""
    margin = round(blur_px * 3) + 1
    grown = Image.new("L", (mask.width + 2 * margin, mask.height + 2 * margin))
    grown.paste(mask, (margin, margin))
    soft = grown.filter(ImageFilter.GaussianBlur(blur_px)).point(lambda value: round(value * strength))
    photo.paste((14, 14, 22), (at[0] - margin, at[1] - margin), soft)


def place(photo: Image.Image, sticker: Image.Image, pose: Pose, light: Light) -> None:
    """Put a sticker and its shadow into an RGB photo, in place."""
    turned = sticker.rotate(pose.angle_degrees, Image.Resampling.BICUBIC, expand=True)
    width_px = max(6, round(pose.width * photo.width * turned.width / sticker.width))
    height_px = max(6, round(turned.height * width_px / turned.width))
    sized = turned.resize((width_px, height_px), Image.Resampling.LANCZOS)
    if not pose.is_standing:
        sized = tilt_back(sized, pose.squash)
    left = round(pose.x * photo.width - sized.width / 2)
    top = round(pose.y * photo.height - (sized.height if pose.is_standing else sized.height / 2))
    if pose.casts_shadow:
        _cast_shadow(photo, sized, (left, top), pose.is_standing, light)
    lit = shade(sized, light)
    photo.paste(lit, (left, top), lit)


def _cast_shadow(
    photo: Image.Image, sized: Image.Image, at: tuple[int, int], is_standing: bool, light: Light
) -> None:
    left, top = at
    alpha = sized.getchannel("A")
    strength = 0.25 + 0.4 * light.hardness
    blur_px = max(1.0, min(sized.size) * (0.06 - 0.035 * light.hardness))
    if not is_standing:
        offset = max(2, round(min(sized.size) * 0.035))
        _cast(photo, alpha, (left - round(light.side * offset), top + offset), blur_px, strength)
        return
    foot = alpha.resize((sized.width, max(3, round(sized.height * 0.14))))
    _cast(photo, foot, (left, top + sized.height - round(foot.height * 0.62)), blur_px, strength)
    fallen = alpha.resize((sized.width, max(4, round(sized.height * 0.3))))
    reach = round(light.side * sized.width * 0.4)
    corners = np.array([(0, 0), (sized.width, 0), (sized.width, fallen.height), (0, fallen.height)], float)
    corners[:2, 0] -= reach
    corners[:, 0] += abs(reach)
    colored = Image.merge("RGBA", (fallen, fallen, fallen, fallen))
    slanted = warp(colored, (sized.width + 2 * abs(reach), fallen.height), corners).getchannel("A")
    _cast(photo, slanted, (left - abs(reach), top + sized.height - fallen.height), blur_px, strength * 0.55)
