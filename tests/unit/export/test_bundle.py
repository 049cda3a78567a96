"""Whole exports, used as an app would: in a process that has neither torch nor this package."""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from tests.unit.app_settings import make_settings
from tests.unit.tiny_models import describe_onnx, save_tiny_onnx

from vibe_photos.classifier import Classifier
from vibe_photos.encoders.onnx import expose_outputs
from vibe_photos.errors import EncoderError, InputError
from vibe_photos.export.bundle import export_bundle, export_plain_heads
from vibe_photos.heads.linear import load_head
from vibe_photos.records.label_tables import read_labels
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import Settings
from vibe_photos.storage.files import replace_folder
from vibe_photos.storage.jsonl import read_jsonl
from vibe_photos.storage.vectors import read_embeddings

_WITHOUT = """
import json, runpy, sys
sys.modules.update(dict.fromkeys(("torch", "open_clip", "onnx", "vibe_photos", "scipy", "sklearn")))
example = runpy.run_path(sys.argv[1])
import numpy as np
encode = example.get("encode", np.load)
print(json.dumps([example["label"](encode(name)) for name in sys.argv[2:]]))
"""


def run_example(folder: Path, inputs: list[Path]) -> list[tuple[str, dict[str, bool]]]:
    """Label `inputs` by the folder's example, where importing torch or vibe_photos fails."""
    command = [sys.executable, "-W", "error", "-c", _WITHOUT, str(folder / "example.py"), *map(str, inputs)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return [(scene, labels) for scene, labels in json.loads(result.stdout)]


@pytest.fixture
def hog(small_settings) -> Settings:
    return small_settings


@pytest.fixture(scope="module")
def tiny(repository, tmp_path_factory) -> Settings:
    """An encoder that crops and turns channels, and whose two outputs, one inner, become logarithms."""
    folder = tmp_path_factory.mktemp("tiny")
    save_tiny_onnx(folder / "encoder.onnx")
    embedder = msgspec.structs.replace(
        describe_onnx(folder / "encoder.onnx"),
        resize_px=20,
        mean=[0.4, 0.5, 0.6],
        std=[0.2, 0.3, 0.4],
        channels="BGR",
        outputs=["mean", "probabilities"],
        pooling="max",
        transform="log",
    )
    return make_settings(repository, folder / "library", embedder)


def test_without_encoder_the_example_labels_vectors(hog, tmp_path):
    contents = export_bundle(hog, tmp_path / "model", with_encoder=False)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {
        "MODEL_CARD.md",
        "decision.json",
        "example.py",
        "heads.onnx",
        "labels.json",
    }
    assert contents.encoder_difference is None
    assert 0 < contents.heads_difference < 1e-5
    embeddings = read_embeddings(hog.paths.embeddings / "embeddings.sqlite")
    files = []
    for image_id, vector in zip(embeddings.image_ids, embeddings.vectors, strict=True):
        np.save(tmp_path / f"{image_id}.npy", vector)
        files.append(tmp_path / f"{image_id}.npy")
    table = read_labels(hog.paths.labels)
    for image_id, (scene, said) in zip(
        embeddings.image_ids, run_example(tmp_path / "model", files), strict=True
    ):
        value = dict(zip(table.keys, table.value[table.image_ids.index(image_id)].tolist(), strict=True))
        assert {scene: 1, **said} == {key: v for key, v in value.items() if v or not key.startswith("scene.")}


def test_with_encoder_the_example_says_of_photos_what_the_classifier_says(tiny, tmp_path):
    contents = export_bundle(tiny, tmp_path / "model", with_encoder=True)
    assert contents.photos == 16
    checkpoint = Path(str(tiny.embedder.checkpoint))
    assert (tmp_path / "model" / "encoder.onnx").read_bytes() == expose_outputs(
        str(checkpoint), ["mean", "probabilities"]
    )
    classifier = Classifier(tiny.paths.models, tiny.paths.models.parent / "data" / "config" / "resolved.yaml")
    names = [photo["rel_path"] for photo in read_jsonl(tiny.paths.photos, dict)]
    photos = [Path(tiny.library.root) / name for name in names]
    for photo, (scene, said) in zip(photos, run_example(tmp_path / "model", photos), strict=True):
        expected = classifier.label(photo)
        assert scene == expected.scene
        assert {key: v for key, v in said.items() if key.startswith("attr.")} == expected.attributes
        assert sorted(key for key, v in said.items() if v and key.startswith("object.")) == expected.objects


def test_the_same_export_twice_has_the_same_bytes_and_replaces_the_first(tiny, tmp_path):
    def export() -> dict[str, bytes]:
        export_bundle(tiny, tmp_path / "model", with_encoder=True)
        return {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()}

    assert export() == export()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_classic_features_have_no_onnx_form(hog, tmp_path):
    with pytest.raises(EncoderError, match="no ONNX form: export without --with-encoder"):
        export_bundle(hog, tmp_path / "model", with_encoder=True)
    assert not list(tmp_path.iterdir())


def test_an_encoder_is_not_exported_where_it_cannot_be_checked(tiny, tmp_path):
    away = msgspec.structs.replace(tiny.library, root=str(tmp_path / "away"))
    with pytest.raises(InputError, match=r"away can be read here.*--with-encoder"):
        export_bundle(msgspec.structs.replace(tiny, library=away), tmp_path / "model", with_encoder=True)


def test_the_graph_passes_the_official_check(hog, tmp_path):
    export_bundle(hog, tmp_path / "model", with_encoder=False)
    model = onnx.load(tmp_path / "model" / "heads.onnx")
    onnx.checker.check_model(model, full_check=True)


def test_the_card_says_what_is_not_known(hog, tmp_path):
    export_bundle(hog, tmp_path / "model", with_encoder=False)
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "Nobody has measured it" in card
    assert "`object.food.dessert`" in card
    assert "The scene decides `attr.is_document`" in card
    assert "**Not the heads that `dvc.lock` names:**" in card
    assert str(tmp_path) not in card
    assert "/" + hog.library.root.strip("/") not in card


def test_labels_leave_with_their_names_and_meanings(hog, taxonomy, tmp_path):
    export_bundle(msgspec.structs.replace(hog, taxonomy=taxonomy), tmp_path / "model", with_encoder=False)
    card, key = (tmp_path / "model" / "MODEL_CARD.md").read_text(), "object.electronics.peripheral.hub"
    assert f"| `{key}` | USB hub | {taxonomy.definitions[key].means} |" in card.splitlines()
    label = msgspec.json.decode((tmp_path / "model" / "labels.json").read_bytes())["labels"][key]
    assert (label["name"], label["means"]) == ("USB hub", taxonomy.definitions[key].means)


def test_the_card_says_from_how_many_photos_each_label_was_learnt(hog, tmp_path):
    figures = {"n_train": 18, "learnt": [{"label": "scene.food", "photos": 6}], "not_learnable": []}
    (tmp_path / "train_scene.json").write_bytes(msgspec.json.encode(figures))
    paths = msgspec.structs.replace(hog.paths, eval=tmp_path)
    export_bundle(msgspec.structs.replace(hog, paths=paths), tmp_path / "model", with_encoder=False)
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert "`scene.food` (6)" in card
    assert "`scene.document`," in card


def test_plain_heads_give_our_probabilities_in_a_program_that_knows_only_linear_layers(hog, tmp_path):
    import torch

    vectors = read_embeddings(hog.paths.embeddings / "embeddings.sqlite")
    for path, kind in zip(
        export_plain_heads(hog.paths.models, hog.classify.temperature, tmp_path), HEADS, strict=True
    ):
        own = load_head(hog.paths.models / path.name, kind)
        state = torch.load(path, weights_only=True)["state"]["state_dict"]
        logits = torch.from_numpy(vectors.vectors) @ state["weight"].T + state["bias"]
        theirs = logits.softmax(1) if kind == "scene" else logits.sigmoid()
        ours = own.probabilities(own.logits(vectors.vectors, vectors.model))
        assert own.calibration.scale != (1.0,) * len(own.labels)
        np.testing.assert_allclose(theirs.numpy(), ours, atol=1e-5)
    with pytest.raises(InputError, match="name another folder"):
        export_plain_heads(hog.paths.models, hog.classify.temperature, hog.paths.models)


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_an_export_without_encoder_leaves_no_encoder_of_an_earlier_one(tiny, tmp_path):
    export_bundle(tiny, tmp_path / "model", with_encoder=True)
    export_bundle(tiny, tmp_path / "model", with_encoder=False)
    assert not {"encoder.onnx", "preprocessing.json"} & read_folder(tmp_path / "model").keys()
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_somebody_else_wrote_stays(hog, tmp_path):
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "beach.jpg").write_bytes(b"sand")
    with pytest.raises(InputError, match=r"contains beach\.jpg, which no export wrote"):
        export_bundle(hog, folder, with_encoder=False)
    assert read_folder(folder) == {"beach.jpg": b"sand"}
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file"):
        export_bundle(hog, tmp_path / "file", with_encoder=False)


def test_a_write_that_fails_leaves_the_earlier_export(tmp_path):
    folder = tmp_path / "model"
    replace_folder(folder, {"heads.onnx": b"1"})
    with pytest.raises(OSError, match="name too long"):
        replace_folder(folder, {"heads.onnx": b"2", "x" * 300: b""})
    assert read_folder(folder) == {"heads.onnx": b"1"}
    assert list(tmp_path.iterdir()) == [folder]
