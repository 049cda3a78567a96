from pathlib import Path

import pytest

from vibe_photos import pixels
from vibe_photos.encoders.recipe import (
    HogRecipe,
    OnnxRecipe,
    SiglipRecipe,
    hash_checkpoint,
    name_encoder,
    name_model,
)
from vibe_photos.errors import EncoderError
from vibe_photos.settings import Embed, Embedder


def test_a_name_differs_with_whatever_decides_the_vector() -> None:
    recipes = [
        HogRecipe(),
        HogRecipe(version=99),
        HogRecipe(pixels=99),
        SiglipRecipe(architecture="A", checkpoint="tag:webli", precision="float32"),
        SiglipRecipe(architecture="A", checkpoint="tag:webli", precision="bfloat16"),
        SiglipRecipe(architecture="A", checkpoint="tag:webli", precision="float64"),
        SiglipRecipe(architecture="B", checkpoint="tag:webli", precision="float32"),
        SiglipRecipe(architecture="A", checkpoint="tag:other", precision="float32"),
        describe_onnx(),
        describe_onnx(resize="squash"),
        describe_onnx(mean=[0.0, 0.0, 1.0]),
        describe_onnx(transform="log"),
    ]
    assert len({name_model("same", recipe) for recipe in recipes}) == len(recipes)


def test_a_name_is_the_same_every_time_and_begins_with_the_configured_one() -> None:
    assert name_model("hog", HogRecipe()) == name_model("hog", HogRecipe())
    assert name_model("hog", HogRecipe()).startswith("hog-")


def test_other_pixels_give_every_encoder_another_name_but_not_an_apps_own_vectors(
    hog: Embedder, onnx: Embedder, siglip: Embedder, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Embedder(kind="database", name="app", source_model="clip", dim=8, revision=1)
    embedders = (hog, onnx, siglip, app)
    before = [name_encoder(embedder, embed) for embedder in embedders]
    monkeypatch.setattr(pixels, "PIXELS_VERSION", pixels.PIXELS_VERSION + 1)
    after = [name_encoder(embedder, embed) for embedder in embedders]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, False, True]


def test_a_folder_is_hashed_by_names_and_bytes_but_not_by_its_place(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "weights").write_bytes(b"1")
    assert hash_checkpoint(folders[0]) == hash_checkpoint(folders[1])
    (folders[1] / "inner" / "weights").write_bytes(b"2")
    assert hash_checkpoint(folders[0]) != hash_checkpoint(folders[1])
    (folders[1] / "inner" / "weights").write_bytes(b"1")
    (folders[1] / "inner" / "weights").rename(folders[1] / "weights")
    assert hash_checkpoint(folders[0]) != hash_checkpoint(folders[1])


def test_a_folders_card_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(b"1")
    before = hash_checkpoint(tmp_path)
    (tmp_path / "README.md").write_text("A model.")
    assert hash_checkpoint(tmp_path) == before


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"gone\.pt"):
        hash_checkpoint(tmp_path / "gone.pt")


def describe_onnx(**changes: object) -> OnnxRecipe:
    values: dict[str, object] = {
        "checkpoint": "00",
        "input_px": 8,
        "resize": "center_crop",
        "resize_px": 8,
        "scale": 1.0,
        "mean": [0.0, 0.0, 0.0],
        "std": [1.0, 1.0, 1.0],
        "channels": "RGB",
        "outputs": ["x"],
        "pooling": "none",
        "transform": "none",
    }
    return OnnxRecipe(**(values | changes))  # type: ignore[arg-type]
