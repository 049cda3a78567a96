"""A torch image encoder at work: on which device, in which precision, and how many photos at a time.

Importing this imports torch, which takes seconds.
"""

import copy
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from vibe_photos.encoders.numerics import count_threads
from vibe_photos.errors import EncoderError

logger = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
"""Photos as uint8 [n, height, width, 3]."""

MIN_COSINE = 0.9999
"""How closely bfloat16 must agree with float32 on every probe picture, or it is not used."""

_PROBES = 8
_PROBE_CELLS = 8


class ImageTower:
    """Runs a module that turns [n, 3, px, px] in -1..1 into [n, dim].

    On the processor each photo is a run of its own on one thread, and photos run side by side. In a pass of
    several, the last bits of a photo's vector change with the size of the pass, and with some kernels (MKL's
    batched products on AVX2) with its place in it. On a GPU each pass holds `batch_size` photos, filled up
    with black ones; whether a photo's place changes its last bits is up to the GPU's kernels.
    """

    def __init__(
        self, module: torch.nn.Module, input_px: int, device: str, precision: str, batch_size: int
    ) -> None:
        """Move the module to its device and into its precision.

        In float64 it stays on the processor: a GPU would give other last bits.

        Raises:
            EncoderError: there is no such device.
        """
        self._device = find_device("cpu" if precision == "float64" else device)
        module = module.eval().to(self._device)
        if precision == "bfloat16":
            module = reduce_precision(module, input_px, self._device)
        elif precision == "float64":
            module = module.double()
        self._module = module
        self._dtype = next(module.parameters()).dtype
        self._chunk = batch_size
        self._threads = open_pool() if self._device.type == "cpu" else None

    def run(self, pixels: Pixels) -> npt.NDArray[np.floating[Any]]:
        """Return the module's output for n photos, [n, dim]: float64 in that precision, else float32."""
        if self._threads is None:
            return self._run_on_accelerator(pixels)
        return np.concatenate(list(self._threads.map(self._run_on_processor, pixels)))

    def _run_on_processor(self, photo: Pixels) -> npt.NDArray[np.floating[Any]]:
        with torch.inference_mode():
            alone = torch.from_numpy(photo[np.newaxis].copy())  # photos may be read-only memory
            return np.asarray(run_module(self._module, alone, self._dtype).numpy())

    def _run_on_accelerator(self, pixels: Pixels) -> npt.NDArray[np.floating[Any]]:
        """Queue all chunks, so that copying one overlaps with computing another; wait once, at the end."""
        with torch.inference_mode():
            while True:
                try:
                    starts = range(0, len(pixels), self._chunk)
                    chunks = (_cut_chunk(pixels, start, self._chunk).pin_memory() for start in starts)
                    sent = (chunk.to(self._device, non_blocking=True) for chunk in chunks)
                    features = torch.cat([run_module(self._module, chunk, self._dtype) for chunk in sent])
                    return np.asarray(features[: len(pixels)].cpu().numpy())
                except torch.OutOfMemoryError:
                    self._shrink_chunk()

    def _shrink_chunk(self) -> None:
        if self._chunk == 1:
            raise EncoderError("the accelerator's memory does not hold one photo: set embed.device to cpu")
        self._chunk = (self._chunk + 1) // 2
        torch.cuda.empty_cache()
        logger.warning("embed: out of memory on %s, now %d photos at a time", self._device, self._chunk)


def open_pool() -> ThreadPoolExecutor:
    """Return one thread for each processor, in each of which torch computes on that thread alone."""
    return ThreadPoolExecutor(count_threads(), "torch", initializer=torch.set_num_threads, initargs=(1,))


def run_module(module: torch.nn.Module, pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Scale uint8 [n, height, width, 3] to -1..1 (mean and std 0.5) and run the module; return [n, dim].

    Scaling and the result are in float32, or in float64 where `dtype` is.
    """
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    scaled = pixels.permute(0, 3, 1, 2).to(wide).div(255).sub(0.5).div(0.5)
    output: torch.Tensor = module(scaled.to(dtype))
    return output.to(wide)


def find_device(device: str) -> torch.device:
    """Return the device that a setting means; `auto` is the first GPU, else the processor.

    Raises:
        EncoderError: torch knows no such device, or it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = torch.device(device)
    except RuntimeError:
        raise EncoderError(
            f"embed.device {device!r} is not a device; use auto, cpu, cuda or cuda:1"
        ) from None
    if found.type not in ("cpu", "cuda") or (found.type == "cuda" and not torch.cuda.is_available()):
        raise EncoderError(f"embed.device: torch finds no {device} on this machine; auto uses what there is")
    return found


def reduce_precision(module: torch.nn.Module, input_px: int, device: torch.device) -> torch.nn.Module:
    """Return the module in bfloat16 where that is fast and agrees with float32, else unchanged."""
    capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {"bf16": True}
    if not any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16")):
        logger.warning("embed: this processor does not compute in bfloat16; going on in float32")
        return module
    reduced = copy.deepcopy(module).to(torch.bfloat16)
    cosine = measure_agreement(module, reduced, input_px, device)
    if cosine < MIN_COSINE:
        logger.warning("embed: bfloat16 agrees with float32 to cosine %.6f only; going on in float32", cosine)
        return module
    return reduced


def measure_agreement(
    module: torch.nn.Module, reduced: torch.nn.Module, input_px: int, device: torch.device
) -> float:
    """Return the smallest cosine between the outputs of two modules over a few probe pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (_PROBES, _PROBE_CELLS, _PROBE_CELLS, 3), np.uint8)
    cells = np.arange(input_px) * _PROBE_CELLS // input_px
    pixels = torch.from_numpy(coarse[:, cells][:, :, cells]).to(device)
    with torch.inference_mode():
        full = run_module(module, pixels, torch.float32)
        half = run_module(reduced, pixels, torch.bfloat16)
        return float(torch.nn.functional.cosine_similarity(full, half).min())


def _cut_chunk(pixels: Pixels, start: int, count: int) -> torch.Tensor:
    """Return `count` photos from `start` on; black ones stand where there are no more."""
    filled = np.zeros((count, *pixels.shape[1:]), dtype=np.uint8)
    chunk = pixels[start : start + count]
    filled[: len(chunk)] = chunk
    return torch.from_numpy(filled)
