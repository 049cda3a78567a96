"""Stage `convert`: map the teacher's words to label keys; every dropped word is counted.

All words and keys are data of the taxonomy, none are in this code. A changed mapping reruns this stage and
those after it, and never asks the teacher again.

An annotation in the form that the prompt asks for is decoded as `expected_type`, which is much faster; any
other as a JSON object. Few scenes, attributes and lists of objects are distinct, so each is mapped once.
"""

import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

import msgspec

from vibe_photos.records.ground_truth import ALL_LABELS, HEAD_FILES, Annotation, RawAnnotation
from vibe_photos.settings import Convert, Settings, Taxonomy
from vibe_photos.storage.files import open_atomically, write_json
from vibe_photos.storage.jsonl import decode_line, read_numbered_lines

log = logging.getLogger(__name__)

_MAX_WORDS = 50
_MAX_CACHED = 50_000
_MAX_WORD_LENGTH = 80

Attributes = tuple[bool | None, ...]
"""The teacher's value of each attribute word; None if it is not a JSON boolean."""

Objects = tuple[tuple[bool, bool, str | None] | None, ...]
"""For each object: is it main, is its confidence high enough, and its word; None if it is not an object."""

LabelJson = tuple[bytes, bytes, bytes]
"""A photo's labels as JSON: a list of scenes, an object of attributes, a list of objects."""

Answer = TypeVar("Answer", bound=Hashable)


def convert_annotations(settings: Settings) -> None:
    """Map the teacher's words to label keys: one file of all labels, and the same labels one file per head.

    Only the ids are in memory, not the records. The order is that of the raw file. If a photo has several
    records, the last one counts.

    Raises:
        InputError: the raw file is missing or a line is not a whole annotation (file and line are named).
    """
    paths = settings.paths
    chosen_line: dict[str, int] | None = None
    while True:
        mapping = Mapping(settings.taxonomy, settings.convert)
        with _open_truth_files(paths.auto) as write:
            found = _convert_lines(paths.raw_annotations, mapping, write, chosen_line)
        if chosen_line is not None or found.lines == len(found.last_line):
            break
        # Rare: a photo has several records, so the files are written again with only the last ones.
        chosen_line = found.last_line
    tally, photos = mapping.tally, len(found.last_line)
    metric = {
        "photos": photos,
        **dict(sorted(tally.counts.items())),
        "unknown_scene_words": dict(sorted(tally.unknown_scenes.most_common(_MAX_WORDS))),
        "object_words_without_key": dict(sorted(tally.objects_without_key.most_common(_MAX_WORDS))),
    }
    write_json(paths.eval / "convert.json", metric)
    if len(found.models) > 1:
        log.warning("the raw file mixes answers of several models: %s", dict(found.models))
    log.info(
        "convert: %d photos; objects: %d mapped, %d not main, %d too uncertain, %d words without a key",
        photos,
        tally.counts["objects_mapped"],
        tally.counts["objects_not_main"],
        tally.counts["objects_low_confidence"],
        tally.counts["objects_without_key"],
    )


@dataclass(slots=True)
class _Found:
    """What a pass over the raw file found: its lines, the last one of each photo, and the models' answers."""

    lines: int = 0
    last_line: dict[str, int] = field(default_factory=dict)
    models: Counter[str] = field(default_factory=Counter)


def _convert_lines(
    raw: Path,
    mapping: "Mapping",
    write: Callable[[str, LabelJson], None],
    chosen_line: dict[str, int] | None,
) -> _Found:
    """Write the labels of each line, or only of each photo's `chosen_line`, in order."""
    expected: msgspec.json.Decoder[Any] = msgspec.json.Decoder(
        msgspec.defstruct(
            "ExpectedLine",
            [("image_id", str), ("annotation", mapping.expected_type), ("model", str | None, None)],
        )
    )
    any_line = msgspec.json.Decoder(RawAnnotation)
    found = _Found()
    for number, line in read_numbered_lines(raw):
        record: Any
        read: Callable[[Any], LabelJson]
        try:
            record, read = expected.decode(line), mapping.map_expected
        except (msgspec.DecodeError, UnicodeDecodeError):
            record, read = decode_line(any_line, line, raw, number), mapping.map_any
        found.lines += 1
        found.last_line[record.image_id] = number
        if chosen_line is None or chosen_line[record.image_id] == number:
            found.models[record.model or "unnamed"] += 1
            write(record.image_id, read(record.annotation))
    return found


