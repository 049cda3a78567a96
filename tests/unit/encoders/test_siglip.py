import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.tiny_models import INPUT_PX, TINY_MODEL, draw_photo, save_tiny_weights

from vibe_photos.encoders.encoder import Encoder, TextEncoder, load_encoder
from vibe_photos.encoders.recipe import name_encoder
from vibe_photos.encoders.siglip import import_open_clip
from vibe_photos.errors import ConfigurationError, EncoderError
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.vectors import to_unit_norm

ARCHITECTURE = "tiny-siglip-of-tests"


@pytest.fixture(scope="module")
def architecture(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A small architecture that open_clip knows by name, as it knows SigLIP's."""
    path = tmp_path_factory.mktemp("architecture") / f"{ARCHITECTURE}.json"
    path.write_text(json.dumps(TINY_MODEL))
    import_open_clip().add_model_config(path)
    yield ARCHITECTURE
    path.unlink()
    import_open_clip().add_model_config(path.parent)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_tiny_weights(path)
    return path


def encode(encoder: Encoder, seeds: range) -> np.ndarray:
    return encoder.encode(np.stack([encoder.preprocess(draw_photo(seed, (90, 60))) for seed in seeds]))


def test_vectors_are_those_of_open_clip_with_siglips_own_preprocessing(
    siglip: Embedder, embed: Embed, siglip_folder: Path
) -> None:
    import torch

    open_clip = import_open_clip()
    transform = open_clip.transform.image_transform_v2(
        open_clip.transform.PreprocessCfg(
            size=INPUT_PX, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode="squash"
        ),
        is_train=False,
    )
    network = open_clip.create_model(f"local-dir:{siglip_folder}").eval()
    # Under three times the input's edge, where no block of pixels is averaged first.
    photos = [draw_photo(seed, (40, 31)) for seed in range(3)]
    with torch.inference_mode():
        theirs = network.encode_image(torch.stack([transform(photo) for photo in photos])).numpy()
    encoder = load_encoder(siglip, embed)
    ours = encoder.encode(np.stack([encoder.preprocess(photo) for photo in photos]))
    assert encoder.dim == ours.shape[1] == TINY_MODEL["embed_dim"]
    np.testing.assert_allclose(ours, to_unit_norm(theirs), atol=1e-6)


def test_a_vector_depends_neither_on_its_neighbours_nor_on_the_batch(siglip: Embedder, embed: Embed) -> None:
    encoder = load_encoder(siglip, embed)
    together = encode(encoder, range(11))
    alone = np.concatenate([encode(encoder, range(seed, seed + 1)) for seed in range(11)])
    smaller, larger = (
        encode(load_encoder(siglip, msgspec.structs.replace(embed, batch_size=size)), range(11))
        for size in (1, 64)
    )
    assert together.tobytes() == alone.tobytes() == smaller.tobytes() == larger.tobytes()


def test_a_texts_vector_does_not_depend_on_its_neighbours(siglip: Embedder, embed: Embed) -> None:
    encoder = load_encoder(siglip, embed)
    assert isinstance(encoder, TextEncoder)
    texts = [f"{article} photo of {thing}" for article in ("a", "of", "") for thing in ("cat", "a dog")]
    alone = np.concatenate([encoder.encode_texts([text]) for text in texts])
    assert encoder.encode_texts(texts).tobytes() == alone.tobytes()


def test_vectors_do_not_depend_on_the_number_of_threads(
    siglip: Embedder, embed: Embed, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    vectors = []
    before = torch.get_num_threads()
    for threads in (1, 2, 4):
        monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
        torch.set_num_threads(threads)
        encoder = load_encoder(siglip, embed)
        assert isinstance(encoder, TextEncoder)
        vectors.append(
            encode(encoder, range(5)).tobytes() + encoder.encode_texts(["a photo", "cat"]).tobytes()
        )
    torch.set_num_threads(before)
    assert vectors[0] == vectors[1] == vectors[2]


def test_texts_are_encoded_in_the_space_of_the_photos(siglip: Embedder, embed: Embed) -> None:
    encoder = load_encoder(siglip, embed)
    assert isinstance(encoder, TextEncoder)
    vectors = encoder.encode_texts(["a photo of a cat", "a photo of a dog", "a photo of a cat"])
    assert vectors.dtype == np.float32
    assert vectors.shape == (3, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-6)
    assert (vectors[0] == vectors[2]).all()
    assert not np.allclose(vectors[0], vectors[1])
    # open_clip begins with log(1 / 0.07) and the bias of the configuration.
    assert encoder.logit_scale == pytest.approx(1 / 0.07)
    assert encoder.logit_bias == -10


def test_the_tokenizer_is_loaded_once(siglip_folder: Path, tmp_path: Path, embed: Embed) -> None:
    folder = tmp_path / "siglip"
    shutil.copytree(siglip_folder, folder)
    encoder = load_encoder(Embedder(kind="siglip", name="siglip", checkpoint=f"local-dir:{folder}"), embed)
    assert isinstance(encoder, TextEncoder)
    first = encoder.encode_texts(["a photo of a cat"])
    shutil.rmtree(folder)
    assert (encoder.encode_texts(["a photo of a cat"]) == first).all()


def test_weights_of_float16_compute_in_float32(siglip_folder: Path, tmp_path: Path, embed: Embed) -> None:
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "siglip"
    shutil.copytree(siglip_folder, folder)
    weights = load_file(folder / "open_clip_model.safetensors")
    halved = {name: tensor.half() for name, tensor in weights.items()}
    save_file(halved, folder / "open_clip_model.safetensors")
    half, full = (
        load_encoder(Embedder(kind="siglip", name="siglip", checkpoint=f"local-dir:{path}"), embed)
        for path in (folder, siglip_folder)
    )
    assert isinstance(half, TextEncoder)
    assert half.encode_texts(["a cat"]).dtype == np.float32
    # float16 keeps 11 bits of a weight; float16 arithmetic would lose far more than that on the way.
    np.testing.assert_allclose(encode(half, range(3)), encode(full, range(3)), atol=2e-3)


def test_encoders_without_a_text_tower_are_none(hog: Embedder, embed: Embed) -> None:
    assert not isinstance(load_encoder(hog, embed), TextEncoder)


def test_a_weights_file_gives_the_vectors_of_the_folder(
    architecture: str, weights: Path, siglip: Embedder, embed: Embed
) -> None:
    from_file = Embedder(kind="siglip", name="siglip", architecture=architecture, checkpoint=str(weights))
    np.testing.assert_array_equal(
        encode(load_encoder(from_file, embed), range(2)), encode(load_encoder(siglip, embed), range(2))
    )


def test_another_checkpoint_or_precision_has_another_name(
    architecture: str, weights: Path, tmp_path: Path, embed: Embed
) -> None:
    changed = tmp_path / "changed.safetensors"
    changed.write_bytes(weights.read_bytes() + b" ")
    moved = tmp_path / "moved.safetensors"
    moved.write_bytes(weights.read_bytes())
    base, other, same = (
        Embedder(kind="siglip", name="s", architecture=architecture, checkpoint=str(path))
        for path in (weights, changed, moved)
    )
    half = msgspec.structs.replace(embed, precision="bfloat16")
    quick = msgspec.structs.replace(embed, batch_size=1, workers=8, device="auto")
    assert name_encoder(base, embed) == name_encoder(same, embed) == name_encoder(base, quick)
    assert len({name_encoder(base, embed), name_encoder(other, embed), name_encoder(base, half)}) == 3


@pytest.mark.parametrize("checkpoint", ["local-dir:{}/gone", "{}/gone.safetensors", "gone.pt"])
def test_a_missing_checkpoint_says_what_to_do(
    architecture: str, tmp_path: Path, embed: Embed, checkpoint: str
) -> None:
    missing = Embedder(
        kind="siglip", name="s", architecture=architecture, checkpoint=checkpoint.format(tmp_path)
    )
    with pytest.raises(EncoderError, match=r"gone.*does not exist.*local-dir:FOLDER.*`hog`"):
        name_encoder(missing, embed)


def test_a_tag_out_of_reach_says_what_to_do(repository: Path, embed: Embed, tmp_path: Path) -> None:
    """In a process of its own: the hub's library reads where its cache lies when it is imported."""
    script = (
        "import sys, msgspec\n"
        "from vibe_photos.encoders.encoder import load_encoder\n"
        "from vibe_photos.encoders.recipe import name_encoder\n"
        "from vibe_photos.errors import EncoderError\n"
        "from vibe_photos.settings import Embed, Embedder\n"
        "embedder = msgspec.yaml.decode(open(sys.argv[1], 'rb').read(), type=Embedder)\n"
        "embed = msgspec.json.decode(sys.argv[2], type=Embed)\n"
        "print(name_encoder(embedder, embed))\n"
        "try: load_encoder(embedder, embed)\n"
        "except EncoderError as error: print(error)\n"
    )
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            script,
            str(repository / "conf" / "embedder" / "siglip2_b32.yaml"),
            msgspec.json.encode(embed),
        ],
        env={"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path), "PYTHONPATH": str(repository / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    name, message = ran.stdout.split("\n", 1)
    assert name.startswith("siglip2_b32-")
    assert "ViT-B-32-SigLIP2-256 (webli) cannot be loaded" in message
    assert "HF_HUB_OFFLINE is set, so nothing is downloaded: unset it" in message
    assert "local-dir:FOLDER" in message
    assert "`hog`" in message


def test_weights_of_another_architecture_are_refused(architecture: str, tmp_path: Path, embed: Embed) -> None:
    (tmp_path / "cat.safetensors").write_bytes(b"meow")
    wrong = Embedder(
        kind="siglip", name="s", architecture=architecture, checkpoint=str(tmp_path / "cat.safetensors")
    )
    with pytest.raises(EncoderError, match=r"cat\.safetensors\) cannot be loaded"):
        load_encoder(wrong, embed)


def test_a_clip_model_is_refused(siglip_folder: Path, tmp_path: Path, embed: Embed) -> None:
    from safetensors.torch import load_file, save_file

    config = {key: value for key, value in TINY_MODEL.items() if key != "init_logit_bias"}
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    state = load_file(siglip_folder / "open_clip_model.safetensors")
    del state["logit_bias"]
    save_file(state, tmp_path / "open_clip_model.safetensors")
    clip = Embedder(kind="siglip", name="s", checkpoint=f"local-dir:{tmp_path}")
    with pytest.raises(EncoderError, match="has no logit_bias, so it is not a SigLIP model"):
        load_encoder(clip, embed)


def test_a_missing_key_is_named(embed: Embed) -> None:
    with pytest.raises(ConfigurationError, match=r"embedder\.checkpoint"):
        name_encoder(Embedder(kind="siglip", name="s", architecture="A"), embed)
    with pytest.raises(ConfigurationError, match=r"embedder\.architecture"):
        name_encoder(Embedder(kind="siglip", name="s", checkpoint="webli"), embed)


def test_a_folder_without_a_tokenizer_still_encodes_photos(
    siglip_folder: Path, tmp_path: Path, embed: Embed
) -> None:
    for name in ("open_clip_config.json", "open_clip_model.safetensors"):
        (tmp_path / name).write_bytes((siglip_folder / name).read_bytes())
    encoder = load_encoder(Embedder(kind="siglip", name="s", checkpoint=f"local-dir:{tmp_path}"), embed)
    assert isinstance(encoder, TextEncoder)
    assert np.isfinite(encode(encoder, range(1))).all()
    with pytest.raises(EncoderError, match=r"the tokenizer of .* cannot be loaded"):
        encoder.encode_texts(["a cat"])


def test_loading_leaves_the_log_to_what_people_need(
    siglip: Embedder, embed: Embed, caplog: pytest.LogCaptureFixture
) -> None:
    """open_clip tells each step of loading as the root logger; the filter is gone once that is done."""
    caplog.set_level("INFO")
    encoder = load_encoder(siglip, embed)
    assert isinstance(encoder, TextEncoder)
    encoder.encode_texts(["a"])
    assert caplog.records == []
    logging.getLogger().info("told")
    assert [record.message for record in caplog.records] == ["told"]


def test_a_hubs_folder_is_taken_at_its_revision(
    siglip: Embedder, embed: Embed, siglip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub

    revision = "0123456789" * 4
    shutil.copytree(siglip_folder, tmp_path / "models--owner--tiny" / "snapshots" / revision)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    hub = msgspec.structs.replace(siglip, checkpoint=f"hf-hub:owner/tiny@{revision}")
    np.testing.assert_array_equal(
        encode(load_encoder(hub, embed), range(2)), encode(load_encoder(siglip, embed), range(2))
    )
    other = msgspec.structs.replace(siglip, checkpoint=f"hf-hub:owner/tiny@{revision[::-1]}")
    assert name_encoder(hub, embed) != name_encoder(other, embed)
    with pytest.raises(EncoderError, match=r"hf-hub:owner/tiny@98765.* cannot be downloaded"):
        load_encoder(other, embed)
    with pytest.raises(ConfigurationError, match="names no revision"):
        name_encoder(msgspec.structs.replace(siglip, checkpoint="hf-hub:owner/tiny"), embed)
