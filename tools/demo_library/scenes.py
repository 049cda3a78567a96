"""From a specification to a picture: backdrop, people, animals and things, arranged back to front."""

import numpy as np
from PIL import Image, ImageFilter

from tools.demo_library.arrangement import arrange
from tools.demo_library.camera import expose
from tools.demo_library.indoors import INDOORS, paint_indoors
from tools.demo_library.oddities import paint_oddity
from tools.demo_library.outdoors import paint_outdoors
from tools.demo_library.placing import Light, place
from tools.demo_library.screens import paint_screenshot
from tools.demo_library.specs import PhotoSpec

SUPERSAMPLING = 2


def paint_scene(rng: np.random.Generator, spec: PhotoSpec, size: tuple[int, int]) -> Image.Image:
    """Paint what a specification says, before any camera has looked at it."""
    if spec.scene == "screenshot":
        return paint_screenshot(rng, spec.setting, size)
    if spec.scene == "other":
        return paint_oddity(rng, spec.setting, size)
    paint = paint_indoors if spec.setting in INDOORS else paint_outdoors
    photo, ground = paint(rng, spec.setting, size)
    if spec.scene in ("people", "selfie", "animals", "product", "food") and rng.random() < 0.85:
        photo = photo.filter(ImageFilter.GaussianBlur(rng.uniform(2.5, 8)))
    light = Light(side=float(rng.uniform(-1, 1)), hardness=float(rng.uniform(0, 1)))
    for item in arrange(rng, spec, ground, size):
        place(photo, item.sticker, item.pose, light)
    return photo


def render_photo(rng: np.random.Generator, spec: PhotoSpec) -> Image.Image:
    """Render one photo as a camera would have taken it.

    Args:
        rng: The photo's own source of randomness.
        spec: What it shows.

    Returns:
        RGB image of `spec.size`.
    """
    size = (spec.size[0] * SUPERSAMPLING, spec.size[1] * SUPERSAMPLING)
    painted = paint_scene(rng, spec, size)
    if spec.scene == "screenshot":
        return painted.resize(spec.size, Image.Resampling.LANCZOS)
    return expose(rng, painted, spec.size)
