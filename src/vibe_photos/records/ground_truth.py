"""Records of the teacher's answers, of ground truth and of people's decisions, and reading truth files.

A truth file is a JSON list, one JSON object, or JSON Lines. Files by older scripts may lack provenance
fields.
"""

import codecs
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.taxonomy import (
    How,
    KeyHistory,
    describe_entry,
    describe_unknown_key,
    find_objects,
    label_name,
    normal_word,
    with_ancestors,
)
from vibe_photos.settings import HeadName, Taxonomy
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

Annotation = dict[str, Any]
"""The teacher's unchecked answer about one photo.

`scene` (a word), one field per attribute word of the vocabulary, and `objects`: a list of
`{name_free, coarse_type, is_main, confidence}`. Any field may be missing or of a wrong type; stage `convert`
checks each field.
"""


class RawAnnotation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `qwen_vl_raw_annotations.jsonl`: the answer for one photo and where it came from.

    `created_at` is the server's own `created` (Unix seconds), so that a replay gives the same bytes.
    Everything but `image_id` and `annotation` may be missing in files that older scripts wrote.
    """

    image_id: str
    server_path: str | None = None
    image_path: str | None = None
    rel_path: str | None = None
    annotation: Annotation
    model: str | None = None
    prompt_id: str | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    created_at: int | None = None
    simulated: bool = False


class GroundTruth(msgspec.Struct, frozen=True, kw_only=True):
    """The true labels of one photo, as label keys.

    `scene` holds one `scene.*` key, or none if it is not known. `attributes` maps `attr.*` keys to
    true or false; attributes that were not judged are absent. `objects` is sorted and unique; it is null if
    nobody judged them: a list is complete.
    `extra` holds a file's other fields, which are kept.
    """

    image_id: str
    scene: list[str] = []
    attributes: dict[str, bool] = {}
    objects: list[str] | None = None
    extra: dict[str, Any] = {}


def truth_object(record: GroundTruth) -> dict[str, Any]:
    """Return the record as the JSON object of the truth files, extra fields after our own."""
    return {
        "image_id": record.image_id,
        "scene": record.scene,
        "attributes": record.attributes,
        "objects": record.objects,
        **record.extra,
    }


def judged_labels(
    record: GroundTruth, keys: Mapping[HeadName, Sequence[str]], attribute_from_scene: Mapping[str, str]
) -> dict[str, bool]:
    """Return whether the photo has each label that a record decides; over other labels, these count.

    One scene excludes the others, and objects are complete, with their ancestors. An attribute that the
    record does not judge follows its scene if there is a rule for it (`classify.attribute_from_scene`).

    Args:
        record: a person's or the teacher's, with keys of the taxonomy.
        keys: all keys of each head.
        attribute_from_scene: by the attribute's short name; an empty mapping gives only what was said.
    """
    said: dict[str, bool] = {}
    if record.scene:
        said = {key: key in record.scene for key in keys["scene"]}
        for key in keys["attribute"]:
            if rule := attribute_from_scene.get(label_name(key)):
                said[key] = rule in record.scene
    if record.objects is not None:
        objects = with_ancestors(record.objects, keys["object"])
        said |= {key: key in objects for key in keys["object"]}
    return said | record.attributes


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `decisions/<reviewer>.jsonl`: a person's labels for one photo.

    Attributes:
        decided_at: UTC in ISO 8601, so that text order is time order; unique in one log.
        purpose: `measure` (the review sample) or `teach` (any other photo).
        draw: the number of the recorded draw that a measured photo belongs to.
        before, after: the labels, as truth objects without the id; `after` is null if they were taken away.
        shown: the labels that were filled in before the person judged, in the same form.
        unassisted: whether the teacher's and the student's labels were hidden: a random tenth of the review
            sample is judged so, to measure how much they influence people (stage `agreement`).
        kind: `skip` (the photo goes to the end of the queue) or `remark` (only a flag or note): no labels.
        reason: why a photo was skipped.
        undoes: the `decided_at` of the reviewer's own line that this one undoes: neither then counts.
        seen: whose labels the reviewer saw: `teacher`, `student`, or `reviewers` to settle a disagreement.
        action: shared by the lines of photos that were decided at once, and are undone at once.
    """

    image_id: str
    decided_at: str
    purpose: Literal["measure", "teach"] = "measure"
    draw: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    shown: dict[str, Any] | None = None
    unassisted: bool = False
    is_flagged: bool = False
    note: str = ""
    kind: Literal["decision", "skip", "remark"] = "decision"
    reason: str = ""
    undoes: str | None = None
    seen: list[str] = []
    action: str = ""


log = logging.getLogger(__name__)

_OWN_FIELDS = ("image_id", "scene", "attributes", "objects")


def read_truth_file(path: Path) -> list[GroundTruth]:
    """Read the records of a truth file in its order; a scene given as a string counts as a list of one.

    Raises:
        InputError: the file is missing, is not JSON, or a record is malformed or given twice; the file,
            the record and the photo are named.
    """
    return [record for _, record in read_placed_truth(path)]


