"""The labels that a person can choose, with display names and search words."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from vibe_photos.records.taxonomy import (
    describe_unknown_key,
    head_keys,
    label_name,
    parent_key,
    show_meaning,
    show_name,
)
from vibe_photos.review.replies import Label
from vibe_photos.review.requests import Truth
from vibe_photos.settings import Classify, Taxonomy


class LabelMenu:
    """The taxonomy as the page shows it: scenes and attributes in the order of the vocabulary."""

    def __init__(self, taxonomy: Taxonomy, classify: Classify) -> None:
        self._taxonomy = taxonomy
        rules = classify.attribute_from_scene
        self.scenes = _label_scenes(taxonomy)
        self.attributes = [
            _describe(key, taxonomy, words=[word], rule_scene=rules.get(label_name(key)))
            for word, key in taxonomy.attributes.items()
        ]
        self.objects = _label_objects(taxonomy)

    def find_unknown(self, truth: Truth) -> str | None:
        """Return a sentence about the first key that is not in the taxonomy, None if all are."""
        for said, labels in (
            ([truth.scene] if truth.scene else [], self.scenes),
            (truth.attributes, self.attributes),
            (truth.objects, self.objects),
        ):
            known = {label.key for label in labels}
            for key in said:
                if key not in known:
                    return describe_unknown_key(key, self._taxonomy)
        return None


def _label_scenes(taxonomy: Taxonomy) -> list[Label]:
    words = _words_of(taxonomy.scenes)
    keys = dict.fromkeys([*taxonomy.scenes.values(), taxonomy.other_scene])
    return [_describe(key, taxonomy, words=words[key]) for key in keys]


def _label_objects(taxonomy: Taxonomy) -> list[Label]:
    words, keys = _words_of(taxonomy.objects), head_keys(taxonomy, "object")
    known = set(keys)
    return [_describe(key, taxonomy, parent=parent_key(key, known), words=words[key]) for key in keys]


def _words_of(mapping: Mapping[str, str]) -> dict[str, list[str]]:
    words: dict[str, list[str]] = defaultdict(list)
    for word, key in mapping.items():
        words[key].append(word.replace("_", " "))
    return words


def _describe(key: str, taxonomy: Taxonomy, **others: Any) -> Label:
    return Label(key=key, name=show_name(key, taxonomy), means=show_meaning(key, taxonomy), **others)
