"""What the miniature SigLIP learns from: pictures, texts as tokens, and which text is true of which picture.

What is true of a rendered picture is known from the drawing's specification.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.habits import HABITS
from tools.demo_library.library import Shot
from tools.demo_library.specs import PhotoSpec, describe
from tools.demo_library.things import CATALOGUE
from tools.demo_siglip.model import INPUT_PX, build_tokenizer, configure_model, tokenize, write_configuration
from tools.demo_siglip.pictures import Pixels, read_pictures
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, with_ancestors
from vibe_photos.settings import Taxonomy

Truth = npt.NDArray[np.bool_]
"""Which statement is true of which picture, bool [pictures, statements]."""

Statements = dict[str, frozenset[str]]
"""Wordings, and for each the facts any one of which makes it true of a picture."""

_TEMPLATES = ("{}", "a photo of {}")


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


def collect_statements(taxonomy: Taxonomy) -> Statements:
    """Collect the taxonomy's prompts, and the names of all things, animals and settings that are drawn."""
    facts: dict[str, set[str]] = {}
    for wording, fact in (*_word_prompts(taxonomy), *_word_names()):
        facts.setdefault(wording, set()).add(fact)
    return {wording: frozenset(found) for wording, found in facts.items()}


def _word_prompts(taxonomy: Taxonomy) -> Iterator[tuple[str, str]]:
    for head in HEADS:
        prompts: dict[str, list[str]] = getattr(taxonomy.prompts, head)
        for key in head_keys(taxonomy, head):
            for wording in prompts.get(label_name(key), []):
                yield wording, key


def _word_names() -> Iterator[tuple[str, str]]:
    settings = sorted({setting for habits in HABITS.values() for setting in habits.settings})
    for kind, names in (("thing", CATALOGUE), ("animal", ANIMALS), ("setting", settings)):
        for name in names:
            for template in _TEMPLATES:
                yield template.format(name), f"{kind}.{name}"


def state_facts(spec: PhotoSpec, taxonomy: Taxonomy) -> set[str]:
    """State what holds of a picture: its label keys with their ancestors, and the names of what it shows."""
    facts = {spec.scene_key, f"setting.{spec.setting}"}
    facts |= {f"attr.{name}" for name, value in spec.attributes.items() if value}
    facts |= with_ancestors(spec.object_keys, head_keys(taxonomy, "object"))
    facts |= {f"thing.{thing.name}" for thing in spec.objects}
    return facts | {f"animal.{kind}" for kind in spec.animals}


def judge_statements(specs: Sequence[PhotoSpec], statements: Statements, taxonomy: Taxonomy) -> Truth:
    """Judge every statement about every picture."""
    truth = np.zeros((len(specs), len(statements)), dtype=np.bool_)
    for row, spec in enumerate(specs):
        facts = state_facts(spec, taxonomy)
        truth[row] = [not grounds.isdisjoint(facts) for grounds in statements.values()]
    return truth
