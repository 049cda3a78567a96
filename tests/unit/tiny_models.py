"""Drawn photos, and models so small that they are made on the spot."""

from pathlib import Path

import numpy as np
import xxhash
from PIL import Image

from vibe_photos.records.photos import Photo
from vibe_photos.settings import Embedder

INPUT_PX = 16
TINY_MODEL = {
    "embed_dim": 8,
    "init_logit_bias": -10,
    "custom_text": True,
    "vision_cfg": {
        "image_size": INPUT_PX,
        "layers": 2,
        "width": 16,
        "head_width": 8,
        "patch_size": 8,
        "pool_type": "avg",
    },
    "text_cfg": {
        "context_length": 64,
        "vocab_size": 8,
        "hf_tokenizer_name": "tiny",
        "tokenizer_kwargs": {"clean": "canonicalize"},
        "width": 16,
        "heads": 2,
        "layers": 2,
        "no_causal_mask": True,
        "pool_type": "last",
    },
}
WORDS = {"[PAD]": 0, "[UNK]": 1, "[EOS]": 2, "a": 3, "photo": 4, "of": 5, "cat": 6, "dog": 7}


def draw_photo(seed: int, size: tuple[int, int]) -> Image.Image:
    """Return blurred blocks of random colour: nothing that two seeds share."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(blocks).resize(size, Image.Resampling.BICUBIC)


def list_photos(root: Path) -> list[Photo]:
    """Return the manifest's records of a folder, as a scan would write them."""
    return [
        Photo(
            image_id=xxhash.xxh3_128_hexdigest(path.read_bytes()),
            rel_path=path.name,
            bytes=path.stat().st_size,
            format="PNG" if path.suffix == ".png" else "JPEG",
        )
        for path in sorted(root.iterdir())
    ]


def save_tiny_weights(path: Path) -> None:
    """Write the weights of a randomly initialised tiny SigLIP."""
    import torch
    from safetensors.torch import save_file

    from vibe_photos.encoders.siglip import import_open_clip

    open_clip = import_open_clip()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CustomTextCLIP(
            **{key: TINY_MODEL[key] for key in TINY_MODEL if key != "custom_text"}
        )
    save_file({key: tensor.contiguous() for key, tensor in model.state_dict().items()}, path)


def save_tiny_onnx(path: Path, item_type: str = "FLOAT", batch: int | str = 1) -> None:
    """Write an ONNX model: the mean colour of each quarter (`flat`), and its softmax (`probabilities`)."""
    import onnx
    from onnx import helper

    kind, half = getattr(onnx.TensorProto, item_type), INPUT_PX // 2
    nodes = [
        helper.make_node(
            "AveragePool", ["pixels"], ["mean"], kernel_shape=[half, half], strides=[half, half]
        ),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Softmax", ["flat"], ["probabilities"], axis=1),
    ]
    inputs = [helper.make_tensor_value_info("pixels", kind, [batch, 3, INPUT_PX, INPUT_PX])]
    outputs = [helper.make_tensor_value_info(name, kind, [batch, 12]) for name in ("flat", "probabilities")]
    graph = helper.make_graph(nodes, "tiny", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)


def describe_onnx(checkpoint: Path) -> Embedder:
    """Return a configuration under which `flat` is the mean RGB, 0..1, of each quarter of the centre."""
    return Embedder(
        kind="onnx",
        name="tiny",
        checkpoint=str(checkpoint),
        input_px=INPUT_PX,
        resize="center_crop",
        resize_px=INPUT_PX,
        scale=1 / 255,
        mean=[0.0, 0.0, 0.0],
        std=[1.0, 1.0, 1.0],
        channels="RGB",
        outputs=["flat"],
    )
