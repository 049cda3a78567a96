"""Check on real vectors and photos that the ONNX files give the same results as this package."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vibe_photos.encoders.encoder import Encoder
from vibe_photos.encoders.onnx import join_features
from vibe_photos.errors import EncoderError, HeadError
from vibe_photos.export.graphs import VECTORS, EncoderGraph, Level, Preprocessing, open_session
from vibe_photos.pixels.decode import resize
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.storage.vectors import Vectors, to_unit_norm

MAX_DIFFERENCE = 1e-4
"""The largest accepted difference of a probability, or of a component of a unit-norm vector."""


def measure_heads(model: bytes, levels: Sequence[Level], vectors: Vectors, scores: ScoreTable) -> float:
    """Return the largest difference between probabilities of the graph and those of `scores`.

    Args:
        model: `heads.onnx`.
        levels: its outputs.
        vectors: unit-norm float32 [n, dim].
        scores: the expected probabilities for these vectors, in float64.

    Raises:
        HeadError: it is more than `MAX_DIFFERENCE`.
    """
    outputs = open_session(model).run([level.name for level in levels], {VECTORS: vectors})
    expected = [scores.probability[:, [scores.keys.index(key) for key in level.keys]] for level in levels]
    difference = max(map(_largest_difference, outputs, expected))
    if not difference <= MAX_DIFFERENCE:
        raise HeadError(
            f"heads.onnx differs from the heads by {difference:.1e} in a probability, more than "
            f"{MAX_DIFFERENCE:.0e}: nothing is exported"
        )
    return difference


def measure_encoder(graph: EncoderGraph, encoder: Encoder, images: Sequence[Image.Image]) -> float:
    """Return the largest difference between the components of the exported encoder's vectors and ours.

    Raises:
        EncoderError: it is more than `MAX_DIFFERENCE`.
    """
    session, recipe = open_session(graph.model), graph.preprocessing
    features = []
    for image in images:
        found = session.run(recipe.outputs, {recipe.input: _prepare_pixels(image, recipe)})
        named = dict(zip(recipe.outputs, found, strict=True))
        features.append(join_features(named, recipe.pooling, recipe.transform))
    vectors = to_unit_norm(np.stack(features))
    expected = encoder.encode(np.stack([encoder.preprocess(image) for image in images]))
    difference = _largest_difference(vectors, expected)
    if not difference <= MAX_DIFFERENCE:
        raise EncoderError(
            f"encoder.onnx differs from {encoder.model} by {difference:.1e} in a component of a vector, more "
            f"than {MAX_DIFFERENCE:.0e}: nothing is exported"
        )
    return difference


def _prepare_pixels(image: Image.Image, recipe: Preprocessing) -> NDArray[np.floating[Any]]:
    """Preprocess an image exactly as `preprocessing.json` says."""
    edge, shrink = recipe.input_px, recipe.resize_px / min(image.size)
    width, height = round(image.width * shrink), round(image.height * shrink)
    resized = resize(image, (edge, edge) if recipe.resize == "squash" else (width, height))
    left, top = (resized.width - edge) // 2, (resized.height - edge) // 2
    pixels = np.asarray(resized.crop((left, top, left + edge, top + edge)), dtype=np.float32)
    ordered = pixels if recipe.channels == "RGB" else pixels[..., ::-1]
    scaled = (ordered * recipe.scale - recipe.mean) / recipe.std
    return np.asarray(scaled.transpose(2, 0, 1)[np.newaxis], dtype=recipe.input_type)


def _largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    return float(np.abs(ours.astype(np.float64) - theirs).max(initial=0.0))
