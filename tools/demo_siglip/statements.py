"""What can be said of a rendered picture, and whether it is true: the drawing's specification knows."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from tools.demo_library.creatures import ANIMALS
from tools.demo_library.habits import HABITS
from tools.demo_library.specs import PhotoSpec
from tools.demo_library.things import CATALOGUE
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name, with_ancestors
from vibe_photos.settings import Taxonomy

Truth = npt.NDArray[np.bool_]
"""Which statement is true of which picture, bool [pictures, statements]."""

Statements = dict[str, frozenset[str]]
"""Wordings, and for each the facts any one of which makes it true of a picture."""

_TEMPLATES = ("{}", "a photo of {}")


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
