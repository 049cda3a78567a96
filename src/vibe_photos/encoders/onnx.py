"""Any ONNX image encoder, run by onnxruntime; its preprocessing and its layers are configured.

The last layer of a classifier is made for its own classes, and inner layers often say more about other
labels. So `embedder.outputs` takes any tensors of the graph, joined with equal weight (docs/ENCODERS.md).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.encoders.numerics import count_threads
from vibe_photos.encoders.recipe import OnnxRecipe
from vibe_photos.errors import EncoderError
from vibe_photos.pixels.decode import resize
from vibe_photos.storage.vectors import Vectors, to_unit_norm

_ITEM_TYPES: Mapping[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}

_NO_LENGTH = 1e-12
_SMALLEST_PROBABILITY = 2.0**-24
"""The smallest float16: used for probabilities that a half-precision softmax rounded to zero."""


class OnnxEncoder:
    """An ONNX image encoder on the CPU.

    Each photo is a separate run on one thread, and photos run in parallel. So a vector depends neither on the
    batch nor on the number of threads, and models with a fixed batch size of one work too.
    """

    def __init__(self, model: str, recipe: OnnxRecipe, checkpoint: str) -> None:
        """Load the model file.

        Raises:
            EncoderError: onnxruntime is missing, or the model does not accept such pictures.
        """
        self.model = model
        self._recipe = recipe
        self._session = _open_session(expose_outputs(checkpoint, recipe.outputs))
        self._input, self._item_type = _read_input(self._session, checkpoint)
        self._pool = ThreadPoolExecutor(count_threads(), thread_name_prefix="onnx")
        shape = (3, recipe.input_px, recipe.input_px)
        try:
            self.dim = len(self._run_one(np.zeros(shape, dtype=self._item_type)))
        except EncoderError:
            raise
        # onnxruntime's exceptions have no common base but Exception.
        except Exception as error:
            raise EncoderError(
                f"{checkpoint} does not run on {[1, *shape]} (embedder.input_px: {recipe.input_px}): {error}"
            ) from error

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the input's square, or for a crop the size whose shorter edge is `resize_px`."""
        if self._recipe.resize == "squash":
            return self._recipe.input_px, self._recipe.input_px
        shrink = self._recipe.resize_px / min(width, height)
        return round(width * shrink), round(height * shrink)

    def preprocess(self, image: Image.Image) -> npt.NDArray[Any]:
        """Return [3, input_px, input_px] in the model's own float type: resized, scaled, normalised."""
        recipe = self._recipe
        resized = resize(image, self.needed_size(*image.size))
        left, top = ((edge - recipe.input_px) // 2 for edge in resized.size)
        cropped = resized.crop((left, top, left + recipe.input_px, top + recipe.input_px))
        pixels = np.asarray(cropped, dtype=np.float32)[..., :: 1 if recipe.channels == "RGB" else -1]
        mean, std = np.array(recipe.mean, dtype=np.float32), np.array(recipe.std, dtype=np.float32)
        normalised = (pixels * np.float32(recipe.scale) - mean) / std
        return np.ascontiguousarray(normalised.transpose(2, 0, 1), dtype=self._item_type)

    def encode(self, batch: npt.NDArray[Any]) -> Vectors:
        """Run the model over [n, 3, input_px, input_px]; return float32 [n, dim] of unit norm."""
        return to_unit_norm(np.stack(list(self._pool.map(self._run_one, batch))))

    def _run_one(self, item: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        recipe = self._recipe
        found = self._session.run(recipe.outputs, {self._input: item[np.newaxis]})
        return join_features(dict(zip(recipe.outputs, found, strict=True)), recipe.pooling, recipe.transform)


def join_features(
    outputs: Mapping[str, npt.NDArray[Any]],
    pooling: Literal["none", "mean", "max"],
    transform: Literal["none", "sqrt", "log"],
) -> npt.NDArray[np.float64]:
    """Return one photo's features, float64 [d], from tensors [1, channels, ...] or [1, tokens, channels].

    Each tensor is pooled and transformed; several are scaled to unit norm, to count alike, and joined.

    Raises:
        EncoderError: a tensor has several positions, and `pooling` does not say what to do with them.
    """
    parts = [
        _transform(_pool(name, np.asarray(tensor, dtype=np.float64), pooling), transform)
        for name, tensor in outputs.items()
    ]
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([part / max(float(np.linalg.norm(part)), _NO_LENGTH) for part in parts])


def _pool(
    name: str, tensor: npt.NDArray[np.float64], pooling: Literal["none", "mean", "max"]
) -> npt.NDArray[np.float64]:
    # [1, channels, height, width] of convolutions, [1, tokens, channels] of transformers.
    channels_last = tensor[0].T if tensor.ndim == 3 else tensor[0].reshape(len(tensor[0]), -1)
    if tensor.ndim < 3 or channels_last.shape[1] == 1:
        return np.asarray(channels_last.ravel())
    if pooling == "none":
        raise EncoderError(
            f"the output {name} has the shape {list(tensor.shape)}, {tensor.size} numbers: set "
            "embedder.pooling to mean or max, to take one number of each channel"
        )
    pooled: npt.NDArray[np.float64] = (channels_last.mean if pooling == "mean" else channels_last.max)(axis=1)
    return pooled


def _transform(
    features: npt.NDArray[np.float64], transform: Literal["none", "sqrt", "log"]
) -> npt.NDArray[np.float64]:
    """Return the features, their signed root (Perronnin et al. 2010), or their centred log-ratio.

    The centred log-ratio (Aitchison 1986) of probabilities is their logits, without their mean.
    """
    if transform == "sqrt":
        return np.asarray(np.sign(features) * np.sqrt(np.abs(features)))
    if transform == "log":
        logs = np.log(np.maximum(features, _SMALLEST_PROBABILITY))
        return np.asarray(logs - logs.mean())
    return features


def list_layers(checkpoint: str, input_px: int, count: int) -> list[str]:
    """Return the model's last feature maps: of each shape the last tensor, the deepest first.

    They are float tensors [1, channels, height, width] or [1, tokens, channels], of several positions.

    Raises:
        EncoderError: the file is not a model of such pictures.
    """
    _open_session(checkpoint)
    import onnx

    tensors = _name_tensors(onnx.load(checkpoint, load_external_data=False))
    session = _open_session(expose_outputs(checkpoint, tensors))
    name, item_type = _read_input(session, checkpoint)
    noise = np.random.default_rng(0).standard_normal((1, 3, input_px, input_px)).astype(item_type)
    layers: dict[tuple[int, ...], str] = {}
    for tensor, value in reversed(list(zip(tensors, session.run(tensors, {name: noise}), strict=True))):
        shape = np.shape(value)
        positions = shape[2:] if len(shape) == 4 else shape[1:2]
        is_float = len(shape) in (3, 4) and value.dtype.kind == "f"
        if is_float and np.prod(positions) > 1 and np.ptp(value.astype(np.float64)) > 0:
            layers.setdefault(shape, tensor)
    return list(layers.values())[:count]


def _name_tensors(model: Any) -> list[str]:
    """Return what each node computes; a second output, such as the mask of a Dropout, is no layer."""
    return [node.output[0] for node in model.graph.node if node.output and node.output[0]]


def expose_outputs(checkpoint: str, outputs: Sequence[str]) -> str | bytes:
    """Return the model's path; where `outputs` names inner tensors, the model with these as outputs too.

    Raises:
        EncoderError: the model computes no tensor of that name, or the file is not a model.
    """
    declared = [entry.name for entry in _open_session(checkpoint).get_outputs()]
    inner = [name for name in outputs if name not in declared]
    if not inner:
        return checkpoint
    import onnx

    model = onnx.load(checkpoint)
    tensors = _name_tensors(model)
    for name in inner:
        if name not in tensors:
            raise EncoderError(
                f"{checkpoint} has no output {name!r} (embedder.outputs); its outputs are "
                f"{', '.join(declared)}; its inner layers end with {', '.join(tensors[-8:])}"
            )
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    return bytes(model.SerializeToString(deterministic=True))


def _open_session(model: str | bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise EncoderError(
            f"the encoder `onnx` needs the package onnxruntime ({error}): pip install 'vibe-photos[onnx]'. "
            "The encoder `hog` (use.embedder: hog) needs none."
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    # onnxruntime's exceptions have no common base but Exception.
    except Exception as error:
        name = model if isinstance(model, str) else "the model with its inner layers as outputs"
        raise EncoderError(f"{name} is not an ONNX model that onnxruntime can load: {error}") from error


def _read_input(session: Any, checkpoint: str) -> tuple[str, type[np.floating[Any]]]:
    """Return the name and float type of the model's one input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _ITEM_TYPES:
        found = ", ".join(f"{entry.name}: {entry.type}" for entry in inputs)
        raise EncoderError(f"{checkpoint} must have one input of float16 or float32, but has {found}")
    return inputs[0].name, _ITEM_TYPES[inputs[0].type]
