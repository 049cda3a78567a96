"""The check that an exported encoder has to pass."""

import msgspec
import numpy as np
import pytest
from tests.unit.small_pipeline import EMBED
from tests.unit.tiny_models import describe_onnx, draw_photo, save_tiny_onnx

from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.errors import EncoderError
from vibe_photos.export.graphs import export_encoder, measure_encoder


@pytest.fixture(params=["FLOAT", "FLOAT16"])
def exported(request, tmp_path):
    save_tiny_onnx(tmp_path / "tiny.onnx", request.param)
    embedder = msgspec.structs.replace(
        describe_onnx(tmp_path / "tiny.onnx"), resize_px=20, mean=[0.4, 0.5, 0.6]
    )
    encoder = load_encoder(embedder, EMBED)
    return encoder, *export_encoder(encoder, embedder)


def test_what_preprocessing_says_gives_the_encoders_vectors(exported):
    encoder, model, recipe = exported
    photos = [draw_photo(seed, (300 + seed, 200)) for seed in range(5)]
    assert measure_encoder(model, recipe, encoder, photos) < 1e-6


@pytest.mark.parametrize(
    "change", [{"mean": [0.4, 0.5, 0.5]}, {"channels": "BGR"}, {"resize": "squash"}, {"transform": "log"}]
)
def test_another_preprocessing_is_refused(exported, change):
    encoder, model, recipe = exported
    wrong = msgspec.structs.replace(recipe, **change)
    with pytest.raises(EncoderError, match="nothing is exported"):
        measure_encoder(model, wrong, encoder, [draw_photo(0, (300, 200))])


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_siglip_is_exported_in_float32_and_stays_as_it_was(siglip, precision):
    embedder = msgspec.structs.replace(siglip, precision=precision)
    encoder = load_encoder(embedder, EMBED)
    photos = [draw_photo(seed, (90, 60)) for seed in range(3)]
    batch = np.stack([encoder.preprocess(photo) for photo in photos])
    before = encoder.encode(batch)
    model, recipe = export_encoder(encoder, embedder)
    assert measure_encoder(model, recipe, encoder, photos) < 1e-5
    assert encoder.encode(batch).tobytes() == before.tobytes()
