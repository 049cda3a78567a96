"""Import existing truth: match it to the library, check it, show the changes, then write it.

It measures or it teaches. Measuring records go into the audited file (`AUDITED_FILE`). How their photos were
drawn decides what they represent: our sample, a uniform random draw, or only themselves (your own set).
Teaching records go into a log of decisions, `decisions/imported.jsonl`.

A record names its photo by `image_id`, or by any of its paths under the library's root (`rel_path`).
"""

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import AUDITED_FILE, CHECKED, NO_EARLIER_IDS
from vibe_photos.human_truth.sample import ASKED_SHARE, DESIGN_FIELDS
from vibe_photos.records.ground_truth import (
    Decision,
    GroundTruth,
    KeyFitter,
    parse_truth,
    read_objects,
    read_truth_file,
    truth_object,
)
from vibe_photos.records.photos import Photo
from vibe_photos.records.taxonomy import describe_entry, describe_unknown_key
from vibe_photos.review.decision_index import (
    DecisionIndex,
    describe_difference,
    describe_labels,
    format_time,
    truth_value,
)
from vibe_photos.review.decisions import append_lines, log_path
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.files import write_json

_FIELDS = ("image_id", "rel_path", "scene", "attributes", "objects")
_MAX_SHOWN_PROBLEMS = 20

IMPORTED = "imported"
"""The log of what was imported to teach."""


@dataclass(slots=True)
class HumanImport:
    """What a truth file would change: nothing is written before `apply_import`.

    `problems` has one sentence per record that cannot be imported, with its place. `unknown_keys` has the
    places of each label key that is not in the taxonomy. `left_out` counts records of photos outside the
    sample, if only that is imported, `unchecked` those that nobody has judged yet (`"checked": false`).
    `unknown_ids` are ids that are not in the library.
    """

    records: dict[str, GroundTruth] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unknown_keys: dict[str, list[str]] = field(default_factory=dict)
    left_out: int = 0
    unchecked: int = 0
    unknown_ids: list[str] = field(default_factory=list)


def read_import(
    file: Path,
    photos: Iterable[Photo],
    taxonomy: Taxonomy,
    sample: Mapping[str, Mapping[str, Any]] | None = None,
    current_ids: Mapping[str, str] = NO_EARLIER_IDS,
) -> HumanImport:
    """Match a truth file to the library and check it; renamed and removed keys are replaced.

    Args:
        file: a JSON list, one object or JSON Lines, by `image_id` or `rel_path`.
        photos: the manifest.
        taxonomy: the keys a record may hold.
        sample: records of `to_review.json` by id: import only these photos, with the fields that say how
            they were drawn (`DESIGN_FIELDS`). None imports all.
        current_ids: as in `read_human_truth`.

    Raises:
        InputError: the file is missing or is not JSON, with the line.
    """
    by_path = {path: photo.image_id for photo in photos for path in (photo.rel_path, *photo.also_at)}
    by_nfc_path: dict[str, set[str]] = defaultdict(set)
    for path, found_id in by_path.items():
        by_nfc_path[unicodedata.normalize("NFC", path)].add(found_id)
    known = set(by_path.values())
    result = HumanImport()
    fitter = KeyFitter(taxonomy)
    first_place: dict[str, str] = {}
    for place, value in read_objects(file):
        problem = _find_problem(value)
        image_id = "" if problem else value.get("image_id") or _find_photo_id(by_path, by_nfc_path, value)
        image_id = current_ids.get(image_id, image_id)
        if problem:
            result.problems.append(f"{place}: {_name(value)} {problem}")
        elif image_id not in known:
            result.problems.append(f"{place}: {_name(value)} is not in the library")
            result.unknown_ids.append(str(image_id))
        elif sample is not None and image_id not in sample:
            result.left_out += 1
        elif not value.get(CHECKED, True):
            result.unchecked += 1
        elif image_id in first_place:
            result.problems.append(f"{place}: {_name(value)} has a record already: {first_place[image_id]}")
        else:
            first_place[image_id] = place
            _add_record(result, place, {**value, "image_id": image_id}, fitter, sample)
    fitter.log_changes(file)
    return result


