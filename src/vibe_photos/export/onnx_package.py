"""The extra `onnx`, imported when something is exported."""

from typing import Any

from vibe_photos.errors import EncoderError


def import_onnx() -> Any:
    """Import onnx.

    Raises:
        EncoderError: the package is missing; it says how to get it.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.numpy_helper
    except ImportError as error:
        raise _missing(error) from None
    return onnx


def open_session(model: bytes) -> Any:
    """Return an ONNX Runtime session of a model's bytes, on the processor.

    Raises:
        EncoderError: the package is missing; it says how to get it.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing(error) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _missing(error: ImportError) -> EncoderError:
    return EncoderError(f"exporting needs onnx, onnxruntime, onnxscript ({error}): install vibe-photos[onnx]")
