"""The library that is reviewed in the browser: hostile names, and what is on disk of it, read afresh."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.unit.review.review_library import read_settings

from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.photos import read_manifest
from vibe_photos.review.queue import read_measuring_queue
from vibe_photos.storage.jsonl import read_jsonl

PAYLOADS = [
    "<img src=x onerror=alert(1)>.jpg",
    "<script>alert(2)<",
    '"><svg onload=alert(3)>.jpg',
    "'};alert(4);{'.jpg",
    "javascript:alert(5).jpg",
    "<iframe srcdoc=alert(6)>.jpg",
    "{{7*7}}${alert(7)}.jpg",
    "<style>*{display:none}<",
    "\u202egpj.<b onclick=alert(9)>x<",
    "a\nb<details open ontoggle=alert(10)>.jpg",
]
NAMES = [f"{2021 + number % 3}/IMG_{number:04}.JPG" for number in range(14)] + [
    f"{name}/b>.jpg" if name.endswith("<") else name for name in PAYLOADS
]
SAMPLED = 20


@dataclass(frozen=True)
class Library:
    folder: Path
    queue: list[str]

    @property
    def auto(self) -> Path:
        return self.folder / "data/ground_truth/auto/ground_truth_auto.jsonl"

    @property
    def log(self) -> list[dict]:
        path = self.folder / "data" / "human" / "decisions" / "ada.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def audited(self) -> dict[str, GroundTruth]:
        return {
            record.image_id: record
            for record in [*read_human_truth(read_settings(self.folder).paths.human, {}).everything.values()]
        }

    def teacher(self, image_id: str) -> GroundTruth:
        (record,) = [each for each in read_jsonl(self.auto, GroundTruth) if each.image_id == image_id]
        return record

    def photo(self, image_id: str) -> Path:
        manifest = read_manifest(self.folder / "data/library/photos.jsonl")
        (photo,) = [each for each in manifest if each.image_id == image_id]
        return self.folder / "photos" / photo.rel_path


def copy_library(finished: Path, folder: Path) -> Library:
    shutil.copytree(finished, folder)
    resolved = folder / "data/config/resolved.yaml"
    resolved.write_text(resolved.read_text().replace(str(finished), str(folder)))
    return Library(folder, list(read_measuring_queue(read_settings(folder))))
