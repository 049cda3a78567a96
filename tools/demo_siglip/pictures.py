"""Rendered pictures to learn from: the demo's painter and camera, another seed."""

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tools.demo_library.habits import draw_specs
from tools.demo_library.library import SCENE_COUNTS, SEED, Shot, render_shot
from vibe_photos.pixels.decode import decode_photo, resize
from vibe_photos.storage.files import write_bytes

Pixels = npt.NDArray[np.uint8]
"""Pictures as uint8 [n, px, px, 3]."""

_MAX_PIXELS = 1_000_000
_REPEATS = 12


def plan_pictures(seed: int, count: int) -> list[Shot]:
    """Decide what is rendered: the first `count` pictures of a library `_REPEATS` times as large as the demo.

    Raises:
        ValueError: the seed is the demo library's own.
    """
    if seed == SEED:
        raise ValueError(f"seed {seed} renders the demo library itself; take another")
    counts = {scene: number * _REPEATS for scene, number in SCENE_COUNTS.items()}
    specs = draw_specs(np.random.default_rng(seed), counts)[:count]
    return [Shot(f"{number:05d}.jpg", number, spec) for number, spec in enumerate(specs)]


def render_pictures(shots: Sequence[Shot], seed: int, folder: Path, workers: int) -> list[Path]:
    """Render what is not in the folder yet, each as the JPEG that the demo's camera writes."""
    paths = [folder / shot.rel_path for shot in shots]
    missing = [shot for shot, path in zip(shots, paths, strict=True) if not path.is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(_render_into, folder, seed), missing, chunksize=32))
    return paths


def _render_into(folder: Path, seed: int, shot: Shot) -> None:
    write_bytes(folder / shot.rel_path, render_shot(shot, seed))


def read_pictures(paths: Sequence[Path], input_px: int) -> Pixels:
    """Read pictures as the encoder does: upright, squashed to a square of `input_px`."""
    pictures = np.empty((len(paths), input_px, input_px, 3), dtype=np.uint8)
    for index, path in enumerate(paths):
        photo = decode_photo(path, max_pixels=_MAX_PIXELS)
        pictures[index] = np.asarray(resize(photo, (input_px, input_px)))
    return pictures