@contextmanager
def _open_truth_files(folder: Path) -> Iterator[Callable[[str, LabelJson], None]]:
    """Yield a function that writes one record into all files, which replace the old ones at the end."""
    encode = msgspec.json.Encoder().encode
    with (
        open_atomically(folder / ALL_LABELS) as everything,
        open_atomically(folder / HEAD_FILES["scene"]) as scenes,
        open_atomically(folder / HEAD_FILES["attribute"]) as attributes,
        open_atomically(folder / HEAD_FILES["object"]) as objects,
    ):

        def write(image_id: str, labels: LabelJson) -> None:
            scene, judged, seen = labels
            start = b'{"image_id":%b,' % encode(image_id)
            everything.write(b'%b"scene":%b,"attributes":%b,"objects":%b}\n' % (start, scene, judged, seen))
            scenes.write(b'%b"scene":%b}\n' % (start, scene))
            attributes.write(b'%b"attributes":%b}\n' % (start, judged))
            objects.write(b'%b"objects":%b}\n' % (start, seen))

        yield write


class ExpectedObject(msgspec.Struct, frozen=True, gc=False):
    """An object in which all fields have the expected types."""

    coarse_type: str
    is_main: bool
    confidence: float


@dataclass(slots=True)
class Tally:
    """Counts of the mapped words by outcome, and the words without a key."""

    counts: Counter[str] = field(default_factory=Counter)
    unknown_scenes: Counter[str] = field(default_factory=Counter)
    objects_without_key: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally", times: int) -> None:
        """Add the counts of `other`, multiplied by `times`."""
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
        self._scenes = _Cache(self._map_scene)
        self._attributes = _Cache(self._map_attributes)
        self._objects = _Cache(self._map_objects)
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
        """The counts over all annotations so far."""
        tally = Tally()
        for memo in (self._scenes, self._attributes, self._objects):
            memo.count_into(tally)
        return tally

    def map_expected(self, annotation: Any) -> LabelJson:
        """Return the labels of an annotation of `expected_type`; a missing field was not judged."""
        least = self._min_confidence
        scene, items, *values = self._fields_of(annotation)
        objects = [(one.is_main, one.confidence >= least, one.coarse_type) for one in items]
        return (
            self._scenes.look_up(scene),
            self._attributes.look_up(tuple(values)),
            self._objects.look_up(tuple(objects)),
        )

    def map_any(self, annotation: Annotation) -> LabelJson:
        """Return the labels of any annotation; values of a wrong type are handled by the mapping's rules."""
        scene, items = annotation.get("scene"), annotation.get("objects")
        values = [annotation.get(word) for word in self._words]
        return (
            self._scenes.look_up(scene if isinstance(scene, str) else None),
            self._attributes.look_up(tuple(value if isinstance(value, bool) else None for value in values)),
            self._objects.look_up(tuple(map(self._read_object, items if isinstance(items, list) else []))),
        )

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
            tally.unknown_scenes[word[:_MAX_WORD_LENGTH]] += 1
        tally.counts["scene_mapped" if key else "scene_unknown"] += 1
        return [key or self._taxonomy.other_scene]

    def _map_attributes(self, values: Attributes, tally: Tally) -> dict[str, bool]:
        pairs = zip(self._taxonomy.attributes.values(), values, strict=True)
        judged = {key: value for key, value in pairs if value is not None}
        tally.counts["attributes_mapped"] += len(judged)
        tally.counts["attributes_not_judged"] += len(values) - len(judged)
        return judged

    def _map_objects(self, objects: Objects, tally: Tally) -> list[str]:
        keys = set()
        for item in objects:
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
                tally.objects_without_key[str(word)[:_MAX_WORD_LENGTH]] += 1
            else:
                outcome = "objects_mapped"
                keys.add(key)
            tally.counts[outcome] += 1
        return sorted(keys)


@dataclass(slots=True)
class _Cached:
    json: bytes
    tally: Tally
    uses: int = 0


class _Cache(Generic[Answer]):
    """A cache of the labels (JSON) and counts for each distinct answer of one field."""

    def __init__(self, read: Callable[[Answer, Tally], Any]) -> None:
        self._read = read
        self._known: dict[Answer, _Cached] = {}
        self._others = Tally()

    def look_up(self, answer: Answer) -> bytes:
        cached = self._known.get(answer)
        if cached is None:
            tally = Tally()
            cached = _Cached(msgspec.json.encode(self._read(answer, tally)), tally)
            if len(self._known) < _MAX_CACHED:
                self._known[answer] = cached
            else:  # limits the memory if a teacher invents many words
                self._others.add(tally, 1)
        cached.uses += 1
        return cached.json

    def count_into(self, tally: Tally) -> None:
        tally.add(self._others, 1)
        for cached in self._known.values():
            tally.add(cached.tally, cached.uses)


def _normalise(word: str) -> str:
    """Return a word in the form of the taxonomy's maps."""
    return word.strip().lower()
