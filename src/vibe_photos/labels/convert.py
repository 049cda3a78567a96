"""From the teacher's words to label keys, with every word that was dropped counted.

The rules are the mapping of the taxonomy (`conf/taxonomy/`) and two numbers (`convert.*`); nothing here
knows a word or a key. Changing them reruns this stage and what follows, and never asks the teacher again.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.labels.records import Annotation, GroundTruth, RawAnnotation, truth_object
from vibe_photos.settings import Convert, Taxonomy
from vibe_photos.storage.atomic import open_atomically, write_json
from vibe_photos.storage.jsonl import read_numbered_jsonl

log = logging.getLogger(__name__)

ALL_LABELS = "ground_truth_auto.jsonl"
HEAD_FILES = {"scene": "scene.jsonl", "attribute": "attribute.jsonl", "object": "object.jsonl"}
HEAD_FIELDS = {"scene": "scene", "attribute": "attributes", "object": "objects"}
_MOST_WORDS = 50


class Tally:
    """What became of the words: counts by outcome, and the words that have no key."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.unknown_scenes: Counter[str] = Counter()
        self.objects_without_key: Counter[str] = Counter()


class Mapping:
    """The taxonomy's maps and the thresholds, applied to one annotation at a time."""

    def __init__(self, taxonomy: Taxonomy, convert: Convert) -> None:
        self.taxonomy = taxonomy
        self.convert = convert
        self.tally = Tally()

    def to_ground_truth(self, image_id: str, annotation: Annotation) -> GroundTruth:
        """Return what the teacher's answer means in label keys."""
        return GroundTruth(
            image_id=image_id,
            scene=self._map_scene(annotation.get("scene")),
            attributes=self._map_attributes(annotation),
            objects=self._map_objects(annotation.get("objects")),
        )

    def _map_scene(self, word: Any) -> list[str]:
        if not isinstance(word, str):
            self.tally.counts["scene_missing"] += 1
            return []
        key = self.taxonomy.scenes.get(normalise_word(word))
        if key is None:
            self.tally.unknown_scenes[word[:80]] += 1
        self.tally.counts["scene_mapped" if key else "scene_unknown"] += 1
        return [key or self.taxonomy.other_scene]

    def _map_attributes(self, annotation: Annotation) -> dict[str, bool]:
        judged = {}
        for word, key in self.taxonomy.attributes.items():
            value = annotation.get(word)
            if isinstance(value, bool):
                judged[key] = value
        self.tally.counts["attributes_mapped"] += len(judged)
        self.tally.counts["attributes_not_judged"] += len(self.taxonomy.attributes) - len(judged)
        return judged

    def _map_objects(self, said: Any) -> list[str]:
        keys = set()
        for item in said if isinstance(said, list) else []:
            key, outcome = self._map_object(item) if isinstance(item, dict) else (None, "objects_malformed")
            self.tally.counts[outcome] += 1
            if key is not None:
                keys.add(key)
        return sorted(keys)

    def _map_object(self, item: dict[str, Any]) -> tuple[str | None, str]:
        if item.get("is_main") is not True and not self.convert.include_non_main:
            return None, "objects_not_main"
        if confidence_of(item.get("confidence")) < self.convert.min_object_confidence:
            return None, "objects_low_confidence"
        word = item.get("coarse_type")
        key = self.taxonomy.objects.get(normalise_word(word)) if isinstance(word, str) else None
        if key is None:
            self.tally.objects_without_key[str(word)[:80]] += 1
            return None, "objects_without_key"
        return key, "objects_mapped"


def normalise_word(word: str) -> str:
    """Return a teacher's word as the maps know it: stripped, lower case."""
    return word.strip().lower()


def confidence_of(value: Any) -> float:
    """Return the stated confidence; one that is no number counts 0."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else 0.0


def convert_annotations(
    raw: Path, out_folder: Path, taxonomy: Taxonomy, convert: Convert, metric: Path
) -> None:
    """Write the automatic truth: one file of everything, and the same truth one file per head.

    Streams: memory holds the ids and not the records. The order is that of the raw file. Of several
    records of one photo the last counts.

    Raises:
        InputError: the raw file is missing or a line is no whole annotation (file and line are named).
    """
    mapping = Mapping(taxonomy, convert)
    last_line = _find_last_lines(raw)
    sources: Counter[str] = Counter()
    encode = msgspec.json.Encoder().encode
    with ExitStack() as files:
        everything = files.enter_context(open_atomically(out_folder / ALL_LABELS))
        by_head = {
            HEAD_FIELDS[head]: files.enter_context(open_atomically(out_folder / name))
            for head, name in HEAD_FILES.items()
        }
        for record in _last_records(raw, last_line):
            sources[record.model or "unnamed"] += 1
            line = truth_object(mapping.to_ground_truth(record.image_id, record.annotation))
            everything.write(encode(line) + b"\n")
            for field, file in by_head.items():
                file.write(encode({"image_id": record.image_id, field: line[field]}) + b"\n")
    _report(metric, mapping.tally, len(last_line), sources)


class _Identity(msgspec.Struct):
    image_id: str


def _find_last_lines(raw: Path) -> dict[str, int]:
    return {record.image_id: number for number, record in read_numbered_jsonl(raw, _Identity)}


def _last_records(raw: Path, last_line: dict[str, int]) -> Iterator[RawAnnotation]:
    for number, record in read_numbered_jsonl(raw, RawAnnotation):
        if last_line[record.image_id] == number:
            yield record


def _report(metric: Path, tally: Tally, photos: int, sources: Counter[str]) -> None:
    counts = {name: tally.counts[name] for name in sorted(tally.counts)}
    words = {
        "unknown_scene_words": dict(sorted(tally.unknown_scenes.most_common(_MOST_WORDS))),
        "object_words_without_key": dict(sorted(tally.objects_without_key.most_common(_MOST_WORDS))),
    }
    write_json(metric, {"photos": photos, **counts, **words})
    if len(sources) > 1:
        log.warning("the raw file mixes answers of several models: %s", dict(sources))
    log.info(
        "convert: %d photos; objects: %d mapped, %d not main, %d too uncertain, %d words without a key",
        photos,
        tally.counts["objects_mapped"],
        tally.counts["objects_not_main"],
        tally.counts["objects_low_confidence"],
        tally.counts["objects_without_key"],
    )
