"""An encoder as an ONNX file, with what an app must do to a photo before it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from vibe_photos.encoders.encoder import Encoder
from vibe_photos.encoders.onnx import OnnxEncoder, read_onnx_recipe
from vibe_photos.encoders.siglip import SiglipEncoder
from vibe_photos.errors import EncoderError
from vibe_photos.export.onnx_package import import_onnx, open_session
from vibe_photos.settings import Embedder

if TYPE_CHECKING:
    import torch

INPUT, OUTPUT = "pixels", "features"


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """`preprocessing.json`: from an upright RGB photo, 8 bits a channel, to the encoder's input.

    Resized by bicubic interpolation, to `input_px` by `input_px` (`squash`) or to a shorter edge of
    `resize_px` and cropped in the middle to `input_px` by `input_px` (`center_crop`); channels in the order
    of `channels`; times `scale`, less `mean`, divided by `std`; as [1, 3, input_px, input_px] of
    `input_type`. Of the output, `transform: log` takes the logarithm less its mean; at last comes unit norm.
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
    output: str
    transform: Literal["none", "log"]


@dataclass(frozen=True, slots=True)
class EncoderGraph:
    """The bytes of `encoder.onnx`, and what goes before and after it."""

    model: bytes
    preprocessing: Preprocessing


def export_encoder(encoder: Encoder, embedder: Embedder) -> EncoderGraph:
    """Return an encoder in ONNX form: SigLIP's photo tower traced in float32, an ONNX file as it is.

    Raises:
        EncoderError: this kind of encoder has no ONNX form, or a package is missing.
    """
    match encoder:
        case SiglipEncoder():
            tower = encoder.photo_tower
            return EncoderGraph(_trace(tower, encoder.input_px), _describe_siglip(encoder.input_px))
        case OnnxEncoder():
            model = Path(str(embedder.checkpoint)).read_bytes()
            return EncoderGraph(model, _describe_onnx(embedder, model))
        case _:
            raise EncoderError(
                f"the encoder {encoder.model} is no neural network and has no ONNX form: export without "
                "--with-encoder, or choose another encoder (use.embedder in params.yaml)"
            )


def _describe_siglip(input_px: int) -> Preprocessing:
    return Preprocessing(
        input=INPUT,
        input_type="float32",
        input_px=input_px,
        resize="squash",
        resize_px=input_px,
        scale=1 / 255,
        mean=[0.5, 0.5, 0.5],
        std=[0.5, 0.5, 0.5],
        channels="RGB",
        output=OUTPUT,
        transform="none",
    )


def _describe_onnx(embedder: Embedder, model: bytes) -> Preprocessing:
    recipe = read_onnx_recipe(embedder)
    (entry,) = open_session(model).get_inputs()
    return Preprocessing(
        input=entry.name,
        input_type="float16" if entry.type == "tensor(float16)" else "float32",
        input_px=recipe.input_px,
        resize=recipe.resize,
        resize_px=recipe.resize_px,
        scale=recipe.scale,
        mean=recipe.mean,
        std=recipe.std,
        channels=recipe.channels,
        output=recipe.output,
        transform=recipe.transform,
    )


def _trace(tower: "torch.nn.Module", input_px: int) -> bytes:
    """Return the tower, float32 [n, 3, px, px] to [n, dim], as ONNX; the same weights give the same bytes."""
    import_onnx()
    import torch

    # Not one photo: torch takes a size of 1 for a constant.
    photos = torch.from_numpy(np.zeros((2, 3, input_px, input_px), dtype=np.float32))
    with torch.no_grad(), _without_chatter():
        program = torch.onnx.export(
            tower.cpu().float(),
            (photos,),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    _forget_origin(model)
    return bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: Any) -> None:
    """Take out what torch notes of where each node came from: places on this machine."""
    graph = model.graph
    values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
    for entry in (model, graph, *graph.node, *values):
        entry.ClearField("metadata_props")
        entry.ClearField("doc_string")


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Drop torch's deprecations of its own parts, and its exporter's notes below an error."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
