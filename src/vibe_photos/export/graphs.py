"""The ONNX files of an export, and the check that they give the same results as this package.

Heads and prompts are one graph, an encoder is another. A head's logits are linear in the vector and its
calibration is linear in the logits, so both become one matrix; a prompt is one more row. Each level of labels
becomes one Gemm and its softmax or sigmoid.
"""

import copy
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vibe_photos.encoders.encoder import Encoder
from vibe_photos.encoders.onnx import OnnxEncoder, expose_outputs, join_features
from vibe_photos.encoders.recipe import read_onnx_recipe
from vibe_photos.encoders.siglip import SiglipEncoder
from vibe_photos.errors import EncoderError, HeadError
from vibe_photos.heads.linear import LinearHead, head_loss
from vibe_photos.pixels.decode import resize
from vibe_photos.records.label_tables import ScoreTable
from vibe_photos.score.zero_shot import PromptSet
from vibe_photos.settings import Embedder, HeadName, Temperatures
from vibe_photos.storage.vectors import Vectors, to_unit_norm

if TYPE_CHECKING:
    import torch

VECTORS = "vectors"
"""The input of `heads.onnx`."""

MAX_DIFFERENCE = 1e-4
"""The largest accepted difference of a probability, or of a component of a unit-norm vector."""

_OPSET = 17
_IR_VERSION = 8
"""Supported by every ONNX Runtime since 2022, including mobile ones."""


@dataclass(frozen=True, slots=True)
class Level:
    """One output of the graph: probabilities of `keys` are softmax or sigmoid of `weight @ vector + bias`.

    `weight` is float64 [keys, dim] and `bias` float64 [keys], calibration included.
    """

    name: HeadName
    keys: tuple[str, ...]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """`preprocessing.json`: from an upright 8-bit RGB photo to the encoder's input.

    Resized by bicubic interpolation, to `input_px` by `input_px` (`squash`) or to a shorter edge of
    `resize_px` and cropped in the middle to `input_px` by `input_px` (`center_crop`); channels in the order
    of `channels`; times `scale`, minus `mean`, divided by `std`; as [1, 3, input_px, input_px] of
    `input_type`. Each of `outputs` is pooled over its positions (`pooling`) and transformed (`sqrt`: signed
    root; `log`: logarithm minus its mean); several are scaled to unit norm and joined; last comes unit norm.
    """

    input: str
    input_type: Literal["float32", "float16"]
    input_px: int
    resize: Literal["squash", "center_crop"]
    resize_px: int
    interpolation: Literal["bicubic"] = "bicubic"
    scale: float
    mean: list[float]
    std: list[float]
    channels: Literal["RGB", "BGR"]
    outputs: list[str]
    pooling: Literal["none", "mean", "max"]
    transform: Literal["none", "sqrt", "log"]


def fold_levels(heads: Sequence[LinearHead], prompts: PromptSet | None) -> list[Level]:
    """Return the levels that have labels; in each, learned labels come first, then those with only a prompt.

    Scenes exclude each other, so prompts are used for scenes only if no scene is learned.

    Raises:
        HeadError: there is no label at all.
    """
    levels = [level for head in heads if (level := _fold_level(head, prompts)).keys]
    if not levels:
        raise HeadError("the heads have no labels yet: nothing is learnable, so there is nothing to export")
    return levels


def temper_levels(levels: Sequence[Level], temperature: Temperatures) -> list[Level]:
    """Return the levels with their temperatures (`classify.temperature`) included."""
    factors = [getattr(temperature, level.name) for level in levels]
    return [
        replace(one, weight=one.weight / t, bias=one.bias / t) for one, t in zip(levels, factors, strict=True)
    ]


def fold_calibration(head: LinearHead) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a head's weight [labels, dim] and bias [labels] with its calibration included."""
    scale = np.asarray(head.calibration.scale, dtype=np.float64)
    offset = np.asarray(head.calibration.offset, dtype=np.float64)
    return scale[:, None] * head.weight.astype(np.float64), scale * head.bias.astype(np.float64) + offset


def _fold_level(head: LinearHead, prompts: PromptSet | None) -> Level:
    weight, bias = fold_calibration(head)
    if prompts is None or (head.level == "scene" and head.labels):
        return Level(head.level, head.labels, weight, bias)
    own = [key for key in prompts.keys if prompts.level[key] == head.level and key not in head.labels]
    vectors = prompts.vectors[[prompts.keys.index(key) for key in own]].astype(np.float64)
    return Level(
        head.level,
        (*head.labels, *own),
        np.concatenate([weight, vectors * prompts.logit_scale]),
        np.concatenate([bias, np.full(len(own), prompts.logit_bias)]),
    )