def describe_other_ids(photos: Sequence[Photo], found: HumanImport) -> str:
    """Return a sentence if the file's ids have another length than the library's, else an empty text."""
    own = {len(photo.image_id) for photo in photos}
    other = {len(image_id) for image_id in found.unknown_ids} - own
    if not other or not own:
        return ""
    return (
        f"The file's ids have {min(other)} digits and the library's {min(own)}: set library.content_hash in "
        "params.yaml to xxh64 for 16 digits or xxh3_128 for 32, or name photos by rel_path"
    )


def describe_changes(
    human: Path,
    records: Mapping[str, GroundTruth],
    taxonomy: Taxonomy,
    current_ids: Mapping[str, str] = NO_EARLIER_IDS,
) -> dict[str, str]:
    """Return one line for each photo, by id, whose record in the audited file would be new or changed.

    A decision of the review page overrides the file; the line says so if there is one. `current_ids` is as in
    `read_human_truth`.

    Raises:
        InputError: a log or the audited file is damaged.
    """
    current = _find_current(_read_audited_file(human), current_ids)
    index = DecisionIndex(human, taxonomy, is_strict=False, current_ids=current_ids)
    lines = {}
    for image_id, record in records.items():
        difference = describe_difference(current.get(image_id), record)
        state = index.state(image_id)
        override = f"; overridden by {state.decided_by}'s decision: {describe_labels(state.truth)}"
        if difference:
            lines[image_id] = f"{image_id}: {difference}{override if state.decided_by else ''}"
    return lines


def describe_teaching(
    human: Path,
    records: Mapping[str, GroundTruth],
    taxonomy: Taxonomy,
    current_ids: Mapping[str, str] = NO_EARLIER_IDS,
) -> dict[str, str]:
    """Return one line for each photo, by id, whose truth the records would change as decisions.

    Raises:
        InputError: a log or the audited file is damaged.
    """
    index = DecisionIndex(human, taxonomy, is_strict=False, current_ids=current_ids)
    before = {image_id: index.state(image_id).truth for image_id in records}
    index.add(log_path(human, IMPORTED), _make_lines(records))
    differences = {i: describe_difference(was, index.state(i).truth) for i, was in before.items()}
    return {
        image_id: f"{image_id}: {difference}" for image_id, difference in differences.items() if difference
    }


def apply_import(
    human: Path, records: Mapping[str, GroundTruth], current_ids: Mapping[str, str] = NO_EARLIER_IDS
) -> Path:
    """Write the records into the audited file, replacing those of the same photos.

    Other fields of a replaced record, such as how the photo was drawn, are kept. A record under an earlier id
    of the photo (`current_ids`) stays in the file, and no longer counts.
    """
    path = human / AUDITED_FILE
    merged = _read_audited_file(human)
    current = _find_current(merged, current_ids)
    for image_id, record in records.items():
        kept = dict(current[image_id].extra) if image_id in current else {}
        kept.pop(CHECKED, None)  # somebody has judged it now
        merged[image_id] = msgspec.structs.replace(record, extra={**kept, **record.extra})
    write_json(path, [truth_object(record) for record in merged.values()])
    return path


def append_teaching(human: Path, store: Path, records: Mapping[str, GroundTruth]) -> Path:
    """Append the records to the log `imported.jsonl`, and to its backup in the store.

    Raises:
        StoreError: the disk is full or fails.
    """
    (path,) = append_lines(human, store, {IMPORTED: _make_lines(records)})
    return path


