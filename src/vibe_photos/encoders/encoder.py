"""The interface of encoders, and loading the configured one.

Importing this is cheap: each encoder imports its library (scikit-image, onnxruntime, torch) only when it is
loaded.
"""

from typing import Any, Protocol, runtime_checkable

import numpy.typing as npt
from PIL import Image

from vibe_photos.encoders.hog import HogEncoder
from vibe_photos.encoders.onnx import OnnxEncoder
from vibe_photos.encoders.recipe import DatabaseRecipe, HogRecipe, OnnxRecipe, name_model, read_recipe
from vibe_photos.encoders.siglip import SiglipEncoder
from vibe_photos.errors import EncoderError
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.vectors import Vectors


class Encoder(Protocol):
    """Turns photos into vectors; a photo's vector depends only on that photo, not on the batch."""

    model: str
    """A name with a short hash of everything that decides the vector."""
    dim: int

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the size in pixels to which a photo of `width` x `height` will be resized."""
        ...

    def preprocess(self, image: Image.Image) -> npt.NDArray[Any]:
        """Turn an upright RGB photo into one item of a batch; called from several threads."""
        ...

    def encode(self, batch: npt.NDArray[Any]) -> Vectors:
        """Turn n stacked items into float32 [n, dim] of unit norm; NaN where a photo has no direction."""
        ...


@runtime_checkable
class TextEncoder(Encoder, Protocol):
    """An encoder with a text tower: cosine * `logit_scale` + `logit_bias` is the logit of a match."""

    logit_scale: float
    logit_bias: float

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Turn n texts into float32 [n, dim] of unit norm, in the space of the photos' vectors."""
        ...


def load_encoder(embedder: Embedder, embed: Embed) -> Encoder:
    """Load the chosen encoder.

    Raises:
        ConfigurationError: a key that this kind of encoder needs is not set.
        EncoderError: the checkpoint cannot be loaded, or a package is missing (says how to get it).
    """
    recipe = read_recipe(embedder, embed)
    name = name_model(embedder.name, recipe)
    match recipe:
        case OnnxRecipe():
            return OnnxEncoder(name, recipe, str(embedder.checkpoint))
        case DatabaseRecipe():
            raise EncoderError(
                f"{name} stands for vectors from an app's database: there is no encoder for other photos. "
                "Use the heads on vectors, or choose an encoder with use.embedder in params.yaml"
            )
        case HogRecipe():
            return HogEncoder(name)
        case _:
            return SiglipEncoder(name, embedder, embed)
