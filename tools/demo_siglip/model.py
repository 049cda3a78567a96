"""The miniature SigLIP: open_clip's two towers with SigLIP's scale and bias, and the folder that ships."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from vibe_photos.encoders.siglip import import_open_clip
from vibe_photos.storage.files import write_bytes, write_json

PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[EOS]"
INPUT_PX = 128
CONTEXT_LENGTH = 16
"""Words of a text, with its end; the longest prompt of the taxonomy has 8."""

_PREPROCESSING = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


def configure_model(words: int) -> dict[str, Any]:
    """Return open_clip's configuration of the model for a vocabulary of so many words.

    The photo tower is open_clip's small ResNet with attention pooling: a few thousand pictures teach
    convolutions far more than they teach a vision transformer.
    """
    return {
        "embed_dim": 96,
        "init_logit_bias": -5,
        "init_logit_scale": 3.0,
        "custom_text": True,
        "vision_cfg": {"image_size": INPUT_PX, "layers": [1, 2, 2, 1], "width": 14, "head_width": 32},
        "text_cfg": {
            "context_length": CONTEXT_LENGTH,
            "vocab_size": words,
            "hf_tokenizer_name": "demo_siglip",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 64,
            "heads": 2,
            "layers": 2,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    }


def build_model(config: dict[str, Any], seed: int) -> Any:
    """Build the model with random weights; the same seed gives the same weights."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        towers = {key: value for key, value in config.items() if key != "custom_text"}
        return import_open_clip().CustomTextCLIP(**towers)


def build_tokenizer(texts: Iterable[str]) -> Any:
    """Build a word-level tokenizer from all words of some texts; case and punctuation do not count."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    # As open_clip's `canonicalize` cleans every text before the tokenizer sees it: "solid-state" is one word.
    words = sorted({word for text in texts for word in re.sub(r"[^\w\s]", "", text.lower()).split()})
    ids = {word: number for number, word in enumerate((PAD, UNKNOWN, END, *words))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(f"$A {END}", special_tokens=[(END, ids[END])])
    return tokenizer


def write_configuration(folder: Path, config: dict[str, Any], tokenizer: Any) -> None:
    """Write all of open_clip's `local-dir:` folder but the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "open_clip_config.json", {"model_cfg": config, "preprocess_cfg": _PREPROCESSING})
    # The two files that `transformers` loads, whichever its version.
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": PAD, "unk_token": UNKNOWN, "eos_token": END}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})


def write_weights(folder: Path, model: Any) -> int:
    """Write the model's weights as float16; returns the file's size in bytes."""
    from safetensors.torch import save

    state = {name: weights.detach().cpu().contiguous() for name, weights in model.state_dict().items()}
    content = save({name: w.half() if w.is_floating_point() else w for name, w in state.items()})
    write_bytes(folder / "open_clip_model.safetensors", content)
    return len(content)


def tokenize(folder: Path, texts: list[str]) -> npt.NDArray[np.int64]:
    """Turn texts into token ids [n, CONTEXT_LENGTH] with the tokenizer that open_clip finds in the folder."""
    tokenizer = import_open_clip().get_tokenizer(f"local-dir:{folder}")
    return np.asarray(tokenizer(texts, context_length=CONTEXT_LENGTH).numpy())