def read_placed_truth(path: Path) -> list[tuple[str, GroundTruth]]:
    """Read a truth file like `read_truth_file`, each record with its place (file and line or number)."""
    records = [(place, parse_truth(value, place)) for place, value in read_objects(path)]
    _refuse_twins([record for _, record in records], path)
    return records


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield `(place, JSON object)` for every record; the place names file and record for an error."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    values, unit = _parse(data, path)
    for number, value in values:
        place = f"{path}, {unit} {number}"
        if not isinstance(value, dict):
            raise InputError(f"{place}: a truth record is a JSON object, not {str(value)[:60]}")
        yield place, value


def parse_truth(value: dict[str, Any], place: str) -> GroundTruth:
    """Check one record's types and return it; nobody judged the labels that it does not name.

    Raises:
        InputError: with the place and the field that is wrong.
    """
    own = {field: value[field] for field in _OWN_FIELDS if field in value}
    if isinstance(own.get("scene"), str):
        own["scene"] = [own["scene"]]
    extra = {field: kept for field, kept in value.items() if field not in _OWN_FIELDS}
    photo = f" (photo {value['image_id']})" if "image_id" in value else ""
    try:
        record = msgspec.convert({**own, "extra": extra}, GroundTruth)
    except msgspec.ValidationError as error:
        raise InputError(f"{place}{photo}: {error}") from None
    if len(record.scene) > 1:
        raise InputError(
            f"{place}{photo} has {len(record.scene)} scenes ({', '.join(record.scene)}), and a photo has "
            "one: keep that"
        )
    return record


PROPOSED = "proposed"
"""The extra field with the objects that a person saw and the taxonomy does not have: words as typed."""


class KeyFitter:
    """Updates records to the current label keys, and counts the changes.

    A proposed object is one of the record's objects as soon as the taxonomy has it. It waits where nobody
    judged the objects, because a list would be complete.
    """

    def __init__(self, taxonomy: Taxonomy) -> None:
        self._objects = find_objects(taxonomy)
        self._history = KeyHistory(taxonomy)
        self._changes: Counter[tuple[How, str, str | None]] = Counter()

    def fit(self, record: GroundTruth, lifts: bool = True) -> tuple[GroundTruth, list[str]]:
        """Return a record with current keys, and the unknown keys that were left out.

        If two keys of a record became one attribute, the value of the current key counts, else true if either
        is true. `lifts`: an object that is not in the taxonomy counts as its ancestor.
        """
        known = self._history.known
        if (
            known["scene"].issuperset(record.scene)
            and known["attribute"].issuperset(record.attributes)
            and known["object"].issuperset(record.objects or [])
            and not record.extra.get(PROPOSED)
        ):
            return record, []
        unknown: list[str] = []
        attributes: dict[str, bool] = {}
        for old, new in self._follow(record.attributes, "attribute", lifts, unknown):
            own = record.attributes.get(new)
            attributes[new] = own if own is not None else attributes.get(new, False) or record.attributes[old]
        scene = dict.fromkeys(new for _, new in self._follow(record.scene, "scene", lifts, unknown))
        objects = {new for _, new in self._follow(record.objects or [], "object", lifts, unknown)}
        extra = dict(record.extra)
        if record.objects is not None and (waiting := extra.pop(PROPOSED, None)):
            for word in read_proposals(record):
                if key := self._objects.get(normal_word(word)):
                    self._changes["proposed", word, key] += 1
                    objects.add(key)
                    waiting = [other for other in waiting if other != word]
            extra |= {PROPOSED: waiting} if waiting else {}
        fitted_objects = None if record.objects is None else sorted(objects)
        fitted = msgspec.structs.replace(
            record, scene=list(scene), attributes=attributes, objects=fitted_objects, extra=extra
        )
        return fitted, unknown

    def log_changes(self, where: Path) -> None:
        """Log once per key what was dropped or replaced, and reset the counts."""
        for (how, old, new), count in sorted(self._changes.items(), key=str):
            if how == "lifted":
                log.warning(
                    "%s: %r is not in the taxonomy; in %d records it counts as %s", where, old, count, new
                )
            elif how == "removed":
                instead = f"; it counts as {new} there" if new else ""
                log.info("%s: %r was removed: dropped from %d records%s", where, old, count, instead)
            elif how == "proposed":
                log.info("%s: the proposed %r is a label now: in %d records it is %s", where, old, count, new)
        self._changes.clear()

    def _follow(
        self, keys: Iterable[str], head: HeadName, lifts: bool, unknown: list[str]
    ) -> Iterator[tuple[str, str]]:
        """Yield `(key, current key)` of keys that still exist; add unknown ones to `unknown`."""
        for key in keys:
            new, how = self._history.follow(key, head)
            if how == "unknown" or (how == "lifted" and not lifts):
                unknown.append(key)
                continue
            if how != "known":
                self._changes[how, key, new] += 1
            if new is not None:
                yield key, new


