"""A linear head: labels, weights, and its file format."""

import io
import logging
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from vibe_photos.errors import HeadError
from vibe_photos.heads.calibration import Calibration
from vibe_photos.heads.fit import Floats, Loss
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.settings import HeadName
from vibe_photos.storage.files import write_bytes

log = logging.getLogger(__name__)

_ADVICE = "get it again with `dvc pull`, or train it with `dvc repro`"
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
    A head of another program may not name its encoder: then `embedder` is empty, and vectors of any encoder
    are accepted if their length is `dim`.
    """

    level: HeadName
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
        return head_loss(self.level)

    def logits(self, vectors: NDArray[np.float32], embedder: str) -> NDArray[np.float64]:
        """Return float64 logits [n, labels] of unit-norm `vectors` [n, dim] that the encoder `embedder` made.

        They are the same bits on every processor, and do not depend on the other photos.

        Raises:
            HeadError: the vectors are from another encoder.
        """
        self.check_embedder(embedder, vectors.shape[1])
        return exact_logits(vectors, self.weight, self.bias)

    def probabilities(self, logits: Floats) -> Floats:
        """Return calibrated probabilities [n, labels] of what `logits` returned."""
        return self.calibration.probabilities(logits, self.loss)

    def check_embedder(self, embedder: str, dim: int) -> None:
        """Check that vectors of an encoder and a length fit the head; warn if the head names no encoder.

        Raises:
            HeadError: they do not; the message names both encoders and what to do.
        """
        if not self.embedder and dim == self.weight.shape[1]:
            _warn_of_unknown_encoder(self.level, embedder)
        elif (embedder, dim) != (self.embedder, self.weight.shape[1]):
            made_for = self.embedder or "an unknown encoder"
            raise HeadError(
                f"the {self.level} head was made for {made_for} ({self.weight.shape[1]} numbers), "
                f"these vectors are of {embedder} ({dim}): train again with `dvc repro`, "
                "or choose the head's encoder with `use.embedder` in params.yaml"
            )


@cache
def _warn_of_unknown_encoder(level: HeadName, embedder: str) -> None:
    log.warning(
        "the %s head does not say which encoder it was made for: it is taken for %s. With vectors of another "
        "encoder its labels are wrong",
        *(level, embedder),
    )


def head_loss(level: HeadName) -> Loss:
    """Return the loss of a level: scenes exclude each other, attributes and objects do not."""
    return "softmax" if level == "scene" else "sigmoid"


def head_path(models: Path, level: HeadName) -> Path:
    """Return the path of the level's head in the folder of models."""
    return models / f"{level}_head_from_qwen.pt"


def save_head(head: LinearHead, path: Path) -> None:
    """Write the head in one step: a dict of plain types and tensors for `torch.load(weights_only=True)`."""
    import torch

    labels_key, count_key = _FILE_KEYS[head.level]
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
    # Through a buffer, because torch would write the file's name into the archive.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_bytes(path, buffer.getvalue())


def load_head(path: Path, level: HeadName) -> LinearHead:
    """Read a head and check all of it; nothing in the file is ever executed.

    Files of the older scripts lack `calibration`, `embedder` and `created_from`: their probabilities are not
    calibrated.

    Raises:
        HeadError: the file is missing, damaged, hostile, or not a head of that level; says what is wrong.
    """
    content = _load_content(path)
    labels_key, count_key = _FILE_KEYS[level]
    try:
        return _check_content(msgspec.convert(content, _define_file(labels_key, count_key)), level)
    except ValueError as error:  # including msgspec's errors, which name the field
        raise HeadError(f"{path} is not a head for {level} labels: {error}; {_ADVICE}") from None


def _load_content(path: Path) -> Any:
    import torch

    try:
        return torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise HeadError(f"{path} does not exist; {_ADVICE}") from None
    except Exception as error:
        # On damaged or foreign files, torch's reader raises many kinds of exceptions.
        reason = str(error).partition("\n")[0]
        what = f"is damaged, or contains more than numbers and text: {reason}"
        raise HeadError(f"{path} {what}; {_ADVICE}") from None


def _define_file(labels_key: str, count_key: str) -> type[Any]:
    """Return the type of a head file; the names of two fields depend on the level."""
    count = Annotated[int, msgspec.Meta(ge=0)]
    state = msgspec.defstruct(
        "State",
        [("input_dim", count), ("count", count), ("state_dict", dict[str, Any])],
        rename={"count": count_key},
    )
    calibration = msgspec.defstruct("Fitted", [("scale", list[float]), ("offset", list[float])])
    return msgspec.defstruct(
        "HeadFile",
        [
            ("labels", list[str]),
            ("state", state),
            ("calibration", calibration | msgspec.UnsetType, msgspec.UNSET),
            ("embedder", str, ""),
            ("seed", int, 0),
            ("created_from", dict[str, str], {}),
        ],
        rename={"labels": labels_key},
    )


def _check_content(file: Any, level: HeadName) -> LinearHead:
    """Return the head, after checking that the file's numbers are consistent."""
    labels, dim, tensors = tuple(file.labels), file.state.input_dim, file.state.state_dict
    if len(set(labels)) != len(labels):
        raise ValueError(f"{_FILE_KEYS[level][0]} must be distinct")
    if file.state.count != len(labels):
        raise ValueError(f"{_FILE_KEYS[level][1]} is {file.state.count} where there are {len(labels)} labels")
    is_missing = file.calibration is msgspec.UNSET
    fitted = Calibration.identity(len(labels)) if is_missing else file.calibration
    for name, values in (("scale", fitted.scale), ("offset", fitted.offset)):
        if len(values) != len(labels) or not all(map(math.isfinite, values)):
            raise ValueError(f"calibration {name} must be {len(labels)} finite numbers")
    return LinearHead(
        level=level,
        labels=labels,
        weight=_check_tensor(tensors, "weight", (len(labels), dim)),
        bias=_check_tensor(tensors, "bias", (len(labels),)),
        calibration=Calibration(tuple(fitted.scale), tuple(fitted.offset)),
        embedder=file.embedder,
        seed=file.seed,
        created_from=file.created_from,
    )


def _check_tensor(tensors: dict[str, Any], name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    import torch

    tensor: Any = tensors.get(name)
    # Contiguous, because a tensor with stride 0 could claim any size.
    is_plain = type(tensor) is torch.Tensor and tensor.layout is torch.strided and tensor.device.type == "cpu"
    if not is_plain or tensor.dtype is not torch.float32 or not tensor.is_contiguous():
        raise ValueError(f"{name} must be a plain float32 tensor")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name} has the shape {tuple(tensor.shape)} where {shape} is needed")
    values = np.array(tensor.detach().numpy(), dtype=np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{name} holds numbers that are not finite")
    return values
