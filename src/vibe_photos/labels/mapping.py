"""What a teacher's words mean in label keys, by the taxonomy's maps and two numbers (`convert.*`).

Nothing here knows a word or a key. An annotation as the prompt asks for it comes typed (`expected_type`),
which takes a fraction of the time; any other comes as an open JSON object. Both pass the same rules.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from vibe_photos.labels.records import Annotation, GroundTruth
from vibe_photos.settings import Convert, Taxonomy


class ExpectedObject(msgspec.Struct, frozen=True, gc=False):
    """An object whose fields all have the types that were asked for."""

    coarse_type: str
    is_main: bool
    confidence: float


class Tally:
    """What became of the words: counts by outcome, and the words that have no key."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.unknown_scenes: Counter[str] = Counter()
        self.objects_without_key: Counter[str] = Counter()


class Mapping:
    """The taxonomy's maps and the thresholds, applied to one annotation at a time; `tally` counts."""

    def __init__(self, taxonomy: Taxonomy, convert: Convert) -> None:
        self.tally = Tally()
        self._scenes = taxonomy.scenes
        self._other_scene = taxonomy.other_scene
        self._objects = taxonomy.objects
        self._words = list(taxonomy.attributes)
        self._keys = list(taxonomy.attributes.values())
        self._min_confidence = convert.min_object_confidence
        self._include_non_main = convert.include_non_main
        self._judged: dict[tuple[bool | None, ...], dict[str, bool]] = {}
        fields = [f"attribute_{number}" for number in range(len(self._words))]
        self.expected_type = msgspec.defstruct(
            "ExpectedAnnotation",
            [
                ("scene", str),
                ("objects", list[ExpectedObject]),
                *((field, bool | None, None) for field in fields),
            ],
            rename=dict(zip(fields, self._words, strict=True)),
            frozen=True,
        )
        self._values_of = _tuple_getter(fields)

    def read_expected(self, image_id: str, annotation: Any) -> GroundTruth:
        """Return what an annotation of `expected_type` means; a field it lacks was not judged."""
        objects = [
            self._map_object(said.is_main, said.confidence, said.coarse_type) for said in annotation.objects
        ]
        return GroundTruth(
            image_id=image_id,
            scene=self._map_scene(annotation.scene),
            attributes=self._map_attributes(self._values_of(annotation)),
            objects=_sort_keys(objects),
        )

    def to_ground_truth(self, image_id: str, annotation: Annotation) -> GroundTruth:
        """Return what any annotation means; what is of a wrong type counts as the rules say."""
        values = [annotation.get(word) for word in self._words]
        return GroundTruth(
            image_id=image_id,
            scene=self._map_scene(annotation.get("scene")),
            attributes=self._map_attributes(
                tuple(value if isinstance(value, bool) else None for value in values)
            ),
            objects=_sort_keys(self._map_any_objects(annotation.get("objects"))),
        )

    def _map_scene(self, word: Any) -> list[str]:
        if not isinstance(word, str):
            self.tally.counts["scene_missing"] += 1
            return []
        key = _find_key(self._scenes, word)
        if key is None:
            self.tally.unknown_scenes[word[:80]] += 1
        self.tally.counts["scene_mapped" if key else "scene_unknown"] += 1
        return [key or self._other_scene]

    def _map_attributes(self, values: tuple[bool | None, ...]) -> dict[str, bool]:
        """Return the judged attributes; few combinations exist, so each is put together once."""
        judged = self._judged.get(values)
        if judged is None:
            pairs = zip(self._keys, values, strict=True)
            judged = self._judged[values] = {key: value for key, value in pairs if value is not None}
        self.tally.counts["attributes_mapped"] += len(judged)
        self.tally.counts["attributes_not_judged"] += len(values) - len(judged)
        return judged

    def _map_any_objects(self, said: Any) -> list[str | None]:
        keys: list[str | None] = []
        for item in said if isinstance(said, list) else []:
            if isinstance(item, dict):
                confidence = confidence_of(item.get("confidence"))
                keys.append(
                    self._map_object(item.get("is_main") is True, confidence, item.get("coarse_type"))
                )
            else:
                self.tally.counts["objects_malformed"] += 1
        return keys

    def _map_object(self, is_main: bool, confidence: float, word: Any) -> str | None:
        if not is_main and not self._include_non_main:
            outcome, key = "objects_not_main", None
        elif confidence < self._min_confidence:
            outcome, key = "objects_low_confidence", None
        else:
            key = _find_key(self._objects, word) if isinstance(word, str) else None
            outcome = "objects_mapped" if key else "objects_without_key"
            if key is None:
                self.tally.objects_without_key[str(word)[:80]] += 1
        self.tally.counts[outcome] += 1
        return key


def confidence_of(value: Any) -> float:
    """Return the stated confidence; one that is no number counts 0."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def _find_key(keys: dict[str, str], word: str) -> str | None:
    """Return the key of a word, which the maps know stripped and in lower case."""
    return keys.get(word) or keys.get(word.strip().lower())


def _sort_keys(keys: list[str | None]) -> list[str]:
    return sorted({key for key in keys if key is not None}) if keys else []


def _tuple_getter(fields: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what gives the fields as a tuple, however few there are."""
    if len(fields) > 1:
        return attrgetter(*fields)
    return lambda annotation: tuple(getattr(annotation, field) for field in fields)
