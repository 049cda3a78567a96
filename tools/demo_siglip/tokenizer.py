"""The words that the miniature SigLIP knows, as a tokenizer in the format of Hugging Face."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vibe_photos.storage.files import write_json

PAD, UNKNOWN, END = "[PAD]", "[UNK]", "[EOS]"


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


def write_tokenizer(folder: Path, tokenizer: Any) -> None:
    """Write the two files that `transformers` loads, whichever its version."""
    tokenizer.save(str(folder / "tokenizer.json"))
    special = {"pad_token": PAD, "unk_token": UNKNOWN, "eos_token": END}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast", **special})