def read_proposals(record: GroundTruth) -> list[str]:
    """Return the objects that a person proposed for a photo and that are no labels yet."""
    words = record.extra.get(PROPOSED)
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []


def fit_keys(
    records: Iterable[GroundTruth], taxonomy: Taxonomy, path: Path, places: Mapping[str, str] | None = None
) -> list[GroundTruth]:
    """Return the records with the taxonomy's label keys.

    Renamed keys are replaced, removed ones dropped. An object key that is not in the taxonomy counts as its
    nearest ancestor, with a warning. Any other unknown key is an error.

    Args:
        records: with current or old keys.
        taxonomy: the current one.
        path: the file or folder that they come from.
        places: the file and line of each record, by image_id; without it they are looked up in `path`.

    Raises:
        InputError: an unknown key; names the file, the line or record, the photo, the nearest known keys and
            what to add to the taxonomy.
    """
    fitter = KeyFitter(taxonomy)
    fitted = []
    for record in records:
        fit, unknown = fitter.fit(record)
        if unknown:
            image_id = record.image_id
            place = places.get(image_id, str(path)) if places is not None else _find_place(path, image_id)
            raise InputError(describe_unfit(unknown[0], image_id, place, taxonomy))
        fitted.append(fit)
    fitter.log_changes(path)
    return fitted


def describe_unfit(key: str, image_id: str, place: str, taxonomy: Taxonomy) -> str:
    """Return the error about a record with an unknown key: where it is, and what to do."""
    return (
        f"{place}: photo {image_id} has the {describe_unknown_key(key, taxonomy)}; "
        f"{describe_entry(key, taxonomy)}"
    )


def _find_place(path: Path, image_id: str) -> str:
    """Return file and line of a photo's record, for an error."""
    if not path.is_file():
        return str(path)
    return next(
        (place for place, value in read_objects(path) if value.get("image_id") == image_id), str(path)
    )


def _parse(data: bytes, path: Path) -> tuple[list[tuple[int, Any]], str]:
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        lines = [(n, line) for n, line in enumerate(data.splitlines(), start=1) if line.strip()]
        if not _looks_like_json_lines(lines):
            found = describe_unreadable(data, path)
            raise InputError(found or f"{path} is neither JSON nor JSON Lines: {error}") from None
        return [(number, _parse_line(line, path, number)) for number, line in lines], "line"
    return list(enumerate(whole if isinstance(whole, list) else [whole], start=1)), "record"


def describe_unreadable(data: bytes, path: Path) -> str | None:
    """Return why a file is not JSON and what to do (a BOM, UTF-16, CSV); None if it is not known."""
    if data.startswith(codecs.BOM_UTF8):
        return f"{path} begins with a byte order mark (BOM): save it as UTF-8 without BOM"
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in data[:4]:
        return f"{path} is UTF-16 text: save it as UTF-8 without BOM"
    head, _, rest = data.partition(b"\n")
    for separator in (b",", b";", b"\t"):
        columns = head.count(separator)
        if columns and data[:1] not in b"[{" and rest.partition(b"\n")[0].count(separator) >= columns:
            return (
                f"{path} is a table (CSV), and must be JSON, one record a photo. A truth file has "
                '{"image_id": "...", "scene": ["scene.food"], "attributes": {"attr.has_text": false}}'
            )
    return None


def _looks_like_json_lines(lines: list[tuple[int, bytes]]) -> bool:
    return len(lines) > 1 and lines[0][1].lstrip().startswith(b"{") and lines[0][1].rstrip().endswith(b"}")


def _parse_line(line: bytes, path: Path, number: int) -> Any:
    try:
        return msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}, line {number}: {error}") from None


def _refuse_twins(records: list[GroundTruth], path: Path) -> None:
    seen: set[str] = set()
    for record in records:
        if record.image_id in seen:
            raise InputError(f"{path}: photo {record.image_id} has more than one record; keep one of them")
        seen.add(record.image_id)


ALL_LABELS = "ground_truth_auto.jsonl"
HEAD_FILES = {"scene": "scene.jsonl", "attribute": "attribute.jsonl", "object": "object.jsonl"}


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of `data/ground_truth/training/`: one photo's training labels for one head, its group and fold.

    `by_people` lists the fields (`scene`, `objects`) or attribute keys that are a person's, not the
    teacher's.
    """

    image_id: str
    group: str
    fold: int
    scene: list[str] = []
    attributes: dict[str, bool] = {}
    objects: list[str] = []
    by_people: list[str] = []


def read_training(folder: Path, head: HeadName) -> list[TrainingRecord]:
    """Return the records of one head, in the order of the manifest.

    Raises:
        InputError: the file is missing or malformed.
    """
    return list(read_jsonl(folder / HEAD_FILES[head], TrainingRecord))


def write_training(folder: Path, head: HeadName, records: Iterable[TrainingRecord]) -> None:
    """Write the records of one head."""
    write_jsonl(folder / HEAD_FILES[head], records)
