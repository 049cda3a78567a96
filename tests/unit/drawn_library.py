"""A few drawn photos with their manifest, and checkpoints so small that they are made on the spot."""

import json
import os
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from tests.conftest import REPOSITORY
from tests.unit.tiny_models import (
    TINY_MODEL,
    WORDS,
    describe_onnx,
    draw_photo,
    list_photos,
    save_tiny_onnx,
    save_tiny_weights,
)

from vibe_photos.configuration import read_resolved
from vibe_photos.embed.stage import embed_library
from vibe_photos.settings import Embed, Embedder, Settings
from vibe_photos.storage.jsonl import write_jsonl

os.environ["HF_HUB_OFFLINE"] = "1"


def embed_settings(photos: Path, root: Path, embedder: Embedder, embed: Embed, out: Path) -> Settings:
    """Return the repository's settings for embedding the photos of a manifest into the folder `out`."""
    base = read_resolved(REPOSITORY)
    return replace(
        base,
        library=replace(base.library, root=str(root)),
        embedder=embedder,
        embed=embed,
        paths=replace(base.paths, photos=photos, embeddings=out),
    )


def embed_into(photos: Path, root: Path, embedder: Embedder, embed: Embed, out: Path, store: Path) -> None:
    """Run the stage under these settings."""
    embed_library(embed_settings(photos, root, embedder, embed, out), store)


@pytest.fixture
def embed() -> Embed:
    return Embed(
        max_pixels=10_000_000,
        max_failed_share=0.5,
        precision="float32",
        batch_size=4,
        workers=2,
        device="cpu",
    )


@pytest.fixture
def hog() -> Embedder:
    return Embedder(kind="hog", name="hog")


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos: JPEGs larger and smaller than what is decoded, one of them turned, and a PNG."""
    folder = tmp_path_factory.mktemp("photos")
    sizes = [(1600, 1200), (1000, 2000), (900, 800), (300, 200), (64, 48)]
    for number in range(9):
        exif = Image.Exif()
        exif[0x0112] = 6 if number == 2 else 1
        photo = draw_photo(number, sizes[number % len(sizes)])
        photo.save(folder / f"{number}.jpg", quality=90, exif=exif)
    draw_photo(9, (700, 500)).save(folder / "9.png")
    return folder


@pytest.fixture
def manifest(root: Path, tmp_path: Path) -> Path:
    path = tmp_path / "photos.jsonl"
    write_jsonl(path, list_photos(root))
    return path


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A two-layer SigLIP in the shape of a downloaded open_clip folder, with random weights."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("siglip")
    # The preprocessing that it states is CLIP's, not SigLIP's: it must not be believed.
    config = {"model_cfg": TINY_MODEL, "preprocess_cfg": {"resize_mode": "shortest"}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    save_tiny_weights(folder / "open_clip_model.safetensors")
    tokenizer = Tokenizer(models.WordLevel(WORDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("$A [EOS]", special_tokens=[("[EOS]", 2)])
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", eos_token="[EOS]"
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def siglip(siglip_folder: Path) -> Embedder:
    return Embedder(kind="siglip", name="siglip", checkpoint=f"local-dir:{siglip_folder}")


@pytest.fixture
def onnx(tmp_path: Path) -> Embedder:
    save_tiny_onnx(tmp_path / "tiny.onnx")
    return describe_onnx(tmp_path / "tiny.onnx")