def build_graph(levels: Sequence[Level]) -> bytes:
    """Return `heads.onnx`: input `vectors` float32 [n, dim], one output [n, keys] per level, by name."""
    onnx, _ = import_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes, tensors, outputs = [], [], []
    for level in levels:
        weight, bias, logits = (f"{level.name}_{what}" for what in ("weight", "bias", "logits"))
        tensors.append(onnx.numpy_helper.from_array(level.weight.T.astype(np.float32), weight))
        tensors.append(onnx.numpy_helper.from_array(level.bias.astype(np.float32), bias))
        nodes.append(helper.make_node("Gemm", [VECTORS, weight, bias], [logits]))
        activation = {"softmax": "Softmax", "sigmoid": "Sigmoid"}[head_loss(level.name)]
        nodes.append(helper.make_node(activation, [logits], [level.name]))
        outputs.append(helper.make_tensor_value_info(level.name, float32, ["n", len(level.keys)]))
    inputs = [helper.make_tensor_value_info(VECTORS, float32, ["n", levels[0].weight.shape[1]])]
    graph = helper.make_graph(nodes, "heads", inputs, outputs, tensors)
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="vibe-photos")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def export_encoder(encoder: Encoder, embedder: Embedder) -> tuple[bytes, Preprocessing]:
    """Return the bytes of `encoder.onnx`: SigLIP's photo tower traced in float32, or the encoder's file.

    Raises:
        EncoderError: this kind of encoder has no ONNX form, or a package is missing.
    """
    if isinstance(encoder, SiglipEncoder):
        preprocessing = Preprocessing(
            input="pixels",
            input_type="float32",
            input_px=encoder.input_px,
            resize="squash",
            resize_px=encoder.input_px,
            scale=1 / 255,
            mean=[0.5, 0.5, 0.5],
            std=[0.5, 0.5, 0.5],
            channels="RGB",
            outputs=["features"],
            pooling="none",
            transform="none",
        )
        return _trace(encoder.photo_tower, preprocessing), preprocessing
    if isinstance(encoder, OnnxEncoder):
        recipe = msgspec.structs.asdict(read_onnx_recipe(embedder))
        exposed = expose_outputs(str(embedder.checkpoint), recipe["outputs"])
        model = exposed if isinstance(exposed, bytes) else Path(exposed).read_bytes()
        (entry,) = open_session(model).get_inputs()
        input_type = "float16" if entry.type == "tensor(float16)" else "float32"
        found = recipe | {"input": entry.name, "input_type": input_type}
        return model, msgspec.convert(found, Preprocessing)
    raise EncoderError(
        f"the encoder {encoder.model} is not a neural network and has no ONNX form: export without "
        "--with-encoder, or choose another encoder (use.embedder in params.yaml)"
    )


def _trace(tower: "torch.nn.Module", preprocessing: Preprocessing) -> bytes:
    """Return the tower, float32 [n, 3, px, px] to [n, dim], as ONNX; the same weights give the same bytes."""
    import_onnx()
    import torch

    edge = preprocessing.input_px
    # Two photos, because torch would treat a batch size of 1 as constant.
    photos = torch.from_numpy(np.zeros((2, 3, edge, edge), dtype=np.float32))
    with torch.no_grad(), _hide_exporter_notes():
        program = torch.onnx.export(
            copy.deepcopy(tower).cpu().float(),
            (photos,),
            input_names=[preprocessing.input],
            output_names=preprocessing.outputs,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    # Remove torch's notes about the origin of each node: they contain paths of this machine.
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for part in (model, graph, *graph.node, *values):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    return bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _hide_exporter_notes() -> Iterator[None]:
    """Hide torch's deprecation warnings, and the exporter's messages below an error."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(logging.NOTSET)


def import_onnx() -> tuple[Any, Any]:
    """Return the packages onnx and onnxruntime.

    Raises:
        EncoderError: one is missing; it says how to get it.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.numpy_helper
        import onnxruntime
    except ImportError as error:
        raise EncoderError(
            f"exporting needs onnx, onnxruntime, onnxscript ({error}): install vibe-photos[onnx]"
        ) from None
    return onnx, onnxruntime


def open_session(model: bytes) -> Any:
    """Return an ONNX Runtime session of a model's bytes, on the processor; errors as `import_onnx`."""
    _, onnxruntime = import_onnx()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


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


def measure_encoder(
    model: bytes, recipe: Preprocessing, encoder: Encoder, images: Sequence[Image.Image]
) -> float:
    """Return the largest difference between the components of the exported encoder's vectors and ours.

    Raises:
        EncoderError: it is more than `MAX_DIFFERENCE`.
    """
    session, features = open_session(model), []
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
