"""Truth files as people and programs write them: a JSON list, one JSON object, or JSON Lines."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.taxonomy import HEADS, describe_unknown_key, head_keys, parent_key
from vibe_photos.settings import Taxonomy

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
