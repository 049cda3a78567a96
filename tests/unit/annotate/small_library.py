"""Small photos on disk with their manifest, and how tests make settings for them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import xxhash
from PIL import Image

from vibe_photos.records.photos import Photo
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import write_jsonl

MakeSettings = Callable[..., Settings]
"""Settings with every place in `tmp_path`; keyword arguments are laid over sections."""


def make_library(folder: Path, count: int, size: tuple[int, int] = (64, 48)) -> list[Photo]:
    root = folder / "photos"
    root.mkdir(parents=True)
    generator = np.random.default_rng(7)
    photos = []
    for number in range(count):
        path = root / f"IMG_{number:04}.jpg"
        Image.new("RGB", size, tuple(generator.integers(0, 256, 3).tolist())).save(path, comment=str(number))
        photos.append(
            Photo(
                image_id=xxhash.xxh3_128_hexdigest(path.read_bytes()),
                rel_path=path.name,
                bytes=path.stat().st_size,
                format="JPEG",
            )
        )
    write_jsonl(folder / "data/library/photos.jsonl", photos)
    return photos


def draw_bursts(root: Path, bursts: int, frames: int) -> list[Photo]:
    """Draw near-duplicates `<burst>-<frame>.jpg`: the same scene, a little lighter from frame to frame."""
    root.mkdir(parents=True, exist_ok=True)
    photos = []
    for burst in range(bursts):
        scene = np.kron(np.random.default_rng(burst).integers(40, 200, (6, 8, 3)), np.ones((20, 20, 1)))
        for frame in range(frames):
            path = root / f"{burst}-{frame}.jpg"
            Image.fromarray((scene + 3 * frame).astype(np.uint8)).save(path, quality=95)
            photos.append(
                Photo(
                    image_id=xxhash.xxh3_128_hexdigest(path.read_bytes()),
                    rel_path=path.name,
                    bytes=path.stat().st_size,
                    format="JPEG",
                )
            )
    return photos
