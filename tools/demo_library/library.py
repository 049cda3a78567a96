"""The library as files: which photo lies under which name, its twins and copies, and the full truth."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from PIL import Image, ImageEnhance, ImageOps

from tools.demo_library.camera import Metadata, draw_metadata, encode_jpeg
from tools.demo_library.habits import draw_specs
from tools.demo_library.scenes import render_photo
from tools.demo_library.specs import PhotoSpec

SEED = 20240817
SCENE_COUNTS = {
    "landscape": 60,
    "snapshot": 68,
    "people": 50,
    "selfie": 16,
    "food": 40,
    "product": 44,
    "document": 29,
    "screenshot": 31,
    "animals": 30,
    "other": 24,
}
TWIN_COUNT = 25
COPY_COUNT = 3


@dataclass(frozen=True, slots=True)
class Shot:
    """One file of the library.

    Attributes:
        rel_path: Its place below the photo folder, with forward slashes.
        number: Which rendering it shows; seeds its randomness together with the library's seed.
        spec: What it shows.
        kind: `original`, `twin` (a re-encoded, slightly changed original) or `copy` (the same bytes again).
    """

    rel_path: str
    number: int
    spec: PhotoSpec
    kind: str = "original"


class TruthRecord(msgspec.Struct, frozen=True):
    """A line of the truth: the contract's ground-truth format and the photo's path."""

    image_id: str
    rel_path: str
    scene: list[str]
    attributes: dict[str, bool]
    objects: list[str]


_FOLDERS = (
    ("2017", "IMG_{:04d}.JPG", 212),
    ("2018/08", "DSC{:05d}.jpg", 1183),
    ("2019", "IMG_{:04d}.JPG", 1),
    ("2019/12 visit", "P{:07d}.JPG", 1040233),
    ("2020", "2020-05-17 11.{:02d}.jpg", 2),
    ("2021/06", "DSC{:05d}.jpg", 97),
    ("2022", "IMG-2022-WA{:04d}.jpeg", 5),
    ("2023/01", "{:04d}.Jpg", 7),
    ("imported/old phone", "pic_{:03d}.jpg", 14),
    ("imported/shared", "file-{:04d}.JPEG", 3050),
)


def draw_rel_paths(rng: np.random.Generator, count: int) -> list[str]:
    """Draw `count` distinct paths as cameras and phones give them; they say nothing of what is shown."""
    numbers = [first for _, _, first in _FOLDERS]
    paths = []
    for _ in range(count):
        chosen = int(rng.integers(len(_FOLDERS)))
        folder, pattern, _ = _FOLDERS[chosen]
        paths.append(f"{folder}/{pattern.format(numbers[chosen])}")
        numbers[chosen] += int(rng.integers(1, 4)) if "{:02d}" not in pattern else 1
    return paths


def plan_library(seed: int = SEED) -> list[Shot]:
    """Decide every file of the library without rendering any; sorted by path."""
    rng = np.random.default_rng(seed)
    specs = draw_specs(rng, SCENE_COUNTS)
    repeated = rng.permutation(len(specs))[: TWIN_COUNT + COPY_COUNT]
    entries = [(number, "original") for number in range(len(specs))]
    entries += [(int(number), "twin") for number in repeated[:TWIN_COUNT]]
    entries += [(int(number), "copy") for number in repeated[TWIN_COUNT:]]
    paths = draw_rel_paths(rng, len(entries))
    shuffled = rng.permutation(len(entries))
    shots = [
        Shot(path, entries[index][0], specs[entries[index][0]], entries[index][1])
        for path, index in zip(paths, shuffled, strict=True)
    ]
    return sorted(shots, key=lambda shot: shot.rel_path)


def _render_twin(rng: np.random.Generator, original: bytes) -> bytes:
    """Crop an encoded photo by a few px, shift its brightness and encode it again."""
    photo = ImageOps.exif_transpose(Image.open(BytesIO(original)))
    margins = rng.integers(0, 5, size=4)
    box = (int(margins[0]), int(margins[1]), photo.width - int(margins[2]), photo.height - int(margins[3]))
    brightened = ImageEnhance.Brightness(photo.crop(box)).enhance(float(rng.uniform(0.9, 1.12)))
    return encode_jpeg(rng, brightened, Metadata())


def render_shot(shot: Shot, seed: int = SEED) -> bytes:
    """Render one file; it depends on nothing but the shot and the seed."""
    rng = np.random.default_rng([seed, shot.number])
    photo = render_photo(rng, shot.spec)
    original = encode_jpeg(rng, photo, draw_metadata(rng) if shot.spec.scene != "screenshot" else Metadata())
    if shot.kind == "twin":
        return _render_twin(np.random.default_rng([seed, shot.number, 1]), original)
    return original


def state_truth(shot: Shot, image_id: str) -> TruthRecord:
    """State what a shot shows in the contract's keys."""
    attributes = {f"attr.{name}": value for name, value in shot.spec.attributes.items()}
    return TruthRecord(image_id, shot.rel_path, [shot.spec.scene_key], attributes, shot.spec.object_keys)


def name_image(content: bytes) -> str:
    """Name a photo by its bytes: lower-case hex of their xxh3_128, as `library.content_hash` has it."""
    return xxhash.xxh3_128_hexdigest(content)


def write_photos(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Write files by their relative paths, replacing the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for rel_path, content in contents.items():
        path = folder / rel_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def keep_distinct(named_shots: Sequence[tuple[Shot, str]]) -> list[tuple[Shot, str]]:
    """Keep of each image id the shot whose path sorts first, sorted by path."""
    first: dict[str, tuple[Shot, str]] = {}
    for shot, image_id in sorted(named_shots, key=lambda pair: pair[0].rel_path):
        first.setdefault(image_id, (shot, image_id))
    return list(first.values())


def write_lines(path: Path, records: Sequence[msgspec.Struct]) -> None:
    """Write records as JSON, one a line."""
    path.write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in records))
