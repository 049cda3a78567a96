"""People's labels: the edited file, overridden by the logs of the review page.

`data/human/` is written by people, never by a stage. Both sources are combined when they are read. Labels
*measure* (the review sample and the edited file) or *teach* (any other photo). If a photo has both kinds, it
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

NO_IDS: Mapping[str, str] = MappingProxyType({})
"""No photo had another id."""

CHECKED = "checked"
"""The field of a record copied from `to_review.json`: false until a person has checked the photo."""


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

    `current_ids` has the present id of each photo whose file was rewritten, by its earlier ids: the labels
    are of that one.

    A record of the edited file counts unless it has `"checked": false`. Its other fields (`stratum`,
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
    """Return the checked records, with their places, under their photos' present ids, one for each photo.

    A record under the present id counts before one under an earlier id.
    """
    found: dict[str, tuple[str, GroundTruth]] = {}
    checked = [one for one in placed if one[1].extra.get(CHECKED, True)]
    for place, record in sorted(checked, key=lambda one: one[1].image_id not in current_ids):
        image_id = current_ids.get(record.image_id, record.image_id)
        found[image_id] = place, msgspec.structs.replace(record, image_id=image_id)
    return list(found.values())


def _combine(
    placed: Sequence[tuple[str, GroundTruth]], logs: Sequence[Path], current_ids: Mapping[str, str]
) -> HumanTruth:
    checked = rename_checked(placed, current_ids)
    edited = {record.image_id: record for _, record in checked}
    places = {record.image_id: place for place, record in checked}
    measured, skipped = dict(edited), {}
    taught: dict[str, GroundTruth] = {}
    assisted: dict[str, bool] = {}
    for image_id, lines in _lines_by_photo(logs, current_ids).items():
        decided = [(reviewer, line, place) for reviewer, line, place in lines if line.kind == "decision"]
        if decided:
            _, line, _ = decided[-1]
            measures = image_id in edited or any(
                one.purpose == "measure" and one.after is not None for _, one, _ in decided
            )
            measured.pop(image_id, None)
            if line.after is not None:
                extra = dict(edited[image_id].extra) if image_id in edited else {}
                extra.pop(PROPOSED, None)  # the decision has its own, or took them away
                standing = [decided[i] for i in find_standing([(who, one) for who, one, _ in decided])]
                record, used = combine_truths(
                    parse_truth({**extra, **(one.after or {}), "image_id": image_id}, at)
                    for _, one, at in reversed(standing)
                )
                places[image_id] = "; ".join(at for *_, at in standing[-used:])
                (measured if measures else taught)[image_id] = record
                if line.unassisted or line.shown is not None:
                    assisted[image_id] = not line.unassisted
        if image_id not in measured and lines[-1][1].kind == "skip":
            skipped[image_id] = lines[-1][1].reason
    measured, taught = dict(sorted(measured.items())), dict(sorted(taught.items()))
    return HumanTruth(measured, taught, dict(sorted(skipped.items())), places, assisted)


def find_standing(decided: Sequence[tuple[str, Decision]]) -> list[int]:
    """Return which of a photo's decisions, each with its reviewer and oldest first, stand beside each other.

    They are each reviewer's last; a decision by someone who knew the others' replaces them all.
    """
    standing: dict[str, int] = {}
    for number, (reviewer, line) in enumerate(decided):
        if "reviewers" in line.seen:
            standing.clear()
        standing.pop(reviewer, None)
        if line.after is not None:
            standing[reviewer] = number
    return list(standing.values())


def combine_truths(standing: Iterable[GroundTruth]) -> tuple[GroundTruth, int]:
    """Return a photo's truth by the decisions that stand, newest first, and how many of them it is made of.

    The newest counts. If it does not judge scene or objects, what it does not judge is as in those before it.
    """
    newest_first = iter(standing)
    truth, used = next(newest_first), 1
    while not (truth.scene and truth.objects is not None) and (earlier := next(newest_first, None)):
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


def _lines_by_photo(
    logs: Sequence[Path], current_ids: Mapping[str, str]
) -> dict[str, list[tuple[str, Decision, str]]]:
    """Return the active lines except remarks, by photo, oldest first; each with its reviewer and place."""
    lines: dict[str, list[tuple[str, Decision, str]]] = {}
    for log in logs:
        numbered = list(read_numbered_records(log, Decision))
        number_of = {line.decided_at: number for number, line in numbered}
        for line in active_lines([line for _, line in numbered]):
            if line.kind != "remark":
                place = f"{log}, line {number_of[line.decided_at]}"
                image_id = current_ids.get(line.image_id, line.image_id)
                lines.setdefault(image_id, []).append((log.stem, line, place))
    for of_photo in lines.values():
        of_photo.sort(key=lambda found: found[1].decided_at)
    return lines
