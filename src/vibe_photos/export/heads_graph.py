"""Heads and prompts as one ONNX graph: unit-norm vectors in, calibrated probabilities out.

A head's logits are linear in the vector and its calibration is linear in the logits, so both are one
matrix; a label prompt is a matrix row as it is. Each level of labels becomes one Gemm and its softmax or
sigmoid.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import HeadError
from vibe_photos.export.onnx_package import import_onnx
from vibe_photos.heads.linear import LinearHead, head_loss
from vibe_photos.score.zero_shot import PromptSet
from vibe_photos.settings import HeadName

INPUT = "vectors"
_OPSET = 17
_IR_VERSION = 8
"""Old enough for every ONNX Runtime since 2022, mobile ones too."""


@dataclass(frozen=True, slots=True)
class Level:
    """One output of the graph: probabilities of `keys` are softmax or sigmoid of `weight @ vector + bias`.

    `weight` is float64 [keys, dim] and `bias` float64 [keys], calibration included.
    """

    name: HeadName
    keys: tuple[str, ...]
    weight: NDArray[np.float64]
    bias: NDArray[np.float64]


def fold_levels(heads: Sequence[LinearHead], prompts: PromptSet | None) -> list[Level]:
    """Return the levels of which anything is said: learnt labels first, then those with a prompt alone.

    Scenes exclude each other, so that prompts speak of scenes only where no scene is learnt.

    Raises:
        HeadError: there is no label at all.
    """
    levels = [level for head in heads if (level := _fold_level(head, prompts)).keys]
    if not levels:
        raise HeadError("the heads have no labels yet: nothing is learnable, so there is nothing to export")
    return levels


def build_graph(levels: Sequence[Level]) -> bytes:
    """Return the ONNX file: input `vectors` float32 [n, dim], one output [n, keys] a level, by its name."""
    onnx = import_onnx()
    helper, float32 = onnx.helper, onnx.TensorProto.FLOAT
    nodes, tensors, outputs = [], [], []
    for level in levels:
        weight, bias, logits = (f"{level.name}_{what}" for what in ("weight", "bias", "logits"))
        tensors.append(onnx.numpy_helper.from_array(level.weight.T.astype(np.float32), weight))
        tensors.append(onnx.numpy_helper.from_array(level.bias.astype(np.float32), bias))
        nodes.append(helper.make_node("Gemm", [INPUT, weight, bias], [logits]))
        activation = {"softmax": "Softmax", "sigmoid": "Sigmoid"}[head_loss(level.name)]
        nodes.append(helper.make_node(activation, [logits], [level.name]))
        outputs.append(helper.make_tensor_value_info(level.name, float32, ["n", len(level.keys)]))
    inputs = [helper.make_tensor_value_info(INPUT, float32, ["n", levels[0].weight.shape[1]])]
    graph = helper.make_graph(nodes, "heads", inputs, outputs, tensors)
    opset = [helper.make_opsetid("", _OPSET)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION, producer_name="vibe-photos")
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _fold_level(head: LinearHead, prompts: PromptSet | None) -> Level:
    scale = np.asarray(head.calibration.scale, dtype=np.float64)
    weight = scale[:, None] * head.weight.astype(np.float64)
    bias = scale * head.bias.astype(np.float64) + np.asarray(head.calibration.offset, dtype=np.float64)
    rows = _find_prompted(head, prompts) if prompts else []
    if not prompts or not rows:
        return Level(head.kind, head.labels, weight, bias)
    return Level(
        head.kind,
        (*head.labels, *(prompts.keys[row] for row in rows)),
        np.concatenate([weight, prompts.vectors[rows].astype(np.float64) * prompts.logit_scale]),
        np.concatenate([bias, np.full(len(rows), prompts.logit_bias)]),
    )


def _find_prompted(head: LinearHead, prompts: PromptSet) -> list[int]:
    """Return the rows of the prompts of a head's level whose labels it has not learnt."""
    if head.kind == "scene" and head.labels:
        return []
    return [
        row
        for row, key in enumerate(prompts.keys)
        if prompts.level[key] == head.kind and key not in head.labels
    ]
