"""SigLIP and SigLIP 2 through open_clip: a photo tower and a text tower in one space.

The only module that imports open_clip. Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training";
Tschannen et al. 2025, "SigLIP 2".
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from vibe_photos.encoders.image_tower import ImageTower
from vibe_photos.encoders.recipe import Recipe, hash_checkpoint
from vibe_photos.errors import ConfigurationError, EncoderError
from vibe_photos.pixels.decode import resize
from vibe_photos.settings import Embed, Embedder
from vibe_photos.storage.vectors import Vectors, to_unit_norm

_LOCAL_FOLDER = "local-dir:"
_HUB_FOLDER = "hf-hub:"
_WEIGHT_ENDINGS = (".pt", ".pth", ".bin", ".safetensors", ".npz")
_WAY_OUT = (
    "Download the model's open_clip folder on a machine with a network (Hugging Face, for example "
    "timm/ViT-B-32-SigLIP2-256), copy it here and set embedder.checkpoint to local-dir:FOLDER. "
    "The encoder `hog` (use.embedder: hog) needs no download."
)


class SiglipRecipe(Recipe, frozen=True, kw_only=True, tag="siglip"):
    """Everything that decides the vectors: `checkpoint` is as configured, or a file's or folder's hash."""

    version: int = 1
    architecture: str | None
    checkpoint: str
    precision: str


def read_siglip_recipe(embedder: Embedder, embed: Embed) -> SiglipRecipe:
    """Return the recipe that a configuration means.

    With `bfloat16` configured, a machine on which that is slow or inexact computes in float32, which every
    other machine's bfloat16 agrees with to `image_tower.MIN_COSINE`: the recipe names what is configured.

    Raises:
        ConfigurationError: a key that this kind of encoder needs is not set.
        EncoderError: the checkpoint is a file or folder that is missing.
    """
    checkpoint = embedder.checkpoint
    if not checkpoint:
        raise ConfigurationError("embedder.checkpoint: a tag, a weights file or local-dir:FOLDER is needed")
    path = _find_path(checkpoint)
    is_folder = checkpoint.startswith((_LOCAL_FOLDER, _HUB_FOLDER))
    if not is_folder and not embedder.architecture:
        raise ConfigurationError("embedder.architecture: the open_clip name of the checkpoint's architecture")
    if checkpoint.startswith(_HUB_FOLDER) and not checkpoint.partition("@")[2]:
        raise ConfigurationError(
            f"embedder.checkpoint: {checkpoint} names no revision, as in hf-hub:OWNER/NAME@COMMIT"
        )
    if path is not None and not (path.is_dir() if is_folder else path.is_file()):
        raise EncoderError(f"{path} (embedder.checkpoint) does not exist. {_WAY_OUT}")
    return SiglipRecipe(
        architecture=None if is_folder else embedder.architecture,
        checkpoint=hash_checkpoint(path) if path is not None else f"tag:{checkpoint}",
        precision=embed.precision,
    )


class SiglipEncoder:
    """A SigLIP model. Photos are squashed to the model's square, mean and std are 0.5, as it was trained."""

    def __init__(self, model: str, embedder: Embedder, embed: Embed) -> None:
        """Load the model.

        Raises:
            EncoderError: the checkpoint cannot be loaded or reached, or is none of a SigLIP model.
        """
        self.model = model
        self._source = _name_source(embedder)
        self._network = _load_network(self._source, embedder)
        self.input_px = _find_input_px(self._network)
        self._tower = ImageTower(
            self._network.visual, self.input_px, embed.device, embed.precision, embed.batch_size
        )
        self.dim = self._tower.run(np.zeros((1, self.input_px, self.input_px, 3), dtype=np.uint8)).shape[1]
        self.logit_scale, self.logit_bias = _read_logit(self._network)
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
        return to_unit_norm(self._tower.run(batch))

    def encode_texts(self, texts: list[str]) -> Vectors:
        """Turn texts into float32 [n, dim] of unit norm; always in float32 on the processor.

        Raises:
            EncoderError: the model's tokenizer cannot be loaded or reached.
        """
        import torch

        if self._tokenizer is None:
            self._tokenizer = _load_tokenizer(self._source)
        tokens = self._tokenizer(texts, context_length=self._network.context_length)
        with torch.inference_mode():
            return to_unit_norm(self._network.encode_text(tokens).numpy())


