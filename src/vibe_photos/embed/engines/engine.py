"""What computes vectors: photos go in, batches of results come out, whichever machines do the work."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vibe_photos.records.photos import Photo, PhotoProblem
from vibe_photos.settings import Embed, Embedder


@dataclass(frozen=True, slots=True)
class Job:
    """All that an engine is told besides the photos; `model` is the encoder's name, as vectors are saved."""

    root: Path
    embedder: Embedder
    embed: Embed
    model: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What came of some photos, ready to be saved.

    `vectors` and `perceptual_hashes` are pairs of an `image_id` and the bytes that are kept for it: float32
    little-endian of unit norm, uint64 big-endian. A photo in `problems` lacks one of them, or both.
    """

    vectors: list[tuple[str, bytes]]
    perceptual_hashes: list[tuple[str, bytes]]
    problems: list[PhotoProblem]


class Engine(Protocol):
    """One of the ways in which a library is embedded: `embed.engine`."""

    def embed(self, photos: Sequence[Photo], has_vector: frozenset[str]) -> Generator[Batch, None, None]:
        """Yield what comes of the photos, each in one batch, in any order, a few batches ahead at most.

        Args:
            photos: which, in the manifest's order.
            has_vector: the ids of those that only lack their perceptual hashes.

        Raises:
            EncoderError: the encoder cannot be loaded.
        """
        ...
