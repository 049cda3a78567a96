"""From the teacher's words to label keys, with every word that was dropped counted.

The rules are the mapping of the taxonomy (`conf/taxonomy/`) and two numbers (`convert.*`); nothing here
knows a word or a key. Changing them reruns this stage and what follows, and never asks the teacher again.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.labels.records import Annotation, GroundTruth, RawAnnotation
from vibe_photos.settings import Convert, Taxonomy
from vibe_photos.storage.atomic import open_atomically, write_json
from vibe_photos.storage.jsonl import read_numbered_jsonl

log = logging.getLogger(__name__)

ALL_LABELS = "ground_truth_auto.jsonl"
HEAD_FILES = {"scene": "scene.jsonl", "attribute": "attribute.jsonl", "object": "object.jsonl"}
_MOST_WORDS = 50


class Tally:
    """What became of the words: counts by outcome, and the words that have no key."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.unknown_scenes: Counter[str] = Counter()
        self.objects_without_key: Counter[str] = Counter()
        self.models: Counter[str] = Counter()


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
    with _open_truth_files(out_folder) as write:
        is_again, last_line = _convert_lines(raw, mapping, write, None)
    if is_again:
        # Rare: only now is it known which record of a photo is the last, so the files are written anew.
        mapping = Mapping(taxonomy, convert)
        with _open_truth_files(out_folder) as write:
            _convert_lines(raw, mapping, write, last_line)
    _report(metric, mapping.tally, len(last_line))


def _convert_lines(
    raw: Path, mapping: Mapping, write: Callable[[GroundTruth], None], last_line: dict[str, int] | None
) -> tuple[bool, dict[str, int]]:
    """Convert the lines (the last of each photo); return whether a photo came again, and the last lines."""
    found: dict[str, int] = {}
    lines = 0
    for number, record in read_numbered_jsonl(raw, RawAnnotation):
        found[record.image_id] = number
        lines += 1
        if last_line is None or last_line[record.image_id] == number:
            mapping.tally.models[record.model or "unnamed"] += 1
            write(mapping.to_ground_truth(record.image_id, record.annotation))
    return lines > len(found), found


@contextmanager
def _open_truth_files(folder: Path) -> Iterator[Callable[[GroundTruth], None]]:
    """Yield a function that writes one record into all files, which replace the old ones at the end."""
    encode = msgspec.json.Encoder().encode
    with (
        open_atomically(folder / ALL_LABELS) as everything,
        open_atomically(folder / HEAD_FILES["scene"]) as scenes,
        open_atomically(folder / HEAD_FILES["attribute"]) as attributes,
        open_atomically(folder / HEAD_FILES["object"]) as objects,
    ):

        def write(record: GroundTruth) -> None:
            # Each part is encoded once, and put together as bytes: half the time of encoding two objects.
            start = b'{"image_id":' + encode(record.image_id)
            scene = b',"scene":' + encode(record.scene)
            judged = b',"attributes":' + encode(record.attributes)
            seen = b',"objects":' + encode(record.objects)
            everything.write(start + scene + judged + seen + b"}\n")
            scenes.write(start + scene + b"}\n")
            attributes.write(start + judged + b"}\n")
            objects.write(start + seen + b"}\n")

        yield write


def _report(metric: Path, tally: Tally, photos: int) -> None:
    counts = {name: tally.counts[name] for name in sorted(tally.counts)}
    words = {
        "unknown_scene_words": dict(sorted(tally.unknown_scenes.most_common(_MOST_WORDS))),
        "object_words_without_key": dict(sorted(tally.objects_without_key.most_common(_MOST_WORDS))),
    }
    write_json(metric, {"photos": photos, **counts, **words})
    if len(tally.models) > 1:
        log.warning("the raw file mixes answers of several models: %s", dict(tally.models))
    log.info(
        "convert: %d photos; objects: %d mapped, %d not main, %d too uncertain, %d words without a key",
        photos,
        tally.counts["objects_mapped"],
        tally.counts["objects_not_main"],
        tally.counts["objects_low_confidence"],
        tally.counts["objects_without_key"],
    )
