"""Which configuration made a vector: the model's name ends in a hash of everything that decides it."""

from pathlib import Path

import msgspec
import xxhash

from vibe_photos.errors import EncoderError

_HASH_DIGITS = 12


class Recipe(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Everything that decides an encoder's vectors. `version` counts changes of the encoder's own code."""

    version: int


def name_model(name: str, recipe: Recipe) -> str:
    """Return `name` and a short hash of the recipe: two configurations never share a name."""
    digest = xxhash.xxh3_128_hexdigest(msgspec.json.encode(recipe, order="sorted"))
    return f"{name}-{digest[:_HASH_DIGITS]}"


def hash_checkpoint(path: Path) -> str:
    """Return the xxh3-128 of a weights file's bytes, or of a folder's file names and bytes.

    A model's card (`*.md`) decides no vector and does not count.

    Raises:
        EncoderError: the file or folder cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() != ".md")
            content = "\n".join(f"{file.relative_to(path).as_posix()} {_hash_file(file)}" for file in files)
            return xxhash.xxh3_128_hexdigest(content.encode())
        return _hash_file(path)
    except OSError as error:
        raise EncoderError(f"{path}: the checkpoint cannot be read ({error.strerror})") from None


def _hash_file(path: Path) -> str:
    digest = xxhash.xxh3_128()
    buffer = memoryview(bytearray(1 << 20))
    with path.open("rb") as file:
        while count := file.readinto(buffer):
            digest.update(buffer[:count])
    return digest.hexdigest()
