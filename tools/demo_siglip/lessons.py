"""What the miniature SigLIP learns from: pictures, texts as tokens, and which text is true of which picture.

What is true of a picture is known from what was drawn.
"""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.habits import HABITS
from tools.demo_library.library import Shot
from tools.demo_library.specs import PhotoSpec
from tools.demo_library.things import CATALOGUE
from tools.demo_siglip.cutouts import Cutout
from tools.demo_siglip.model import INPUT_PX, build_tokenizer, configure_model, tokenize, write_configuration
from tools.demo_siglip.pictures import Pixels, read_pictures
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, with_ancestors
from vibe_photos.settings import Taxonomy

Truth = npt.NDArray[np.bool_]
"""Which statement is true of which picture, bool [pictures, statements]."""

Statements = dict[str, frozenset[str]]
"""Wordings, and for each the facts any one of which makes it true of a picture."""

_TEMPLATES = ("{}", "a photo of {}")
_FULL_SCENES = ("document", "screenshot", "other")
"""Pictures that are all of one thing; nothing is pasted into them."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """Rendered pictures, cutouts to paste into them, and what is said of both.

    Attributes:
        pictures: uint8 [n, px, px, 3].
        truth: bool [n, m], which statement is true of which picture.
        has_room: bool [n], whether things may be pasted into the picture.
        cutouts: Single things.
        cutout_truth: bool [cutouts, m], which statement a cutout makes true.
        statements: Token ids [m, context].
    """

    pictures: Pixels
    truth: Truth
    has_room: npt.NDArray[np.bool_]
    cutouts: list[Cutout]
    cutout_truth: Truth
    statements: npt.NDArray[np.int64]


def prepare_lessons(
    shots: Sequence[Shot], paths: Sequence[Path], cutouts: list[Cutout], taxonomy: Taxonomy, folder: Path
) -> tuple[Lessons, dict[str, Any]]:
    """Say everything about the pictures, in words whose tokenizer is written into the model's folder.

    Returns:
        The lessons, and the configuration of a model that reads them.
    """
    statements = collect_statements(taxonomy)
    tokenizer = build_tokenizer(statements)
    config = configure_model(tokenizer.get_vocab_size())
    write_configuration(folder, config, tokenizer)
    specs = [shot.spec for shot in shots]
    lessons = Lessons(
        read_pictures(paths, INPUT_PX),
        judge_statements([state_facts(spec) for spec in specs], statements, taxonomy),
        np.array([spec.scene not in _FULL_SCENES for spec in specs]),
        cutouts,
        judge_statements([cutout.facts for cutout in cutouts], statements, taxonomy),
        tokenize(folder, list(statements)),
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


def state_facts(spec: PhotoSpec) -> set[str]:
    """State what holds of a picture: its label keys, and the names of what it shows."""
    facts = {spec.scene_key, f"setting.{spec.setting}", *spec.object_keys}
    facts |= {f"attr.{name}" for name, value in spec.attributes.items() if value}
    facts |= {f"thing.{thing.name}" for thing in spec.objects}
    return facts | {f"animal.{kind}" for kind in spec.animals}


def judge_statements(shown: Sequence[Set[str]], statements: Statements, taxonomy: Taxonomy) -> Truth:
    """Judge every statement by the facts of each picture or cutout; an object key includes its ancestors."""
    objects = head_keys(taxonomy, "object")
    truth = np.zeros((len(shown), len(statements)), dtype=np.bool_)
    for row, facts in enumerate(shown):
        known = facts | with_ancestors(sorted(facts & set(objects)), objects)
        truth[row] = [not grounds.isdisjoint(known) for grounds in statements.values()]
    return truth
