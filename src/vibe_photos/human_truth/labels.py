"""People's labels: the audited file, overridden by the logs of the review page.

`data/human/` is written by people, never by a stage. Both sources are combined when they are read. Labels
*measure* (the review sample and the audited file) or *teach* (any other photo). If a photo has both kinds, it
measures.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

import msgspec

from vibe_photos.records.ground_truth import (
    PROPOSED,
    Decision,
    GroundTruth,
    fit_keys,
    parse_truth,
    read_placed_truth,
)
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import read_numbered_records

AUDITED_FILE = "ground_truth_human.audited.json"
DECISIONS_FOLDER = "decisions"

NO_EARLIER_IDS: Mapping[str, str] = MappingProxyType({})
"""No photo had another id."""

CHECKED = "checked"
"""The field of a record copied from `to_review.json`: false until a person has checked the photo."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a reviewer's log, at `place` (file and number); the review page adds its checked `after`."""

    reviewer: str
    line: Decision
    place: str
    truth: GroundTruth | None = None


@dataclass(frozen=True, slots=True)
class HumanTruth:
    """People's current labels by `image_id`, in the order of the ids.

    Attributes:
        measured: records that measure.
        taught: records that teach.
        skipped: for photos that were shown and skipped, the reason; empty if none was given.
        places: the file and line of each record.
        assisted: for records made on the review page, whether the teacher's labels were filled in (True) or
            hidden (False); photos that it had not labelled, and those of other records, are absent.
    """

    measured: Mapping[str, GroundTruth]
    taught: Mapping[str, GroundTruth]
    skipped: Mapping[str, str]
    places: Mapping[str, str] = field(default_factory=dict)
    assisted: Mapping[str, bool] = field(default_factory=dict)

    @property
    def everything(self) -> dict[str, GroundTruth]:
        """All records, measured and taught."""
        return {**self.taught, **self.measured}

    def fit(self, taxonomy: Taxonomy, human: Path) -> "HumanTruth":
        """Return the same with the taxonomy's label keys (`fit_keys`).

        Raises:
            InputError: a label key is unknown.
        """
        fitted: Iterable[GroundTruth] = fit_keys(self.everything.values(), taxonomy, human, self.places)
        by_id = {record.image_id: record for record in fitted}
        return replace(
            self,
            measured={image_id: by_id[image_id] for image_id in self.measured},
            taught={image_id: by_id[image_id] for image_id in self.taught},
        )


def read_human_truth(human: Path, current_ids: Mapping[str, str]) -> HumanTruth:
    """Read all of people's labels, with the keys as written; empty if there are none yet.

    `current_ids` maps an earlier id of a photo to its present id. Labels are returned under the present id.

    A record of the audited file counts unless it has `"checked": false`. Its other fields (`stratum`,
    `rel_path` ...) are in `extra`, also if a decision overrides the record.

    Raises:
        InputError: a record is malformed or given twice.
    """
    path = human / AUDITED_FILE
    placed = read_placed_truth(path) if path.exists() else []
    return _combine(placed, sorted((human / DECISIONS_FOLDER).glob("*.jsonl")), current_ids)


def read_log_truth(log: Path, current_ids: Mapping[str, str]) -> HumanTruth:
    """Read the labels of one reviewer's log alone; arguments and errors as for `read_human_truth`."""
    return _combine([], [log], current_ids)


def rename_checked(
    placed: Sequence[tuple[str, GroundTruth]], current_ids: Mapping[str, str]
) -> list[tuple[str, GroundTruth]]:
    """Return the checked records, with their places, under their photos' present ids, one for each photo."""
    found: dict[str, tuple[str, GroundTruth]] = {}
    checked = [one for one in placed if one[1].extra.get(CHECKED, True)]
    # Earlier ids first, so that a record under the present id overwrites them.
    for place, record in sorted(checked, key=lambda one: one[1].image_id not in current_ids):
        image_id = current_ids.get(record.image_id, record.image_id)
        found[image_id] = place, msgspec.structs.replace(record, image_id=image_id)
    return list(found.values())


