"""A photo labelled by `Classifier` against the same photo that went through the stages."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from tests.unit.drawn_library import embed_into
from tests.unit.scanned_library import scan_settings
from tests.unit.small_pipeline import CLASSIFY, EMBED, EMBEDDER
from tests.unit.stage_settings import settings_in

from vibe_photos.classifier import Classifier
from vibe_photos.classify.stage import classify_photos
from vibe_photos.errors import ConfigurationError, DecodeError, HeadError, InputError
from vibe_photos.records.label_tables import read_labels
from vibe_photos.scan.stage import scan_library
from vibe_photos.score.stage import score_photos
from vibe_photos.storage.jsonl import read_jsonl


@pytest.fixture(scope="module")
def pipeline(small_settings) -> Path:
    return small_settings.paths.photos.parent


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


def test_photos_of_a_camera_get_the_scores_that_stand_in_the_table(pipeline, taxonomy, repository, tmp_path):
    """Photos are decoded larger than an encoder needs, for their hashes: an app must see the same pixels."""
    root, store = tmp_path / "photos", tmp_path / "store"
    root.mkdir()
    demo = sorted((repository / "data" / "demo" / "photos").rglob("*.JPG"))[:3]
    for number, photo in enumerate(demo):
        (root / f"demo{number}.jpg").write_bytes(photo.read_bytes())
        with Image.open(photo) as image:
            image.convert("RGB").resize((1600, 1200)).save(root / f"camera{number}.jpg")
    scan_library(scan_settings(root, tmp_path), store)
    embed_into(tmp_path / "photos.jsonl", root, EMBEDDER, EMBED, tmp_path / "embeddings", store)
    models = {"models": pipeline / "models"}
    settings = settings_in(
        tmp_path, models, taxonomy=taxonomy, embedder=EMBEDDER, embed=EMBED, classify=CLASSIFY
    )
    score_photos(settings, store)
    classify_photos(settings)

    table, classifier = read_labels(tmp_path / "labels.sqlite"), Classifier(pipeline / "models")
    assert len(table.image_ids) == 6
    for photo in read_jsonl(tmp_path / "photos.jsonl", dict):
        scores = table.score[table.image_ids.index(photo["image_id"])].tolist()
        labels = classifier.label(root / photo["rel_path"])
        assert labels.scores == pytest.approx(dict(zip(table.keys, scores, strict=True)), abs=1e-6)


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


def test_it_works_with_the_heads_that_are_there(pipeline, tmp_path):
    (tmp_path / "scene_head_from_qwen.pt").write_bytes(
        (pipeline / "models" / "scene_head_from_qwen.pt").read_bytes()
    )
    config = pipeline / "data" / "config" / "resolved.yaml"
    photo = next((pipeline / "photos").iterdir())
    own, whole = Classifier(tmp_path, config).label(photo), Classifier(pipeline / "models").label(photo)
    assert own.scene == whole.scene
    assert set(own.attributes) == {"attr.is_document"}
    assert own.objects == []


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
