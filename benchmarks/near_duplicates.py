"""Which near-duplicates are joined, on a folder of photos: twins of every photo, and different photos.

Each photo is changed in every way below, written as a file and hashed as stage `embed` hashes it. It is found
when it is a direct near-duplicate of the photo it was made from. A false join is a pair of the folder's own
photos; look at those yourself, some may be true. The last table says what hashing and grouping cost.

    python -m benchmarks.near_duplicates FOLDER
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from vibe_photos.pixels.decode import decode_photo
from vibe_photos.pixels.near_duplicates import find_neighbours, group_near_duplicates
from vibe_photos.pixels.perceptual_hash import Hashes, cover_short_edge, perceptual_hashes

Change = Callable[[Image.Image], Image.Image]

MAX_DISTANCE = 6
MAX_PIXELS = 200_000_000
MANY = (100_000, 200_000)
PHONE_PX = (1080, 2340)
DESKTOP_PX = (1920, 1080)


def cut_sides(share: float) -> Change:
    """Return a crop by this share at every side."""

    def cut(image: Image.Image) -> Image.Image:
        x, y = round(image.width * share), round(image.height * share)
        return image.crop((x, y, image.width - x, image.height - y))

    return cut


def show_on_screen(size: tuple[int, int], level: int, share: float) -> Change:
    """Return a screenshot of a photo in the middle of a plain screen, with a clock above.

    Args:
        size: of the screen in pixels.
        level: brightness of the screen, 0 to 255.
        share: of the screen's width and height that the photo may take.
    """

    def show(image: Image.Image) -> Image.Image:
        screen = Image.new("RGB", size, (level,) * 3)
        scale = min(size[0] * share / image.width, size[1] * share / image.height)
        photo = image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))
        screen.paste(photo, ((size[0] - photo.width) // 2, (size[1] - photo.height) // 2))
        ImageDraw.Draw(screen).text((size[0] // 12, 8), "12:34", fill=(255 - level,) * 3, font_size=30)
        return screen

    return show


def halve(image: Image.Image) -> Image.Image:
    """Return the picture at half its width and height."""
    return image.resize((max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS)


def transpose(method: Image.Transpose) -> Change:
    """Return a turn or a mirror image."""
    return lambda image: image.transpose(method)


CHANGES: dict[str, tuple[Change, int]] = {
    "JPEG quality 50": (lambda image: image, 50),
    "half the size": (halve, 90),
    "mirrored": (transpose(Image.Transpose.FLIP_LEFT_RIGHT), 90),
    "turned by 90 degrees": (transpose(Image.Transpose.ROTATE_90), 90),
    "turned by 180 degrees": (transpose(Image.Transpose.ROTATE_180), 90),
    "turned by 270 degrees": (transpose(Image.Transpose.ROTATE_270), 90),
    "5 % off every side": (cut_sides(0.05), 90),
    "8 % off every side": (cut_sides(0.08), 90),
    "10 % off every side": (cut_sides(0.10), 90),
    "12 % off every side": (cut_sides(0.12), 90),
    "on a phone, black": (show_on_screen(PHONE_PX, 0, 1.0), 90),
    "on a phone, white": (show_on_screen(PHONE_PX, 255, 1.0), 90),
    "on a desktop, grey": (show_on_screen(DESKTOP_PX, 40, 0.85), 90),
}
"""By name: what is done to the photo, and the JPEG quality that it is written with."""


def hash_file(path: Path) -> Hashes:
    """Return the hashes of a file as stage `embed` computes them."""
    return perceptual_hashes(decode_photo(path, max_pixels=MAX_PIXELS, needed_size=cover_short_edge))


def hash_twins(path: Path, scratch: Path) -> Iterator[Hashes]:
    """Yield the hashes of the photo's twins in the order of `CHANGES`."""
    photo = decode_photo(path, max_pixels=MAX_PIXELS).convert("RGB")
    for change, quality in CHANGES.values():
        change(photo).save(scratch, "JPEG", quality=quality)
        yield hash_file(scratch)


def list_joins(hashes: Hashes) -> set[tuple[int, int]]:
    """Return the pairs of photos that are direct near-duplicates."""
    pairs = set()
    for row in range(len(hashes)):
        found = np.flatnonzero(find_neighbours(hashes, [row], MAX_DISTANCE)).tolist()
        pairs |= {(row, other) for other in found if other > row}
    return pairs


def time_grouping(hashes_a_photo: int) -> None:
    """Print the seconds that grouping random hashes takes, a tenth of them near-duplicates."""
    for count in MANY:
        rng = np.random.default_rng(count)
        hashes = rng.integers(1, 2**64, (count, hashes_a_photo), dtype=np.uint64)
        hashes[: count // 10] = hashes[count // 10 : count // 5] ^ np.uint64(0b111)
        start = time.perf_counter()
        groups = len(np.unique(group_near_duplicates(hashes, MAX_DISTANCE)))
        print(f"grouping {count:,} photos: {time.perf_counter() - start:.1f} s, {groups:,} groups")


def main() -> None:
    """Print which twins are found, which photos are joined, and what it costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="of photos, read with its subfolders")
    parser.add_argument("--photos", type=int, help="at most so many, drawn at random")
    arguments = parser.parse_args()
    paths = sorted(path for path in arguments.folder.rglob("*") if path.is_file())
    if arguments.photos is not None and arguments.photos < len(paths):
        paths = sorted(random.Random(0).sample(paths, arguments.photos))
    hashes = np.array([hash_file(path) for path in paths])
    found = np.zeros((len(paths), len(CHANGES)), dtype=np.bool_)
    foreign = np.zeros_like(found, dtype=np.int64)
    with tempfile.TemporaryDirectory() as folder:
        for row, path in enumerate(paths):
            for column, twin in enumerate(hash_twins(path, Path(folder) / "twin.jpg")):
                near = find_neighbours(np.vstack([hashes, twin[None]]), [len(paths)], MAX_DISTANCE)
                found[row, column] = near[row]
                foreign[row, column] = near[:-1].sum() - near[row]
    print(f"{len(paths)} photos, {hashes.shape[1]} hashes a photo")
    print(f"{'twin':24}{'found':>8}{'beside others':>15}")
    for column, name in enumerate(CHANGES):
        print(f"{name:24}{found[:, column].mean():8.3f}{(foreign[:, column] > 0).mean():15.3f}")
    joins = sorted(list_joins(hashes))
    print(f"\n{len(joins)} pairs of the photos themselves are joined")
    for a, b in joins:
        print(f"  {paths[a].relative_to(arguments.folder)}  {paths[b].relative_to(arguments.folder)}")
    image = decode_photo(paths[0], max_pixels=MAX_PIXELS, needed_size=cover_short_edge)
    start = time.perf_counter()
    for _ in range(100):
        perceptual_hashes(image)
    print(f"\nhashing a decoded photo: {(time.perf_counter() - start) * 10:.2f} ms")
    time_grouping(hashes.shape[1])


if __name__ == "__main__":
    main()
