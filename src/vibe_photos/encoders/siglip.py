"""SigLIP and SigLIP 2 through open_clip: a photo tower and a text tower in one space.

The only module that imports open_clip. Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training";
Tschannen et al. 2025, "SigLIP 2".
"""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.encoders.numerics import to_rounded_unit_norm
from vibe_photos.encoders.recipe import HUB_FOLDER, LOCAL_FOLDER, SIGLIP_ADVICE
from vibe_photos.errors import EncoderError
from vibe_photos.pixels.decode import resize
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.vectors import Vectors, to_unit_norm

_operator_libraries: list[Any] = []


class SiglipEncoder:
    """A SigLIP model. Photos are squashed to the model's square, mean and std are 0.5, as it was trained.

    In the precision float64 both towers compute in float64, and the result is rounded once, so that vectors
    are the same on every processor.
    """

    def __init__(self, model: str, embedder: Embedder, embed: Embed) -> None:
        """Load the model.

        Raises:
            EncoderError: the checkpoint cannot be loaded or reached, or is not a SigLIP model's.
        """
        from vibe_photos.encoders.image_tower import ImageTower

        self.model = model
        precision = embedder.precision or embed.precision
        self._source = _name_source(embedder)
        self._network = _load_network(self._source, embedder)
        if precision == "float64":
            self._network = self._network.double()
        self._to_vectors = to_rounded_unit_norm if precision == "float64" else to_unit_norm
        size = self._network.visual.image_size
        height, self.input_px = size if isinstance(size, tuple | list) else (size, size)
        if height != self.input_px:
            raise EncoderError(
                f"the model takes {self.input_px} x {height} px; only square inputs are supported"
            )
        self._tower = ImageTower(self.photo_tower, self.input_px, embed.device, precision, embed.batch_size)
        self.dim = self._tower.run(np.zeros((1, self.input_px, self.input_px, 3), dtype=np.uint8)).shape[1]
        # open_clip keeps the scale's logarithm; torch's own exp differs from processor to processor.
        self.logit_scale = float(np.float32(math.exp(float(self._network.logit_scale.detach()))))
        self.logit_bias = float(self._network.logit_bias.detach())
        self._tokenizer: Any = None

    @property
    def photo_tower(self) -> Any:
        """The torch module that turns photos, [n, 3, px, px] in -1..1, into features [n, dim]."""
        return self._network.visual

    def needed_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the square to which every photo is squashed."""
        return self.input_px, self.input_px

    def preprocess(self, image: Image.Image) -> npt.NDArray[Any]:
        """Return the squashed photo, uint8 [px, px, 3]; scaling is done beside the model, on its device."""
        return np.asarray(resize(image, (self.input_px, self.input_px)))

    def encode(self, batch: npt.NDArray[Any]) -> Vectors:
        """Turn photos, uint8 [n, px, px, 3], into float32 [n, dim] of unit norm."""
        return self._to_vectors(self._tower.run(batch))

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Turn texts into float32 [n, dim] of unit norm; on the processor, in float32 or float64.

        Each text is a run of its own on one thread, as photos are (see `ImageTower`).

        Raises:
            EncoderError: the model's tokenizer cannot be loaded or reached.
        """
        from vibe_photos.encoders.image_tower import open_pool

        if self._tokenizer is None:
            self._tokenizer = _load_tokenizer(self._source)
        tokens = self._tokenizer(texts, context_length=self._network.context_length)
        with open_pool() as threads:
            return self._to_vectors(np.concatenate(list(threads.map(self._encode_text, tokens.split(1)))))

    def _encode_text(self, tokens: Any) -> npt.NDArray[np.floating[Any]]:
        import torch

        with torch.inference_mode():
            return np.asarray(self._network.encode_text(tokens).numpy())


def _name_source(embedder: Embedder) -> str:
    """Return what open_clip calls the model: an architecture, or a folder that holds everything.

    A folder of the hub is downloaded if it is not in the cache: open_clip itself takes no revision.
    """
    checkpoint = str(embedder.checkpoint)
    if not checkpoint.startswith(HUB_FOLDER):
        return checkpoint if checkpoint.startswith(LOCAL_FOLDER) else str(embedder.architecture)
    from huggingface_hub import snapshot_download

    name, _, revision = checkpoint.removeprefix(HUB_FOLDER).partition("@")
    try:
        return f"{LOCAL_FOLDER}{snapshot_download(name, revision=revision)}"
    # Network, hub and cache errors of two libraries; each means that there is no such folder here.
    except Exception as error:
        raise EncoderError(f"{checkpoint} cannot be downloaded: {error}. {_advise()}") from error


def _advise() -> str:
    """Return what to do about weights that are not here."""
    is_offline = os.environ.get("HF_HUB_OFFLINE", "0").lower() not in ("0", "", "false", "off", "no")
    return (
        "HF_HUB_OFFLINE is set, so nothing is downloaded: unset it. " if is_offline else ""
    ) + SIGLIP_ADVICE


def _load_network(source: str, embedder: Embedder) -> Any:
    open_clip = import_open_clip()
    tag_or_file = None if source.startswith(LOCAL_FOLDER) else embedder.checkpoint
    try:
        with _hide_progress():
            network = open_clip.create_model(
                source, pretrained=tag_or_file, device="cpu", precision="fp32", require_pretrained=True
            ).eval()
    # Hub, file and state-dict errors of four libraries; each means that there is no such model here.
    except Exception as error:
        what = f"{source} ({embedder.checkpoint})"
        raise EncoderError(f"{what} cannot be loaded: {error}. {_advise()}") from error
    if getattr(network, "logit_bias", None) is None:
        raise EncoderError(f"{source} has no logit_bias, so it is not a SigLIP model")
    return network


def _load_tokenizer(source: str) -> Any:
    try:
        with _hide_progress():
            return import_open_clip().get_tokenizer(source)
    # Hub and file errors of three libraries; each means that there is no tokenizer here.
    except Exception as error:
        raise EncoderError(f"the tokenizer of {source} cannot be loaded: {error}. {_advise()}") from error


@contextmanager
def _hide_progress() -> Iterator[None]:
    """Drop what open_clip logs about each step of loading: as the root logger, below a warning."""

    def is_for_people(record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or not record.pathname.startswith(folder)

    folder = str(Path(import_open_clip().__file__).parent)
    root = logging.getLogger()
    root.addFilter(is_for_people)
    try:
        yield
    finally:
        root.removeFilter(is_for_people)


def import_open_clip() -> Any:
    """Import open_clip, also beside a torchvision that does not fit this torch.

    A torchvision whose compiled part was built for another torch (PyPI's CUDA build beside a torch for the
    processor) fails on import because two of its operators are missing. open_clip uses neither of them, so
    declaring them is enough.
    """
    import torch

    try:
        import torchvision  # type: ignore[import-untyped]  # noqa: F401
    except RuntimeError:
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        # The declarations last as long as this object.
        _operator_libraries.append(library)
    import open_clip

    return open_clip
