import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from tests.unit.tiny_models import INPUT_PX, describe_onnx, draw_photo, save_tiny_onnx

from vibe_photos.encoders.encoder import load_encoder
from vibe_photos.encoders.onnx import join_features
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.errors import ConfigurationError, EncoderError
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.vectors import to_unit_norm


def make_quarters(*colours: str) -> Image.Image:
    """Return a picture of four coloured quarters, as large as the encoder's input."""
    picture = Image.new("RGB", (2, 2))
    picture.putdata([Image.new("RGB", (1, 1), colour).getpixel((0, 0)) for colour in colours])
    return picture.resize((INPUT_PX, INPUT_PX), Image.Resampling.NEAREST)


def encode(embedder: Embedder, embed: Embed, *images: Image.Image) -> np.ndarray:
    encoder = load_encoder(embedder, embed)
    return encoder.encode(np.stack([encoder.preprocess(image) for image in images]))


def test_pixels_arrive_as_configured(onnx: Embedder, embed: Embed) -> None:
    picture = make_quarters("red", "blue", "black", "white")
    # The model gives the mean of each channel in each quarter: all reds, then all greens, then all blues.
    red, green, blue = [1, 0, 0, 1], [0, 0, 0, 1], [0, 1, 0, 1]
    assert_direction(encode(onnx, embed, picture), [*red, *green, *blue])
    swapped = msgspec.structs.replace(onnx, channels="BGR")
    assert_direction(encode(swapped, embed, picture), [*blue, *green, *red])
    scaled = msgspec.structs.replace(onnx, scale=1.0, mean=[255.0, 0.0, 0.0], std=[1.0, 2.0, 1.0])
    expected = np.array([*np.array(red) - 1, *np.array(green) / 2, *blue]) * 255
    assert_direction(encode(scaled, embed, picture), expected)