def _name_source(embedder: Embedder) -> str:
    """Return what open_clip calls the model: an architecture, or a folder that holds everything.

    A hub's folder is fetched where it is not at hand: open_clip itself takes no revision.
    """
    checkpoint = str(embedder.checkpoint)
    if checkpoint.startswith(_HUB_FOLDER):
        return f"{_LOCAL_FOLDER}{_fetch_folder(checkpoint)}"
    return checkpoint if checkpoint.startswith(_LOCAL_FOLDER) else str(embedder.architecture)


def _fetch_folder(checkpoint: str) -> str:
    from huggingface_hub import snapshot_download

    name, _, revision = checkpoint.removeprefix(_HUB_FOLDER).partition("@")
    try:
        return snapshot_download(name, revision=revision)
    # Network, hub and cache errors of two libraries; each means that there is no such folder here.
    except Exception as error:
        raise EncoderError(f"{checkpoint} cannot be had: {error}. {_WAY_OUT}") from error


def _find_path(checkpoint: str) -> Path | None:
    """Return the file or folder that a checkpoint names, None where it is a tag or a hub's."""
    if checkpoint.startswith(_HUB_FOLDER):
        return None
    if checkpoint.startswith(_LOCAL_FOLDER):
        return Path(checkpoint.removeprefix(_LOCAL_FOLDER))
    is_path = "/" in checkpoint or checkpoint.endswith(_WEIGHT_ENDINGS) or Path(checkpoint).is_file()
    return Path(checkpoint) if is_path else None


def _load_network(source: str, embedder: Embedder) -> Any:
    open_clip = import_open_clip()
    tag_or_file = None if source.startswith(_LOCAL_FOLDER) else embedder.checkpoint
    try:
        with _without_chatter():
            network = open_clip.create_model(
                source, pretrained=tag_or_file, device="cpu", precision="fp32", require_pretrained=True
            ).eval()
    # Hub, file and state-dict errors of four libraries; each means that there is no such model here.
    except Exception as error:
        what = f"{source} ({embedder.checkpoint})"
        raise EncoderError(f"{what} cannot be loaded: {error}. {_WAY_OUT}") from error
    if getattr(network, "logit_bias", None) is None:
        raise EncoderError(f"{source} has no logit_bias, so it is no SigLIP model")
    return network


def _load_tokenizer(source: str) -> Any:
    try:
        with _without_chatter():
            return import_open_clip().get_tokenizer(source)
    # Hub and file errors of three libraries; each means that there is no tokenizer here.
    except Exception as error:
        raise EncoderError(f"the tokenizer of {source} cannot be loaded: {error}. {_WAY_OUT}") from error


@contextmanager
def _without_chatter() -> Iterator[None]:
    """Drop what open_clip says of each step of loading: it speaks as the root logger, below a warning."""

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
    """Import open_clip, also beside a torchvision that does not fit this torch."""
    _mend_torchvision()
    import open_clip

    return open_clip


def _mend_torchvision() -> None:
    """Declare two operators that open_clip's import of torchvision asks for, where torchvision lacks its own.

    A torchvision whose compiled part was built for another torch (PyPI's CUDA build beside a torch for the
    processor) fails on import because of them. open_clip calls neither.
    """
    import torch

    if "torchvision" in sys.modules or _loads_torchvision_operators():
        return
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    # The declarations last as long as the object.
    _declared.append(library)


def _loads_torchvision_operators() -> bool:
    """Tell whether torchvision's compiled part is there and fits this torch; loading it twice is harmless."""
    import torch

    package = find_spec("torchvision")
    folders = package.submodule_search_locations if package else None
    compiled = PathFinder.find_spec("_C", list(folders or []))
    if compiled is None or compiled.origin is None:
        return False
    try:
        torch.ops.load_library(compiled.origin)  # type: ignore[no-untyped-call]
    except OSError:
        return False
    return True


_declared: list[Any] = []


def _find_input_px(network: Any) -> int:
    """Return the edge of the model's square input.

    Raises:
        EncoderError: the model's input is no square.
    """
    size = network.visual.image_size
    height, width = size if isinstance(size, tuple | list) else (size, size)
    if height != width:
        raise EncoderError(f"the model takes {width} x {height} px; only square inputs are supported")
    return int(height)


def _read_logit(network: Any) -> tuple[float, float]:
    """Return the scale and bias that turn a cosine into a logit; open_clip keeps the scale's logarithm."""
    return float(network.logit_scale.detach().exp()), float(network.logit_bias.detach())
