"""The name of a model ends in a hash of its recipe: everything that decides its vectors.

Importing this needs no numeric library, so that stage `compose` is quick.
"""

import hashlib
from pathlib import Path
from typing import Literal

import msgspec
import xxhash

from vibe_photos import pixels
from vibe_photos.errors import ConfigurationError, EncoderError
from vibe_photos.settings import Embed, Embedder

_HASH_DIGITS = 12

_ONNX_NEEDS = ("checkpoint", "input_px", "resize", "scale", "mean", "std", "channels", "outputs")

LOCAL_FOLDER = "local-dir:"
HUB_FOLDER = "hf-hub:"
_WEIGHT_ENDINGS = (".pt", ".pth", ".bin", ".safetensors", ".npz")
SIGLIP_ADVICE = (
    "Download the model's open_clip folder on a machine with a network (Hugging Face, for example "
    "timm/ViT-B-32-SigLIP2-256), copy it here and set embedder.checkpoint to local-dir:FOLDER. "
    "The encoder `hog` (use.embedder: hog) needs no download."
)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Everything that decides a model's vectors. `version` counts changes of the encoder's own code."""

    version: int


class PixelRecipe(Recipe, frozen=True, kw_only=True):
    """The recipe of an encoder that computes vectors from pixels; it includes the version of the pixels."""

    pixels: int = msgspec.field(default_factory=lambda: pixels.PIXELS_VERSION)


class HogRecipe(PixelRecipe, frozen=True, kw_only=True, tag="hog"):
    """The features have no settings: only their code and the pixels decide them."""

    version: int = 2


class OnnxRecipe(PixelRecipe, frozen=True, kw_only=True, tag="onnx"):
    """Everything that decides the vectors; `checkpoint` is the hash of the model file."""

    version: int = 2
    checkpoint: str
    input_px: int
    resize: Literal["squash", "center_crop"]
    resize_px: int
    scale: float
    mean: list[float]
    std: list[float]
    channels: Literal["RGB", "BGR"]
    outputs: list[str]
    pooling: Literal["none", "mean", "max"]
    transform: Literal["none", "sqrt", "log"]


class SiglipRecipe(PixelRecipe, frozen=True, kw_only=True, tag="siglip"):
    """Everything that decides the vectors: `checkpoint` is as configured, or a file's or folder's hash."""

    version: int = 1
    architecture: str | None
    checkpoint: str
    precision: str


class DatabaseRecipe(Recipe, frozen=True, kw_only=True, tag="database"):
    """Vectors of an app's database. DVC cannot see the database, so `revision` represents its content."""

    version: int = 1
    source_model: str
    dim: int
    revision: int


def name_encoder(embedder: Embedder, embed: Embed) -> str:
    """Return the name of the model that `load_encoder` would load, without loading it.

    Raises:
        ConfigurationError: a key that this kind of encoder needs is not set.
        EncoderError: the checkpoint file is missing.
    """
    return name_model(embedder.name, read_recipe(embedder, embed))


def name_model(name: str, recipe: Recipe) -> str:
    """Return `name` and a short hash of the recipe: two configurations never share a name."""
    digest = xxhash.xxh3_128_hexdigest(msgspec.json.encode(recipe, order="sorted"))
    return f"{name}-{digest[:_HASH_DIGITS]}"


def read_recipe(embedder: Embedder, embed: Embed) -> Recipe:
    """Return the recipe of the configured encoder.

    Raises:
        ConfigurationError: a key that this kind of encoder needs is not set or not valid.
        EncoderError: the checkpoint file is missing.
    """
    match embedder.kind:
        case "hog":
            return HogRecipe()
        case "onnx":
            return read_onnx_recipe(embedder)
        case "siglip":
            return _read_siglip_recipe(embedder, embed)
        case "database":
            return read_database_recipe(embedder)