def test_resize_squashes_or_cuts_the_centre(onnx: Embedder, embed: Embed) -> None:
    # Twice as wide as high: black, red, red, black. The centre square is red all over.
    picture = Image.new("RGB", (INPUT_PX * 8, INPUT_PX * 4))
    picture.paste("red", (INPUT_PX * 2, 0, INPUT_PX * 6, INPUT_PX * 4))
    onto = load_encoder(onnx, embed)
    assert onto.needed_size(*picture.size) == (INPUT_PX * 2, INPUT_PX)
    cut = onto.preprocess(picture)
    assert (cut[0, :, 2:-2] > 0.99).all()
    squash = load_encoder(msgspec.structs.replace(onnx, resize="squash"), embed)
    assert squash.needed_size(*picture.size) == (INPUT_PX, INPUT_PX)
    assert (squash.preprocess(picture)[0, :, : INPUT_PX // 4 - 2] < 0.01).all()


@pytest.mark.parametrize("batch", [1, "n"])
@pytest.mark.parametrize("item_type", ["FLOAT", "FLOAT16"])
def test_the_float_type_is_the_models_own(
    tmp_path: Path, embed: Embed, item_type: str, batch: int | str
) -> None:
    save_tiny_onnx(tmp_path / "tiny.onnx", item_type, batch)
    encoder = load_encoder(describe_onnx(tmp_path / "tiny.onnx"), embed)
    item = encoder.preprocess(draw_photo(1, (100, 80)))
    assert item.dtype == {"FLOAT": np.float32, "FLOAT16": np.float16}[item_type]
    vectors = encoder.encode(np.stack([item, item]))
    assert vectors.dtype == np.float32
    assert vectors.shape == (2, encoder.dim) == (2, 12)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)


def test_a_vector_depends_on_its_photo_alone(onnx: Embedder, embed: Embed) -> None:
    photos = [draw_photo(seed, (90, 70)) for seed in range(5)]
    together = encode(onnx, embed, *photos)
    alone = np.concatenate([encode(onnx, embed, photo) for photo in photos])
    assert together.tobytes() == alone.tobytes()


def test_log_takes_a_softmax_back_to_its_logits(onnx: Embedder, embed: Embed) -> None:
    photo = draw_photo(3, (60, 60))
    encoder = load_encoder(onnx, embed)
    logits = encoder.preprocess(photo).reshape(3, 2, 8, 2, 8).mean(axis=(2, 4)).astype(np.float64).ravel()
    log = msgspec.structs.replace(onnx, outputs=["probabilities"], transform="log")
    np.testing.assert_allclose(
        encode(log, embed, photo), to_unit_norm((logits - logits.mean())[np.newaxis]), atol=1e-5
    )


def test_an_inner_feature_map_is_pooled_as_configured(onnx: Embedder, embed: Embed) -> None:
    picture = make_quarters("red", "red", "red", "lime")
    inner = msgspec.structs.replace(onnx, outputs=["mean"], pooling="mean")
    assert_direction(encode(inner, embed, picture), [3, 1, 0])
    assert_direction(encode(msgspec.structs.replace(inner, pooling="max"), embed, picture), [1, 1, 0])
    rooted = msgspec.structs.replace(inner, transform="sqrt")
    assert_direction(encode(rooted, embed, picture), [3**0.5, 1, 0])
    assert load_encoder(inner, embed).dim == 3


def test_a_feature_map_is_never_flattened(onnx: Embedder, embed: Embed) -> None:
    with pytest.raises(EncoderError, match=r"mean has the shape \[1, 3, 2, 2\].*embedder\.pooling"):
        load_encoder(msgspec.structs.replace(onnx, outputs=["mean"]), embed)


def test_several_outputs_count_alike(onnx: Embedder, embed: Embed) -> None:
    picture = make_quarters("red", "red", "red", "lime")
    both = msgspec.structs.replace(onnx, outputs=["mean", "flat"], pooling="mean")
    vector = encode(both, embed, picture)
    assert vector.shape == (1, 3 + 12)
    np.testing.assert_allclose(np.linalg.norm(vector[0, :3]), 0.5**0.5, rtol=1e-6)
    assert_direction(vector[:, :3] * 2**0.5, [3, 1, 0])


def test_tokens_are_pooled_over_their_positions() -> None:
    tokens = np.array([[[1.0, 0.0], [3.0, 4.0]]])
    assert join_features({"tokens": tokens}, "mean", "none").tolist() == [2.0, 2.0]
    assert join_features({"tokens": tokens}, "max", "none").tolist() == [3.0, 4.0]
    assert join_features({"tokens": -tokens}, "max", "sqrt").tolist() == [-1.0, 0.0]


def test_a_missing_file_says_what_to_do(onnx: Embedder, embed: Embed, tmp_path: Path) -> None:
    missing = msgspec.structs.replace(onnx, checkpoint=str(tmp_path / "gone.onnx"))
    with pytest.raises(EncoderError, match=r"gone\.onnx .*does not exist.*`hog`"):
        name_encoder(missing, embed)


def test_a_file_that_is_no_model_is_named(onnx: Embedder, embed: Embed, tmp_path: Path) -> None:
    (tmp_path / "cat.onnx").write_bytes(b"meow")
    with pytest.raises(EncoderError, match=r"cat\.onnx is not an ONNX model"):
        load_encoder(msgspec.structs.replace(onnx, checkpoint=str(tmp_path / "cat.onnx")), embed)


def test_a_wrong_output_or_input_size_is_named(onnx: Embedder, embed: Embed) -> None:
    with pytest.raises(
        EncoderError,
        match=r"no output 'pool'.*flat, probabilities.*inner layers end with mean, flat, probabilities",
    ):
        load_encoder(msgspec.structs.replace(onnx, outputs=["pool"]), embed)
    with pytest.raises(EncoderError, match=r"does not run on \[1, 3, 24, 24\] \(embedder\.input_px: 24\)"):
        load_encoder(msgspec.structs.replace(onnx, input_px=24, resize_px=24), embed)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("checkpoint", None, r"embedder\.checkpoint"),
        ("input_px", None, r"embedder\.input_px"),
        ("outputs", None, r"embedder\.outputs"),
        ("outputs", [], r"embedder\.outputs"),
        ("mean", [0.0], r"embedder\.mean"),
        ("std", [1.0, 0.0, 1.0], r"embedder\.std"),
        ("resize_px", 8, r"embedder\.resize_px: 8"),
    ],
)
def test_a_wrong_key_is_named(onnx: Embedder, embed: Embed, key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        name_encoder(msgspec.structs.replace(onnx, **{key: value}), embed)


def test_without_onnxruntime_it_says_how_to_get_it(
    onnx: Embedder, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(EncoderError, match=r"pip install 'vibe-photos\[onnx\]'"):
        load_encoder(onnx, embed)


def test_the_repositorys_configuration_names_every_key(
    repository: Path, tmp_path: Path, embed: Embed
) -> None:
    values = msgspec.yaml.decode((repository / "conf" / "embedder" / "onnx.yaml").read_bytes())
    (tmp_path / "encoder.onnx").write_bytes(b"weights")
    embedder = msgspec.convert(values | {"checkpoint": str(tmp_path / "encoder.onnx")}, Embedder)
    assert name_encoder(embedder, embed).startswith("onnx-")


def assert_direction(vectors: np.ndarray, features: "np.typing.ArrayLike") -> None:
    np.testing.assert_allclose(vectors, to_unit_norm(np.asarray(features, float)[np.newaxis]), atol=1e-6)
