"""The name of a model ends in a hash of its recipe: everything that decides its vectors."""

from pathlib import Path

import msgspec
import xxhash

from vibe_photos.errors import EncoderError
from vibe_photos.pixels import decode

_HASH_DIGITS = 12


class Recipe(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Everything that decides a model's vectors. `version` counts changes of the encoder's own code."""

    version: int


class PixelRecipe(Recipe, frozen=True, kw_only=True):
    """The recipe of an encoder that computes vectors from pixels; it includes the version of the pixels."""

    pixels: int = msgspec.field(default_factory=lambda: decode.PIXELS_VERSION)


def name_model(name: str, recipe: Recipe) -> str:
    """Return `name` and a short hash of the recipe: two configurations never share a name."""
    digest = xxhash.xxh3_128_hexdigest(msgspec.json.encode(recipe, order="sorted"))
    return f"{name}-{digest[:_HASH_DIGITS]}"


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
    digest = xxhash.xxh3_128()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
