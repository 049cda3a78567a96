"""A library of any size without pixels: manifest, teacher answers, vectors and perceptual hashes.

Vectors are drawn around a centre for each scene and shifted for each attribute and object, so that heads have
something to learn; one photo of twenty is a near-duplicate of the one before it.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from vibe_photos.records.ground_truth import RawAnnotation
from vibe_photos.records.photos import HashRecord, Photo
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.storage.vectors import write_rows

DIM = 768
HASHES_A_PHOTO = 25
MODEL = "synthetic"
CHUNK = 20_000
SCENES = ("people", "food", "landscape", "product", "document", "screenshot", "animals", "snapshot", "other")
SCENE_SHARES = (0.28, 0.12, 0.16, 0.08, 0.07, 0.08, 0.06, 0.14, 0.01)
OBJECTS = ("keyboard", "phone", "laptop", "food", "dessert", "drink", "book", "paper_document", "camera")
OBJECT_SHARE = 0.25
DUPLICATE_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Answers:
    """What the teacher says of n photos: indices into SCENES int64 [n], into OBJECTS int64 [n] (-1: none)."""

    scenes: np.ndarray
    objects: np.ndarray
    has_person: np.ndarray
    has_text: np.ndarray

    def annotation(self, number: int) -> dict[str, Any]:
        """Return one photo's annotation as a teacher writes it."""
        scene, found = SCENES[self.scenes[number]], int(self.objects[number])
        named = {"name_free": "a thing", "is_main": True, "confidence": 0.9}
        return {
            "scene": scene,
            "has_person": bool(self.has_person[number]),
            "has_text": bool(self.has_text[number]),
            "has_animal": scene == "animals",
            "is_document": scene == "document",
            "is_screenshot": scene == "screenshot",
            "objects": [] if found < 0 else [named | {"coarse_type": OBJECTS[found]}],
        }


def make_library(folder: Path, photos: int) -> None:
    """Write photos.jsonl, raw.jsonl and embeddings/ as the stages before `convert` would have."""
    ids = [f"{number * 2654435761 % 2**32:08x}{number:024x}" for number in range(photos)]
    answers = _draw_answers(photos)
    manifest = (
        Photo(image_id=image_id, rel_path=_place(number), bytes=3_000_000, format="JPEG")
        for number, image_id in enumerate(ids)
    )
    write_jsonl(folder / "photos.jsonl", manifest)
    write_jsonl(folder / "raw.jsonl", _list_records(ids, answers))
    embeddings = folder / "embeddings"
    write_rows(embeddings / "embeddings.sqlite", MODEL, zip(ids, _draw_vectors(answers), strict=True))
    write_json(embeddings / "digest.json", {"model": MODEL, "dim": DIM, "n": photos})
    write_jsonl(embeddings / "perceptual_hashes.jsonl", _draw_hashes(ids))
    (embeddings / "problems.jsonl").write_bytes(b"")


def _draw_answers(photos: int) -> Answers:
    rng = np.random.default_rng(0)
    scenes = rng.choice(len(SCENES), photos, p=SCENE_SHARES)
    objects = np.where(rng.random(photos) < OBJECT_SHARE, rng.integers(0, len(OBJECTS), photos), -1)
    has_person = rng.random(photos) < np.where(scenes == 0, 0.95, 0.1)
    return Answers(scenes, objects, has_person, rng.random(photos) < 0.2)


def _list_records(ids: list[str], answers: Answers) -> Iterator[RawAnnotation]:
    usage = {"prompt_tokens": 900, "completion_tokens": 90, "total_tokens": 990}
    for number, image_id in enumerate(ids):
        yield RawAnnotation(
            image_id=image_id,
            server_path=f"/photos/{_place(number)}",
            image_path=f"/photos/{_place(number)}",
            rel_path=_place(number),
            annotation=answers.annotation(number),
            model="synthetic",
            prompt_id="0" * 16,
            finish_reason="stop",
            usage=usage,
            created_at=1_755_000_000 + number,
        )


def _draw_vectors(answers: Answers) -> Iterator[bytes]:
    """Yield unit-norm float32 vectors, drawn a chunk at a time."""
    rng = np.random.default_rng(1)
    spectrum = np.exp(-np.arange(DIM) / 200).astype(np.float32)
    centres = rng.standard_normal((len(SCENES) + len(OBJECTS) + 3, DIM), dtype=np.float32) * 0.3
    common = rng.standard_normal(DIM, dtype=np.float32)
    for start in range(0, len(answers.scenes), CHUNK):
        part = slice(start, start + CHUNK)
        vectors = rng.standard_normal((len(answers.scenes[part]), DIM), dtype=np.float32)
        vectors += centres[answers.scenes[part]] + common
        vectors += np.where(answers.objects[part, None] >= 0, centres[len(SCENES) + answers.objects[part]], 0)
        vectors += answers.has_person[part, None] * centres[-1] + answers.has_text[part, None] * centres[-2]
        vectors *= spectrum
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        yield from (row.tobytes() for row in vectors)


def _draw_hashes(ids: list[str]) -> Iterator[HashRecord]:
    rng = np.random.default_rng(2)
    row = b""
    for image_id in ids:
        if not row or rng.random() >= DUPLICATE_SHARE:
            row = rng.bytes(8 * HASHES_A_PHOTO)
        yield HashRecord(image_id=image_id, perceptual_hash=row.hex())


def _place(number: int) -> str:
    return f"{2000 + number // 50_000}/{number // 500 % 100:02}/IMG_{number:07}.JPG"


def audit_sample(folder: Path) -> None:
    """Take the sampled records as audited, every tenth scene corrected."""
    records = msgspec.json.decode((folder / "to_review.json").read_bytes())
    for record in records[::10]:
        record["scene"] = ["scene.other"]
    for record in records:
        record.pop("as_sampled")
    write_json(folder / "human" / "ground_truth_human.audited.json", records)


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make_library(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        audit_sample(Path(sys.argv[2]))
