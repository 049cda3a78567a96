"""The records that travel between stages: what the teacher said, what is taken as true, what was decided.

All are read leniently where older programs wrote them (missing provenance) and strictly in what counts.

Truth files as people and programs write them: a JSON list, one JSON object, or JSON Lines.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.records.taxonomy import HEADS, describe_unknown_key, head_keys, parent_key
from vibe_photos.settings import Taxonomy

Annotation = dict[str, Any]
"""What the teacher said of one photo, field by field, before any of it is believed.

`scene` (a word), one field for each attribute word of the vocabulary, and `objects`: a list of
`{name_free, coarse_type, is_main, confidence}`. Any field may be missing or of a wrong type, and the
vocabulary is data: which value counts is decided, and counted, by `labels.convert`.
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
    """What is taken as true of one photo, in label keys.

    `scene` holds one `scene.*` key, or none where nothing is known. `attributes` maps `attr.*` keys to
    true or false; an attribute that nobody judged is absent. `objects` is sorted and unique.
    `extra` holds the fields of a file that mean nothing to us and are kept (`labels.truth_file`).
    """

    image_id: str
    scene: list[str] = []
    attributes: dict[str, bool] = {}
    objects: list[str] = []
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


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of `decisions/<reviewer>.jsonl`: what a person made of one photo, and when.

    Attributes:
        decided_at: UTC in ISO 8601, so that text order is time order; in one log it never comes twice.
        purpose: `measure` (the review sample) or `teach` (any other photo).
        draw: the number of the recorded draw that a measured photo belongs to.
        before, after: truth objects without the id; `after` is null where there is no truth any more.
        shown: the labels that were filled in before the person judged, as a truth object without the id.
        kind: a `skip` (the photo goes to the end of the queue) and a `remark` (a flag or a note alone) decide
            nothing.
        reason: why a photo was skipped.
        undoes: the `decided_at` of the reviewer's own line that this one takes back: both decide nothing.
        seen: the opinions that the reviewer saw: `teacher`, `student`, and `reviewers` where a disagreement
            was settled.
    """

    image_id: str
    decided_at: str
    purpose: Literal["measure", "teach"] = "measure"
    draw: int | None = None
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    shown: dict[str, Any] | None = None
    is_flagged: bool = False
    note: str = ""
    kind: Literal["decision", "skip", "remark"] = "decision"
    reason: str = ""
    undoes: str | None = None
    seen: list[str] = []


log = logging.getLogger(__name__)

_OWN_FIELDS = ("image_id", "scene", "attributes", "objects")


def read_truth_file(path: Path) -> list[GroundTruth]:
    """Read the records of a truth file in its order; fields that mean nothing here land in `extra`.

    A scene given as a string counts as a list of one.

    Raises:
        InputError: the file is missing, is no JSON, or a record is malformed or given twice; the file,
            the record and the photo are named.
    """
    records = [parse_truth(value, place) for place, value in read_objects(path)]
    _refuse_twins(records, path)
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
    """Check one record's types and return it.

    Raises:
        InputError: with the place and the field that is wrong.
    """
    own = {field: value[field] for field in _OWN_FIELDS if field in value}
    if isinstance(own.get("scene"), str):
        own["scene"] = [own["scene"]]
    extra = {field: kept for field, kept in value.items() if field not in _OWN_FIELDS}
    try:
        return msgspec.convert({**own, "extra": extra}, GroundTruth)
    except msgspec.ValidationError as error:
        photo = f" (photo {value['image_id']})" if "image_id" in value else ""
        raise InputError(f"{place}{photo}: {error}") from None


def find_unknown_keys(
    records: Iterable[GroundTruth], taxonomy: Taxonomy
) -> Iterator[tuple[GroundTruth, str]]:
    """Yield `(record, key)` for every label key that the taxonomy does not have in that field."""
    known = {head: set(head_keys(taxonomy, head)) for head in HEADS}
    for record in records:
        for known_keys, keys in (
            (known["scene"], record.scene),
            (known["attribute"], record.attributes),
            (known["object"], record.objects),
        ):
            for key in keys:
                if key not in known_keys:
                    yield record, key


def fit_keys(records: Iterable[GroundTruth], taxonomy: Taxonomy, path: Path) -> list[GroundTruth]:
    """Return the records with label keys that the taxonomy has.

    An object key that it has not, but whose ancestor it has, counts as that ancestor, with a warning: truth
    outlives a key that is taken out of the taxonomy. Any other unknown key is a mistake.

    Raises:
        InputError: names the file, the photo, the key and the nearest known keys.
    """
    objects = set(head_keys(taxonomy, "object"))
    lifted: Counter[tuple[str, str]] = Counter()
    fitted = []
    for record in records:
        for _, key in find_unknown_keys([record], taxonomy):
            ancestor = parent_key(key, objects) if key in record.objects else None
            if ancestor is None:
                unknown = describe_unknown_key(key, taxonomy)
                raise InputError(f"{path}: photo {record.image_id} has the {unknown}")
            lifted[key, ancestor] += 1
            others = {*record.objects, ancestor} - {key}
            record = msgspec.structs.replace(record, objects=sorted(others))
        fitted.append(record)
    for (key, ancestor), count in sorted(lifted.items()):
        log.warning(
            "%s: %r is not in the taxonomy; in %d records it counts as %s", path, key, count, ancestor
        )
    return fitted


def _parse(data: bytes, path: Path) -> tuple[list[tuple[int, Any]], str]:
    try:
        whole = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        lines = [(n, line) for n, line in enumerate(data.splitlines(), start=1) if line.strip()]
        if not _looks_like_json_lines(lines):
            raise InputError(f"{path} is neither JSON nor JSON Lines: {error}") from None
        return [(number, _parse_line(line, path, number)) for number, line in lines], "line"
    return list(enumerate(whole if isinstance(whole, list) else [whole], start=1)), "record"


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