def refuse_problems(file: Path, found: HumanImport, taxonomy: Taxonomy, is_dropping_keys: bool) -> None:
    """Refuse an import that has problems, unless they are unknown keys that may be dropped.

    Raises:
        InputError: lists the problems; a key that is unknown in many records is listed once.
    """
    problems = list(found.problems)
    if not is_dropping_keys:
        for key, (first, *others) in found.unknown_keys.items():
            place = f"{first} and {len(others)} more records" if others else first
            unknown = f"{describe_unknown_key(key, taxonomy)}; {describe_entry(key, taxonomy)}"
            problems.append(f"{place}: {unknown}")
    if problems:
        lines = problems[:_MAX_SHOWN_PROBLEMS]
        if problems[_MAX_SHOWN_PROBLEMS:]:
            lines.append(f"... and {len(problems) - _MAX_SHOWN_PROBLEMS} more")
        shown = "\n  ".join(lines)
        hint = "\n--drop-unknown-keys imports the records without those keys" if found.unknown_keys else ""
        raise InputError(f"nothing was imported from {file}:\n  {shown}{hint}")


def _make_lines(records: Mapping[str, GroundTruth]) -> list[Decision]:
    begin = datetime.now(UTC)
    return [
        Decision(
            image_id=image_id,
            decided_at=format_time(begin + timedelta(microseconds=number)),
            purpose="teach",
            after=truth_value(record),
        )
        for number, (image_id, record) in enumerate(records.items())
    ]


def _add_record(
    result: HumanImport,
    place: str,
    value: dict[str, Any],
    fitter: KeyFitter,
    sample: Mapping[str, Mapping[str, Any]] | None,
) -> None:
    """Add one record to the result, without its unknown keys."""
    drawn = sample[value["image_id"]] if sample is not None else {}
    design = {name: drawn[name] for name in (*DESIGN_FIELDS, ASKED_SHARE) if name in drawn}
    try:
        record = parse_truth({**value, **design}, place)
    except InputError as error:
        result.problems.append(str(error))
        return
    # A misspelt object must be reported; with `lifts` it would count as its ancestor.
    result.records[record.image_id], unknown = fitter.fit(record, lifts=False)
    for key in sorted(set(unknown)):
        result.unknown_keys.setdefault(key, []).append(place)


def _read_audited_file(human: Path) -> dict[str, GroundTruth]:
    path = human / AUDITED_FILE
    return {record.image_id: record for record in read_truth_file(path)} if path.exists() else {}


def _find_current(
    audited: Mapping[str, GroundTruth], current_ids: Mapping[str, str]
) -> dict[str, GroundTruth]:
    """Return the records by present id; one under the present id counts before one under an earlier id."""
    return {current_ids[i]: record for i, record in audited.items() if i in current_ids} | dict(audited)


def _find_problem(value: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a record's fields, before its values are read."""
    for name in ("image_id", "rel_path"):
        if not isinstance(value.get(name, ""), str):
            return f"has the {name} {value[name]!r}, which is not text"
    for name in value.keys() - set(_FIELDS):
        near = difflib.get_close_matches(name.lower(), _FIELDS, n=1, cutoff=0.8)
        if near and near[0] not in value:
            return f"has the unknown field {name!r}; did you mean {near[0]}?"
    scene = value.get("scene")
    if isinstance(scene, list) and len(scene) > 1:
        return f"has {len(scene)} scenes, and a photo has one: {', '.join(map(str, scene))}"
    attributes = value.get("attributes")
    for key, judged in attributes.items() if isinstance(attributes, dict) else ():
        if not isinstance(judged, bool):
            return f"has {key}: {judged!r}, which is neither true nor false"
    return None


def _find_photo_id(
    by_path: Mapping[str, str], by_nfc_path: Mapping[str, set[str]], value: Mapping[str, Any]
) -> str:
    """Return the id of the photo at a record's path, empty if there is none.

    `by_nfc_path` has paths in Unicode NFC, since macOS writes `é` as two characters, others as one.
    """
    path = value.get("rel_path", "")
    alike = by_nfc_path.get(unicodedata.normalize("NFC", path), set())
    return by_path.get(path) or (next(iter(alike)) if len(alike) == 1 else "")


def _name(value: Mapping[str, Any]) -> str:
    return f"photo {value.get('image_id') or value.get('rel_path') or '(no image_id and no rel_path)'}"
