"""A linear head: label names, one weight row each, and the file that carries them to any program."""

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import HeadError
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.fit import Floats, Loss
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.settings import HeadName
from vibe_photos.storage.files import write_bytes

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

_FILE_KEYS: dict[HeadName, tuple[str, str]] = {
    "scene": ("scene_labels", "num_classes"),
    "attribute": ("attr_keys", "num_attrs"),
    "object": ("label_keys", "num_labels"),
}


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Logits are `weight @ vector + bias` of a unit-norm float32 vector of the encoder `embedder`.

    `weight` is float32 [labels, dim], `bias` float32 [labels]; both may have no labels. `created_from` names
    the inputs by hashes. Scenes exclude each other (softmax); attributes and objects do not (sigmoid).
    """

    kind: HeadName
    labels: tuple[str, ...]
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    calibration: Calibration
    embedder: str
    seed: int
    created_from: dict[str, str]

    @property
    def loss(self) -> Loss:
        """What turns logits into probabilities."""
        return head_loss(self.kind)

    def logits(self, vectors: NDArray[np.float32], embedder: str) -> NDArray[np.float64]:
        """Return float64 logits [n, labels] of unit-norm `vectors` [n, dim] that the encoder `embedder` made.

        They are the same bits on every processor, and of a photo alone or among others.

        Raises:
            HeadError: the vectors are another encoder's.
        """
        self.check_embedder(embedder, vectors.shape[1])
        return exact_logits(vectors, self.weight, self.bias)

    def probabilities(self, logits: Floats) -> Floats:
        """Return calibrated probabilities [n, labels] of what `logits` returned."""
        return self.calibration.probabilities(logits, self.loss)

    def check_embedder(self, embedder: str, dim: int) -> None:
        """Refuse vectors of another encoder, or of another length.

        Raises:
            HeadError: names both encoders and what to do.
        """
        if (embedder, dim) != (self.embedder, self.weight.shape[1]):
            raise HeadError(
                f"the {self.kind} head was made for {self.embedder} ({self.weight.shape[1]} numbers), "
                f"these vectors are of {embedder} ({dim}): train again with `dvc repro`, "
                "or choose the head's encoder with `use.embedder` in params.yaml"
            )


def head_loss(kind: HeadName) -> Loss:
    """Return the loss of that kind of head: scenes exclude each other, attributes and objects do not."""
    return "softmax" if kind == "scene" else "sigmoid"


def head_path(models: Path, kind: HeadName) -> Path:
    """Return where the head of that kind lies in the folder of models."""
    return models / f"{kind}_head_from_qwen.pt"


def save_head(head: LinearHead, path: Path) -> None:
    """Write the head in one step: a dict of plain types and tensors for `torch.load(weights_only=True)`."""
    import torch

    labels_key, count_key = _FILE_KEYS[head.kind]
    content = {
        labels_key: list(head.labels),
        "state": {
            "input_dim": head.weight.shape[1],
            count_key: len(head.labels),
            "state_dict": {
                "weight": torch.from_numpy(np.array(head.weight, dtype=np.float32)),
                "bias": torch.from_numpy(np.array(head.bias, dtype=np.float32)),
            },
        },
        "seed": head.seed,
        "embedder": head.embedder,
        "calibration": {"scale": list(head.calibration.scale), "offset": list(head.calibration.offset)},
        "created_from": dict(head.created_from),
    }
    # Through a buffer: torch writes the file's name into the archive, which would make bytes depend on it.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load_head(path: Path, kind: HeadName) -> LinearHead:
    """Read a head and check all of it; nothing in the file is ever executed.

    Raises:
        HeadError: the file is missing, damaged, hostile, or not a head of that kind; says what is wrong.
    """
    content = _load_content(path)
    try:
        return _check_content(content, kind)
    except (KeyError, TypeError, ValueError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise HeadError(f"{path} is no {kind} head: {what}; {_WAY_OUT}") from None


_WAY_OUT = "get it again with `dvc pull`, or train it with `dvc repro`"


def _load_content(path: Path) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise HeadError(f"{path} does not exist; {_WAY_OUT}") from None
    except Exception as error:
        # On bytes that it did not write, torch's reader fails in any of a dozen ways; all mean the same.
        reason = str(error).partition("\n")[0]
        what = f"is damaged, or holds more than numbers and text: {reason}"
        raise HeadError(f"{path} {what}; {_WAY_OUT}") from None


def _check_content(content: Any, kind: HeadName) -> LinearHead:
    if not isinstance(content, dict):
        raise ValueError("it holds no dict")
    labels_key, count_key = _FILE_KEYS[kind]
    labels, state, calibration = content[labels_key], content["state"], content["calibration"]
    if not _is_list_of(labels, str) or len(set(labels)) != len(labels):
        raise ValueError(f"{labels_key} must be a list of distinct strings")
    if state[count_key] != len(labels):
        raise ValueError(f"{count_key} is {state[count_key]!r} where there are {len(labels)} labels")
    dim = state["input_dim"]
    if type(dim) is not int or dim < 0:
        raise ValueError(f"input_dim must be a whole number, not {dim!r}")
    tensors = state["state_dict"]
    return LinearHead(
        kind=kind,
        labels=tuple(labels),
        weight=_check_tensor(tensors["weight"], "weight", (len(labels), dim)),
        bias=_check_tensor(tensors["bias"], "bias", (len(labels),)),
        calibration=Calibration(
            _check_numbers(calibration["scale"], "calibration scale", len(labels)),
            _check_numbers(calibration["offset"], "calibration offset", len(labels)),
        ),
        embedder=_check_type(content["embedder"], str, "embedder"),
        seed=_check_type(content["seed"], int, "seed"),
        created_from=_check_hashes(content["created_from"]),
    )


def _check_tensor(tensor: "torch.Tensor", name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    import torch

    # Contiguous: a tensor that strides over one stored number could claim any size.
    is_plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not is_plain or tensor.dtype is not torch.float32 or not tensor.is_contiguous():
        raise ValueError(f"{name} must be a plain float32 tensor")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)} where {shape} is due")
    values = np.array(tensor.detach().numpy(), dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return values


def _check_numbers(values: Any, name: str, count: int) -> tuple[float, ...]:
    if not _is_list_of(values, float) or len(values) != count or not all(map(math.isfinite, values)):
        raise ValueError(f"{name} must be a list of {count} finite numbers")
    return tuple(values)


def _check_hashes(value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not _is_list_of([*value.keys(), *value.values()], str):
        raise ValueError("created_from must map text to text")
    return value


def _check_type(value: Any, kind: type[T], name: str) -> T:
    if type(value) is not kind:
        raise ValueError(f"{name} must be of type {kind.__name__}, not {value!r}")
    return value


def _is_list_of(values: Any, kind: type) -> bool:
    return isinstance(values, list) and all(type(value) is kind for value in values)