def _combine(
    placed: Sequence[tuple[str, GroundTruth]], logs: Sequence[Path], current_ids: Mapping[str, str]
) -> HumanTruth:
    """For each photo, let the decisions of the logs replace the record of the audited file."""
    checked = rename_checked(placed, current_ids)
    edited = {record.image_id: record for _, record in checked}
    places = {record.image_id: place for place, record in checked}
    measured, skipped = dict(edited), {}
    taught: dict[str, GroundTruth] = {}
    assisted: dict[str, bool] = {}
    for image_id, lines in _lines_by_photo(logs, current_ids).items():
        decided = [one for one in lines if one.line.kind == "decision"]
        if decided:
            measured.pop(image_id, None)
            last = decided[-1].line
            if last.after is not None:
                measures = image_id in edited or any(
                    one.line.purpose == "measure" and one.line.after is not None for one in decided
                )
                record, places[image_id] = _combine_decisions(image_id, decided, edited.get(image_id))
                (measured if measures else taught)[image_id] = record
                if last.unassisted or last.shown is not None:
                    assisted[image_id] = not last.unassisted
        if image_id not in measured and lines[-1].line.kind == "skip":
            skipped[image_id] = lines[-1].line.reason
    measured, taught = dict(sorted(measured.items())), dict(sorted(taught.items()))
    return HumanTruth(measured, taught, dict(sorted(skipped.items())), places, assisted)


def _combine_decisions(
    image_id: str, decided: Sequence[LogLine], edited: GroundTruth | None
) -> tuple[GroundTruth, str]:
    """Return the truth by a photo's decisions, and their places; a file's extra fields are kept."""
    extra = dict(edited.extra) if edited else {}
    extra.pop(PROPOSED, None)  # the decision has its own, or took them away
    valid = find_valid_decisions(decided)
    record, used = combine_truths(
        parse_truth({**extra, **(one.line.after or {}), "image_id": image_id}, one.place)
        for one in reversed(valid)
    )
    return record, "; ".join(one.place for one in valid[-used:])


def find_valid_decisions(decided: Iterable[LogLine]) -> list[LogLine]:
    """Return the valid ones of a photo's decisions, given and returned oldest first: each reviewer's last.

    A decision by a reviewer who saw the others' decisions replaces all earlier ones.
    """
    valid: dict[str, LogLine] = {}
    for one in decided:
        if "reviewers" in one.line.seen:
            valid.clear()
        valid.pop(one.reviewer, None)
        if one.line.after is not None:
            valid[one.reviewer] = one
    return list(valid.values())


def combine_truths(newest_first: Iterable[GroundTruth]) -> tuple[GroundTruth, int]:
    """Return a photo's truth by its valid decisions, and how many of them it is made of.

    The newest counts. If it does not judge scene or objects, what it does not judge is as in those before it.
    """
    truths = iter(newest_first)
    truth, used = next(truths), 1
    while not (truth.scene and truth.objects is not None) and (earlier := next(truths, None)):
        used += 1
        truth = msgspec.structs.replace(
            truth,
            scene=truth.scene or earlier.scene,
            attributes={**earlier.attributes, **truth.attributes},
            objects=earlier.objects if truth.objects is None else truth.objects,
        )
    return truth, used


def active_lines(lines: Sequence[Decision]) -> list[Decision]:
    """Return the lines of one reviewer's log that were not undone, without the undo lines."""
    undone = {line.undoes for line in lines}
    return [line for line in lines if line.undoes is None and line.decided_at not in undone]


def _lines_by_photo(logs: Sequence[Path], current_ids: Mapping[str, str]) -> dict[str, list[LogLine]]:
    """Return the active lines except remarks, by photo, oldest first."""
    lines: dict[str, list[LogLine]] = {}
    for log in logs:
        numbered = list(read_numbered_records(log, Decision))
        number_of = {line.decided_at: number for number, line in numbered}
        for line in active_lines([line for _, line in numbered]):
            if line.kind != "remark":
                place = f"{log}, line {number_of[line.decided_at]}"
                image_id = current_ids.get(line.image_id, line.image_id)
                lines.setdefault(image_id, []).append(LogLine(log.stem, line, place))
    for photo_lines in lines.values():
        photo_lines.sort(key=lambda one: one.line.decided_at)
    return lines
