"""A photo labelled by `Classifier` against the same photo that went through the stages."""

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from vibe_photos.classifier import Classifier
from vibe_photos.embedding.embed import embed_library
from vibe_photos.errors import ConfigurationError, DecodeError, HeadError, InputError
from vibe_photos.heads.classify import classify_photos
from vibe_photos.heads.label_table import read_labels
from vibe_photos.heads.score import score_photos
from vibe_photos.heads.train import train_head
from vibe_photos.labels.records import GroundTruth, truth_object
from vibe_photos.labels.split import Membership, write_splits
from vibe_photos.labels.taxonomy import HEADS
from vibe_photos.library.scan import scan_library
from vibe_photos.settings import Classify, Embed, Embedder, HeadTraining, Library, Taxonomy, Train
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

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


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory, taxonomy: Taxonomy) -> Path:
    """A small library after scan, embed, train, score and classify, with its `resolved.yaml`."""
    folder: Path = tmp_path_factory.mktemp("library")
    scenes = draw_photos(folder / "photos")
    library = Library(
        root=str(folder / "photos"), content_hash="xxh3_128", extensions=["png"], skip_folders=[]
    )
    manifest = folder / "photos.jsonl"
    scan_library(library, manifest, folder / "problems.jsonl", folder / "store")
    embed_library(manifest, folder / "photos", EMBEDDER, EMBED, folder / "embeddings", folder / "store")
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
    write_jsonl(folder / "auto.jsonl", map(truth_object, records))
    splits = {
        record.image_id: Membership(group=record.image_id, fold=number // 3 % 3, role="train")
        for number, record in enumerate(records)
    }
    write_splits(folder / "splits.json", splits)
    train = Train(seed=0, scene=TRAINING, attribute=TRAINING, object=TRAINING)
    for head in HEADS:
        train_head(
            head,
            folder / "auto.jsonl",
            folder / "splits.json",
            folder / "embeddings",
            taxonomy,
            train,
            folder / "models",
            folder / f"{head}.json",
        )
    score_photos(
        folder / "embeddings",
        folder / "models",
        taxonomy,
        EMBEDDER,
        EMBED,
        folder / "p.sqlite",
        folder / "store",
    )
    classify_photos(folder / "p.sqlite", taxonomy, CLASSIFY, folder / "labels.sqlite")
    embed = {"max_pixels": EMBED.max_pixels, "max_failed_share": 0.0, "precision": "float32"}
    resolved = {"taxonomy": taxonomy, "classify": CLASSIFY, "embedder": EMBEDDER, "embed": embed}
    config = folder / "data" / "config" / "resolved.yaml"
    config.parent.mkdir(parents=True)
    config.write_bytes(msgspec.yaml.encode(resolved))
    return folder


def test_a_photo_gets_the_labels_that_stand_in_the_table(pipeline):
    table = read_labels(pipeline / "labels.sqlite")
    classifier = Classifier(pipeline / "models")
    for photo in read_jsonl(pipeline / "photos.jsonl", dict):
        labels = classifier.label(pipeline / "photos" / photo["rel_path"])
        row = table.image_ids.index(photo["image_id"])
        value = dict(zip(table.keys, table.value[row].tolist(), strict=True))
        assert labels.scores == pytest.approx(
            dict(zip(table.keys, table.score[row].tolist(), strict=True)), abs=1e-6
        )
        assert labels.scene == next(key for key in value if key.startswith("scene.") and value[key])
        assert labels.attributes == {key: bool(value[key]) for key in value if key.startswith("attr.")}
        assert labels.objects == [key for key in value if key.startswith("object.") and value[key]]


def test_the_labels_are_the_right_ones(pipeline):
    labels = Classifier(pipeline / "models").label(pipeline / "photos" / "00.png")
    assert labels.scene == "scene.document"
    assert labels.attributes == {"attr.has_text": True, "attr.is_document": True}
    food = Classifier(pipeline / "models").label(pipeline / "photos" / "01.png")
    assert food.objects == ["object.food", "object.food.dessert"]


def test_one_folder_with_heads_and_configuration_is_enough(pipeline, tmp_path):
    for file in (*(pipeline / "models").glob("*.pt"), pipeline / "data" / "config" / "resolved.yaml"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    assert Classifier(tmp_path).label(pipeline / "photos" / "00.png").scene == "scene.document"


def test_a_photo_that_cannot_be_read_says_why(pipeline, tmp_path):
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(DecodeError) as caught:
        Classifier(pipeline / "models").label(tmp_path / "empty.jpg")
    assert caught.value.reason == "empty"


def test_without_a_configuration_it_says_where_one_belongs(pipeline, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for file in (pipeline / "models").glob("*.pt"):
        (models / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InputError, match=r"resolved\.yaml.*dvc repro"):
        Classifier(models)
    with pytest.raises(HeadError, match="does not exist"):
        Classifier(tmp_path)


def test_a_wrong_configuration_is_named(pipeline, tmp_path):
    text = (pipeline / "data" / "config" / "resolved.yaml").read_text()
    (tmp_path / "resolved.yaml").write_text(text.replace("default: 0.4", "default: much"))
    with pytest.raises(ConfigurationError, match=r"resolved\.yaml.*classify\.object_threshold"):
        Classifier(pipeline / "models", tmp_path / "resolved.yaml")


def test_importing_it_costs_no_torch():
    code = "import sys, vibe_photos.classifier; assert not {'torch', 'scipy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
