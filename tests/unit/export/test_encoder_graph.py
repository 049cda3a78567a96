"""The check that an exported encoder has to pass. SigLIP's own export: tests/e2e/test_apps.py."""

import dataclasses

import msgspec
import pytest
from tests.unit.small_pipeline import EMBED
from tests.unit.tiny_models import describe_onnx, draw_photo, save_tiny_onnx

from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.errors import EncoderError
from vibe_photos.export.encoder_graph import export_encoder
from vibe_photos.export.verification import measure_encoder


@pytest.fixture(params=["FLOAT", "FLOAT16"])
def exported(request, tmp_path):
    save_tiny_onnx(tmp_path / "tiny.onnx", request.param)
    embedder = msgspec.structs.replace(
        describe_onnx(tmp_path / "tiny.onnx"), resize_px=20, mean=[0.4, 0.5, 0.6]
    )
    encoder = load_encoder(embedder, EMBED)
    return encoder, export_encoder(encoder, embedder)


def test_what_preprocessing_says_gives_the_encoders_vectors(exported):
    encoder, graph = exported
    photos = [draw_photo(seed, (300 + seed, 200)) for seed in range(5)]
    assert measure_encoder(graph, encoder, photos) < 1e-6


@pytest.mark.parametrize(
    "change", [{"mean": [0.4, 0.5, 0.5]}, {"channels": "BGR"}, {"resize": "squash"}, {"transform": "log"}]
)
def test_another_preprocessing_is_refused(exported, change):
    encoder, graph = exported
    wrong = dataclasses.replace(graph, preprocessing=msgspec.structs.replace(graph.preprocessing, **change))
    with pytest.raises(EncoderError, match="nothing is exported"):
        measure_encoder(wrong, encoder, [draw_photo(0, (300, 200))])
