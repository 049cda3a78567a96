"""What the miniature SigLIP learns from: pictures, the tokens of texts, and which text is true of which."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.demo_library.library import Shot
from tools.demo_library.specs import describe
from tools.demo_siglip.model import INPUT_PX, configure_model, tokenize, write_configuration
from tools.demo_siglip.pictures import Pixels, read_pictures
from tools.demo_siglip.statements import Truth, collect_statements, judge_statements
from tools.demo_siglip.tokenizer import build_tokenizer
from vibe_photos.settings import Taxonomy


@dataclass(frozen=True, slots=True)
class Lessons:
    """Rendered pictures and what is said of them.

    Attributes:
        pictures: uint8 [n, px, px, 3].
        descriptions: Token ids [n, context], one text of each picture's own.
        statements: Token ids [m, context] of texts that are true of many pictures.
        truth: bool [n, m].
    """

    pictures: Pixels
    descriptions: npt.NDArray[np.int64]
    statements: npt.NDArray[np.int64]
    truth: Truth


def prepare_lessons(
    shots: Sequence[Shot], paths: Sequence[Path], taxonomy: Taxonomy, folder: Path
) -> tuple[Lessons, dict[str, Any]]:
    """Say everything about the pictures, in words whose tokenizer is written into the model's folder.

    Returns:
        The lessons, and the configuration of a model that reads them.
    """
    specs = [shot.spec for shot in shots]
    descriptions = [describe(spec) for spec in specs]
    statements = collect_statements(taxonomy)
    tokenizer = build_tokenizer([*descriptions, *statements])
    config = configure_model(tokenizer.get_vocab_size())
    write_configuration(folder, config, tokenizer)
    lessons = Lessons(
        read_pictures(paths, INPUT_PX),
        tokenize(folder, descriptions),
        tokenize(folder, list(statements)),
        judge_statements(specs, statements, taxonomy),
    )
    return lessons, config
