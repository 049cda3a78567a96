"""What a teacher's words mean in label keys, by the taxonomy's maps and two settings (`convert.*`).

No word and no key is written in this code. An annotation as the prompt asks for it is decoded into
`expected_type`, which takes a fraction of the time; any other is a JSON object. Both are brought into one
form. Since few scenes, attributes and lists of objects differ, each distinct one is mapped once.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Generic, TypeVar

import msgspec

from vibe_photos.records.ground_truth import Annotation, GroundTruth
from vibe_photos.settings import Convert, Taxonomy

_MOST_REMEMBERED = 50_000
_LONGEST_WORD = 80

Attributes = tuple[bool | None, ...]
"""The teacher's value of each attribute word; None if it is not a JSON boolean."""

Objects = tuple[tuple[bool, bool, str | None] | None, ...]
"""Of each object: is it main, is the teacher sure enough, its word if it has one; None: no object at all."""

LabelJson = tuple[bytes, bytes, bytes]
"""A photo's labels as JSON: a list of scenes, an object of attributes, a list of objects."""

Said = TypeVar("Said", bound=Hashable)


class ExpectedObject(msgspec.Struct, frozen=True, gc=False):
    """An object whose fields all have the types that were asked for."""

    coarse_type: str
    is_main: bool
    confidence: float


@dataclass(slots=True)
class Tally:
    """What became of the words: counts by outcome, and the words that have no key."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown_scenes: Counter[str] = field(default_factory=Counter)
    objects_without_key: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally", times: int) -> None:
        """Count what `other` counts so many times."""
        for name in self.__slots__:
            mine: Counter[str] = getattr(self, name)
            for word, count in getattr(other, name).items():
                mine[word] += count * times


class Mapping:
    """The taxonomy's maps and the thresholds, applied to one annotation at a time."""

    def __init__(self, taxonomy: Taxonomy, convert: Convert) -> None:
        self._taxonomy = taxonomy
        self._words = list(taxonomy.attributes)
        self._min_confidence = convert.min_object_confidence
        self._include_non_main = convert.include_non_main
        self._scenes = _Memo(self._map_scene)
        self._attributes = _Memo(self._map_attributes)
        self._objects = _Memo(self._map_objects)
        names = [f"attribute_{number}" for number in range(len(self._words))]
        self._fields_of = attrgetter("scene", "objects", *names)
        self.expected_type = msgspec.defstruct(
            "ExpectedAnnotation",
            [
                ("scene", str),
                ("objects", list[ExpectedObject]),
                *((name, bool | None, None) for name in names),
            ],
            rename=dict(zip(names, self._words, strict=True)),
            frozen=True,
        )

    @property
    def tally(self) -> Tally:
        """What became of the words of all annotations so far."""
        tally = Tally()
        for memo in (self._scenes, self._attributes, self._objects):
            memo.count_into(tally)
        return tally

    def read_expected(self, annotation: Any) -> LabelJson:
        """Return what an annotation of `expected_type` means; a field it lacks was not judged."""
        least = self._min_confidence
        scene, said, *values = self._fields_of(annotation)
        objects = [(one.is_main, one.confidence >= least, one.coarse_type) for one in said]
        return (
            self._scenes.look_up(scene),
            self._attributes.look_up(tuple(values)),
            self._objects.look_up(tuple(objects)),
        )

    def read_any(self, annotation: Annotation) -> LabelJson:
        """Return what any annotation means; what is of a wrong type counts as the rules say."""
        scene, said = annotation.get("scene"), annotation.get("objects")
        values = [annotation.get(word) for word in self._words]
        return (
            self._scenes.look_up(scene if isinstance(scene, str) else None),
            self._attributes.look_up(tuple(value if isinstance(value, bool) else None for value in values)),
            self._objects.look_up(tuple(map(self._read_object, said if isinstance(said, list) else []))),
        )

    def to_ground_truth(self, image_id: str, annotation: Annotation) -> GroundTruth:
        """Return what any annotation means, as a record."""
        scene, attributes, objects = map(msgspec.json.decode, self.read_any(annotation))
        return GroundTruth(image_id=image_id, scene=scene, attributes=attributes, objects=objects)

    def _read_object(self, item: Any) -> tuple[bool, bool, str | None] | None:
        if not isinstance(item, dict):
            return None
        word, confidence = item.get("coarse_type"), item.get("confidence")
        if not isinstance(confidence, (int, float)) or isinstance(confidence, bool):
            confidence = 0.0
        is_sure = confidence >= self._min_confidence
        return item.get("is_main") is True, is_sure, word if isinstance(word, str) else None

    def _map_scene(self, word: str | None, tally: Tally) -> list[str]:
        if word is None:
            tally.counts["scene_missing"] += 1
            return []
        key = self._taxonomy.scenes.get(_normalise(word))
        if key is None:
            tally.unknown_scenes[word[:_LONGEST_WORD]] += 1
        tally.counts["scene_mapped" if key else "scene_unknown"] += 1
        return [key or self._taxonomy.other_scene]

    def _map_attributes(self, values: Attributes, tally: Tally) -> dict[str, bool]:
        pairs = zip(self._taxonomy.attributes.values(), values, strict=True)
        judged = {key: value for key, value in pairs if value is not None}
        tally.counts["attributes_mapped"] += len(judged)
        tally.counts["attributes_not_judged"] += len(values) - len(judged)
        return judged

    def _map_objects(self, said: Objects, tally: Tally) -> list[str]:
        keys = set()
        for item in said:
            if item is None:
                tally.counts["objects_malformed"] += 1
                continue
            is_main, is_sure, word = item
            key = None if word is None else self._taxonomy.objects.get(_normalise(word))
            if not is_main and not self._include_non_main:
                outcome = "objects_not_main"
            elif not is_sure:
                outcome = "objects_low_confidence"
            elif key is None:
                outcome = "objects_without_key"
                tally.objects_without_key[str(word)[:_LONGEST_WORD]] += 1
            else:
                outcome = "objects_mapped"
                keys.add(key)
            tally.counts[outcome] += 1
        return sorted(keys)


@dataclass(slots=True)
class _Meaning:
    json: bytes
    tally: Tally
    given: int = 0


class _Memo(Generic[Said]):
    """What distinct answers of one field mean, as JSON, and how often each was given."""

    def __init__(self, read: Callable[[Said, Tally], Any]) -> None:
        self._read = read
        self._known: dict[Said, _Meaning] = {}
        self._others = Tally()

    def look_up(self, said: Said) -> bytes:
        meaning = self._known.get(said)
        if meaning is None:
            tally = Tally()
            meaning = _Meaning(msgspec.json.encode(self._read(said, tally)), tally)
            if len(self._known) < _MOST_REMEMBERED:
                self._known[said] = meaning
            else:  # a teacher that makes up words must not fill the memory
                self._others.add(tally, 1)
        meaning.given += 1
        return meaning.json

    def count_into(self, tally: Tally) -> None:
        tally.add(self._others, 1)
        for meaning in self._known.values():
            tally.add(meaning.tally, meaning.given)


def _normalise(word: str) -> str:
    """Return a word as the taxonomy's maps have it."""
    return word.strip().lower()
