"""The whole pipeline on a few photos of one colour a scene, as functions: what an app then uses."""

from pathlib import Path

import msgspec
import numpy as np
from msgspec.structs import replace
from PIL import Image
from tests.unit.drawn_library import embed_into
from tests.unit.heads.simulation import teach
from tests.unit.scanned_library import scan_settings
from tests.unit.stage_settings import settings_in

from vibe_photos.classify.stage import classify_photos
from vibe_photos.records.ground_truth import GroundTruth, write_training
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.scan.stage import scan_library
from vibe_photos.score.stage import score_photos
from vibe_photos.settings import Classify, Embed, Embedder, HeadTraining, Taxonomy, Train
from vibe_photos.split.stage import write_splits
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.train.stage import train_head

EMBED = Embed(
    max_pixels=10**7, max_failed_share=0.0, precision="float32", batch_size=4, workers=1, device="cpu"
)
EMBEDDER = Embedder(kind="hog", name="hog")
TRAINING = HeadTraining(min_positive=2, l2=[0.001, 0.01], class_weight="none")
CLASSIFY = Classify(
    attribute_threshold={"default": 0.5},
    object_threshold={"default": 0.4},
    attribute_from_scene={"is_document": "scene.document"},
)
COLOURS = {"scene.food": (200, 60, 40), "scene.document": (240, 240, 235), "scene.landscape": (60, 140, 70)}


def draw_photos(root: Path) -> dict[str, str]:
    """Write noisy photos of one colour a scene; return each name's scene."""
    root.mkdir()
    generator = np.random.default_rng(0)
    scenes = {}
    for number in range(18):
        scene = sorted(COLOURS)[number % 3]
        pixels = np.array(COLOURS[scene]) + generator.normal(0, 25, (48, 64, 3))
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(root / f"{number:02}.png")
        scenes[f"{number:02}.png"] = scene
    return scenes


def run_pipeline(folder: Path, taxonomy: Taxonomy, embedder: Embedder = EMBEDDER) -> None:
    """Write a small library after scan, embed, train, score and classify, with its `resolved.yaml`."""
    scenes = draw_photos(folder / "photos")
    manifest = folder / "photos.jsonl"
    scan_library(scan_settings(folder / "photos", folder), folder / "store")
    embed_into(manifest, folder / "photos", embedder, EMBED, folder / "embeddings", folder / "store")
    id_of = {photo["rel_path"]: photo["image_id"] for photo in read_jsonl(manifest, dict)}
    records = [
        GroundTruth(
            image_id=id_of[name],
            scene=[scene],
            attributes={"attr.has_text": scene == "scene.document"},
            objects=["object.food.dessert"] if scene == "scene.food" else [],
        )
        for name, scene in scenes.items()
    ]
    splits = {
        record.image_id: Membership(group=record.image_id, fold=number // 3 % 3, role="train", number=0.9)
        for number, record in enumerate(records)
    }
    write_splits(folder / "splits.json", splits)
    train = Train(seed=0, scene=TRAINING, attribute=TRAINING, object=TRAINING)
    settings = settings_in(
        folder, taxonomy=taxonomy, embedder=embedder, embed=EMBED, train=train, classify=CLASSIFY
    )
    for head in HEADS:
        write_training(folder / "training", head, teach(head, records, splits))
        train_head(replace(settings, head=head))
    score_photos(settings, folder / "store")
    classify_photos(settings)
    embed = {"max_pixels": EMBED.max_pixels, "max_failed_share": 0.0, "precision": "float32"}
    resolved = {
        "taxonomy": taxonomy,
        "classify": CLASSIFY,
        "embedder": embedder,
        "embed": embed,
        "encoder": "hog-1",
    }
    config = folder / "data" / "config" / "resolved.yaml"
    config.parent.mkdir(parents=True)
    config.write_bytes(msgspec.yaml.encode(resolved))
