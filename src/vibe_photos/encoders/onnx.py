"""Any ONNX image encoder, run by onnxruntime; its preprocessing is configured."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

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
        self._session = _open_session(checkpoint)
        self._input, self._item_type = _read_input(self._session, checkpoint)
        outputs = [entry.name for entry in self._session.get_outputs()]
        if recipe.output not in outputs:
            raise EncoderError(
                f"{checkpoint} has no output {recipe.output!r} (embedder.output); "
                f"its outputs are {', '.join(outputs)}"
            )
        self._pool = ThreadPoolExecutor(count_threads(), thread_name_prefix="onnx")
        shape = (3, recipe.input_px, recipe.input_px)
        try:
            self.dim = len(self._run_one(np.zeros(shape, dtype=self._item_type)))
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
        features = np.stack(list(self._pool.map(self._run_one, batch)))
        return to_unit_norm(centre_log(features) if self._recipe.transform == "log" else features)

    def _run_one(self, item: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        (output,) = self._session.run([self._recipe.output], {self._input: item[np.newaxis]})
        return np.asarray(output, dtype=np.float64).ravel()


def centre_log(probabilities: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the centred log-ratio of each row (Aitchison 1986): the logits, without their mean."""
    logs = np.log(np.maximum(probabilities, _SMALLEST_PROBABILITY))
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _open_session(checkpoint: str) -> Any:
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
        return onnxruntime.InferenceSession(checkpoint, options, providers=["CPUExecutionProvider"])
    # onnxruntime's exceptions have no common base but Exception.
    except Exception as error:
        raise EncoderError(f"{checkpoint} is not an ONNX model that onnxruntime can load: {error}") from error


def _read_input(session: Any, checkpoint: str) -> tuple[str, type[np.floating[Any]]]:
    """Return the name and float type of the model's one input."""
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type not in _ITEM_TYPES:
        found = ", ".join(f"{entry.name}: {entry.type}" for entry in inputs)
        raise EncoderError(f"{checkpoint} must have one input of float16 or float32, but has {found}")
    return inputs[0].name, _ITEM_TYPES[inputs[0].type]
