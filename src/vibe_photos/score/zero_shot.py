"""Zero-shot scores from text prompts, for labels without a head.

The prompts' vectors are kept in the machine-local store, by encoder and texts, because loading a text tower
takes seconds.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.encoders.encoder import Encoder, TextEncoder, load_encoder
from vibe_photos.errors import EncoderError
from vibe_photos.heads.calibration import activate
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name
from vibe_photos.settings import Embed, Embedder, HeadName, Taxonomy
from vibe_photos.storage.files import write_bytes
from vibe_photos.storage.vectors import to_unit_norm


@dataclass(frozen=True, slots=True)
class PromptSet:
    """Label keys, and the mean vector of each one's prompts, float32 [keys, dim] of unit norm.

    `logit_scale` and `logit_bias` turn a cosine into SigLIP's logit that text and photo match.
    """

    keys: tuple[str, ...]
    level: dict[str, HeadName]
    vectors: NDArray[np.float32]
    logit_scale: float
    logit_bias: float

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return SigLIP's logits (Zhai et al. 2023) [n, keys] of unit-norm photo vectors [n, dim]."""
        cosine = exact_logits(vectors, self.vectors, np.zeros(len(self.keys), dtype=np.float32))
        return np.asarray(cosine * self.logit_scale + self.logit_bias)

    def probabilities(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities [n, keys]: softmax among the scenes, sigmoid elsewhere. Not calibrated."""
        probabilities = np.asarray(activate(logits, "sigmoid"), dtype=np.float64)
        scenes = self._scenes()
        probabilities[:, scenes] = activate(logits[:, scenes], "softmax")
        return probabilities

    def margins(self, logits: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the margin of each label's prompt, [n, keys]; a positive margin means that it wins.

        A scene's margin is its logit minus that of the best other scene; an attribute's or object's margin is
        its logit, which is positive if text and photo match with a probability over 0.5.
        """
        margins = logits.copy()
        scenes = self._scenes()
        if len(scenes) > 1:
            ordered = np.sort(logits[:, scenes], axis=1)
            best, second = ordered[:, -1:], ordered[:, -2:-1]
            margins[:, scenes] -= np.where(logits[:, scenes] == best, second, best)
        return margins

    def _scenes(self) -> NDArray[np.int64]:
        return np.flatnonzero([self.level[key] == "scene" for key in self.keys])


def find_prompts(
    taxonomy: Taxonomy, model: str, embedder: Embedder, embed: Embed, store: Path
) -> PromptSet | None:
    """Return the taxonomy's prompts as vectors of the encoder `model`; None if it cannot read text.

    Raises:
        EncoderError: the configured encoder is not the one that embedded the photos, or cannot be loaded.
    """
    # Only SigLIP has a text tower; to ask other encoders, they would have to be loaded.
    if embedder.kind != "siglip":
        return None
    return encode_prompts(taxonomy, model, lambda: load_encoder(embedder, embed), store)


def encode_prompts(
    taxonomy: Taxonomy, model: str, load: Callable[[], Encoder], store: Path
) -> PromptSet | None:
    """Return the prompts from the store, or encode and store them; None if there are none.

    Raises:
        EncoderError: `load` returns another encoder than `model`, or one without a text tower.
    """
    wordings, level = _collect_wordings(taxonomy)
    if not wordings:
        return None
    name = xxhash.xxh3_128_hexdigest(msgspec.json.encode((model, wordings)))
    cached = store / "prompts" / f"{name}.npz"
    if not cached.is_file():
        write_bytes(cached, _encode_wordings(wordings, model, load()))
    with np.load(io.BytesIO(cached.read_bytes()), allow_pickle=False) as arrays:
        vectors, (scale, bias) = arrays["vectors"], arrays["scale_and_bias"].tolist()
    return PromptSet(tuple(key for key, _ in wordings), level, vectors, scale, bias)


def _collect_wordings(taxonomy: Taxonomy) -> tuple[list[tuple[str, list[str]]], dict[str, HeadName]]:
    """Return `(key, wordings)` for every label key with prompts, and each key's level."""
    wordings, level = [], {}
    for head in HEADS:
        prompts: dict[str, list[str]] = getattr(taxonomy.prompts, head)
        for key in head_keys(taxonomy, head):
            if prompts.get(label_name(key)):
                wordings.append((key, prompts[label_name(key)]))
                level[key] = head
    return wordings, level


def _encode_wordings(wordings: list[tuple[str, list[str]]], model: str, encoder: Encoder) -> bytes:
    """Return the prompts' vectors, scale and bias as an npz file."""
    if encoder.model != model:
        raise EncoderError(
            f"the photos were embedded by {model}, the configured encoder is {encoder.model}: "
            "run `dvc repro`, so that photos and prompts use the same encoder"
        )
    if not isinstance(encoder, TextEncoder):
        raise EncoderError(f"{encoder.model} has no text tower and cannot read the taxonomy's prompts")
    means = [encoder.encode_texts(texts).mean(axis=0) for _, texts in wordings]
    buffer = io.BytesIO()
    scale_and_bias = np.array([encoder.logit_scale, encoder.logit_bias], dtype=np.float64)
    np.savez(buffer, vectors=to_unit_norm(np.array(means)), scale_and_bias=scale_and_bias)
    return buffer.getvalue()