def read_onnx_recipe(embedder: Embedder) -> OnnxRecipe:
    """Return the recipe of `kind: onnx`; errors as in `read_recipe`."""
    values = msgspec.structs.asdict(embedder)
    for key in _ONNX_NEEDS:
        if values[key] is None:
            raise ConfigurationError(f"embedder.{key}: kind onnx needs it (see conf/embedder/onnx.yaml)")
    if not values["outputs"]:
        raise ConfigurationError("embedder.outputs: name at least one output of the model")
    if len(values["mean"]) != 3 or len(values["std"]) != 3 or 0.0 in values["std"]:
        raise ConfigurationError("embedder.mean, embedder.std: three numbers each, and no std of 0")
    values["resize_px"] = values["resize_px"] or values["input_px"]
    if values["resize_px"] < values["input_px"]:
        raise ConfigurationError(
            f"embedder.resize_px: {values['resize_px']} is less than input_px, {values['input_px']}"
        )
    path = Path(values["checkpoint"])
    if not path.is_file():
        raise EncoderError(
            f"{path} (embedder.checkpoint) does not exist: put the ONNX file of an image encoder there, or "
            "set embedder.checkpoint to its path. The encoder `hog` (use.embedder: hog) needs no file."
        )
    return msgspec.convert(values | {"checkpoint": hash_checkpoint(path)}, OnnxRecipe)


def _read_siglip_recipe(embedder: Embedder, embed: Embed) -> SiglipRecipe:
    """Return the recipe of `kind: siglip`; errors as in `read_recipe`.

    The precision is the configured one: a machine on which bfloat16 is slow or inexact computes in float32,
    which every other machine's bfloat16 agrees with to `image_tower.MIN_COSINE`.
    """
    checkpoint = embedder.checkpoint
    if not checkpoint:
        raise ConfigurationError("embedder.checkpoint: a tag, a weights file or local-dir:FOLDER is needed")
    path = _find_path(checkpoint)
    is_folder = checkpoint.startswith((LOCAL_FOLDER, HUB_FOLDER))
    if not is_folder and not embedder.architecture:
        raise ConfigurationError("embedder.architecture: the open_clip name of the checkpoint's architecture")
    if checkpoint.startswith(HUB_FOLDER) and not checkpoint.partition("@")[2]:
        raise ConfigurationError(
            f"embedder.checkpoint: {checkpoint} names no revision, as in hf-hub:OWNER/NAME@COMMIT"
        )
    if path is not None and not (path.is_dir() if is_folder else path.is_file()):
        raise EncoderError(f"{path} (embedder.checkpoint) does not exist. {SIGLIP_ADVICE}")
    return SiglipRecipe(
        architecture=None if is_folder else embedder.architecture,
        checkpoint=hash_checkpoint(path) if path is not None else f"tag:{checkpoint}",
        precision=embedder.precision or embed.precision,
    )


def read_database_recipe(embedder: Embedder) -> DatabaseRecipe:
    """Return the recipe of `kind: database`, without reading it; errors as in `read_recipe`."""
    if embedder.source_model is None or embedder.dim is None or embedder.revision is None:
        raise ConfigurationError(
            "embedder.source_model, embedder.dim, embedder.revision: kind database needs all three "
            "(see conf/embedder/database.yaml)"
        )
    return DatabaseRecipe(source_model=embedder.source_model, dim=embedder.dim, revision=embedder.revision)


def _find_path(checkpoint: str) -> Path | None:
    """Return the file or folder that a checkpoint names, None if it is a tag or on the hub."""
    if checkpoint.startswith(HUB_FOLDER):
        return None
    if checkpoint.startswith(LOCAL_FOLDER):
        return Path(checkpoint.removeprefix(LOCAL_FOLDER))
    is_path = "/" in checkpoint or checkpoint.endswith(_WEIGHT_ENDINGS) or Path(checkpoint).is_file()
    return Path(checkpoint) if is_path else None


def hash_checkpoint(path: Path) -> str:
    """Return the xxh3-128 of a weights file's bytes, or of a folder's file names and bytes.

    A model card (`*.md`) does not affect vectors and is left out.

    Raises:
        EncoderError: the file or folder cannot be read.
    """
    try:
        if not path.is_dir():
            return _hash_file(path)
        files = sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() != ".md")
        content = "\n".join(f"{file.relative_to(path).as_posix()} {_hash_file(file)}" for file in files)
        return xxhash.xxh3_128_hexdigest(content.encode())
    except OSError as error:
        raise EncoderError(f"{path}: the checkpoint cannot be read ({error.strerror})") from None


def _hash_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
