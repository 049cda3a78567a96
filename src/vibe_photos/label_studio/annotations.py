"""Read Label Studio's JSON export as decisions, and compare them with the reviewers' logs.

Each annotation becomes one line in its annotator's log, with the time of its last change and the original
annotation. So the rules for several reviewers also apply to annotations. A skipped task becomes a skip. A
line that a log already has is not written again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.label_studio.interface import Interface, Result
from vibe_photos.records.ground_truth import Decision, read_objects
from vibe_photos.records.photos import Photo
from vibe_photos.review.api import Purpose
from vibe_photos.review.decision_index import (
    DecisionIndex,
    describe_difference,
    describe_labels,
    format_time,
    truth_value,
)
from vibe_photos.review.decisions import log_path
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import read_jsonl

T = TypeVar("T")

ORIGINAL = "label_studio"
"""The field of a decision's truth that holds the original annotation."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Person(msgspec.Struct, frozen=True):
    id: int | str
    email: str = ""


class _Data(msgspec.Struct, frozen=True):
    image_id: str
    purpose: Purpose = "measure"


class _Annotation(msgspec.Struct, frozen=True):
    """The fields of an annotation that are used here."""

    result: list[Result]
    created_at: datetime
    updated_at: datetime | None = None
    was_cancelled: bool = False
    completed_by: int | str | _Person | None = None


class _Task(msgspec.Struct, frozen=True):
    data: _Data
    annotations: list[dict[str, Any]]
    predictions: list[Any] = []


@dataclass(slots=True)
class AnnotationImport:
    """What an export would add: nothing is written before `append_lines`.

    `lines` has the new lines by reviewer, `problems` a sentence per annotation that cannot be imported.
    `counts` has `tasks`, `unlabelled` (tasks without an annotation), `annotations`, `skips`, and `known`
    (lines that a log has already).
    """

    lines: dict[str, list[Decision]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


def read_annotations(
    file: Path, photos: Iterable[Photo], interface: Interface, human: Path, names: Mapping[str, str]
) -> AnnotationImport:
    """Read a JSON export of Label Studio and compare it with the logs.

    Args:
        file: the export, in the format that Label Studio calls JSON.
        photos: the manifest.
        interface: the taxonomy's controls.
        human: the folder with the logs.
        names: the reviewer's name by Label Studio's user id or e-mail; others are `label-studio-<id>`.

    Raises:
        InputError: the file is missing, not JSON, or JSON-MIN, which does not say what was skipped.
    """
    ids = {photo.image_id for photo in photos}
    found = AnnotationImport()
    logs: dict[str, _ReviewerLog] = {}
    for place, value in read_objects(file):
        try:
            task = _convert(value, _Task)
            image_id = task.data.image_id
            if image_id not in ids:
                raise InputError(f"photo {image_id} is not in the library")
        except InputError as error:
            if "annotation_id" in value:
                raise InputError(
                    f"{file} is a JSON-MIN export, which does not say what was skipped: export as JSON"
                ) from None
            found.problems.append(f"{place}: {error}")
            continue
        found.counts["tasks"] += 1
        found.counts["unlabelled"] += not task.annotations
        for number, raw in enumerate(task.annotations, start=1):
            try:
                annotation = _convert(raw, _Annotation)
                line = _make_line(task, annotation, raw, interface)
                reviewer = _name_reviewer(annotation.completed_by, names)
                if reviewer not in logs:
                    logs[reviewer] = _ReviewerLog(log_path(human, reviewer))
                is_new = logs[reviewer].add(line)
            except InputError as error:
                found.problems.append(f"{place}, annotation {number} (photo {image_id}): {error}")
                continue
            found.counts["known" if not is_new else "skips" if line.kind == "skip" else "annotations"] += 1
    interface.log_changes(file)
    found.lines = {reviewer: log.new for reviewer, log in logs.items() if log.new}
    return found


def _make_line(task: _Task, annotation: _Annotation, raw: dict[str, Any], interface: Interface) -> Decision:
    """Return an annotation as a line of a log; `raw` is the original annotation."""
    # The prediction was made by us, so its id is enough.
    prediction = raw.get("prediction")
    original = raw | ({"prediction": prediction.get("id")} if isinstance(prediction, dict) else {})
    after: dict[str, Any] | None = {ORIGINAL: original}
    if not annotation.was_cancelled:
        truth = interface.read_results(task.data.image_id, annotation.result)
        after = truth_value(msgspec.structs.replace(truth, extra={ORIGINAL: original}))
    return Decision(
        image_id=task.data.image_id,
        decided_at=format_time(annotation.updated_at or annotation.created_at),
        purpose=task.data.purpose,
        after=after,
        kind="skip" if annotation.was_cancelled else "decision",
        seen=["teacher"] if task.predictions else [],
    )


def _name_reviewer(person: int | str | _Person | None, names: Mapping[str, str]) -> str:
    """Return the name of the log for an annotator."""
    keys = [str(person.id), person.email] if isinstance(person, _Person) else [str(person or "unknown")]
    name = next((names[key] for key in keys if key in names), f"label-studio-{keys[0]}")
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot be a file name; give a name with --reviewer {keys[0]}=NAME")
    return name


def _convert(value: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"not a Label Studio {kind.__name__.strip('_').lower()}: {error}") from None


class _ReviewerLog:
    """One reviewer's lines; every added line gets a unique time."""

    def __init__(self, path: Path) -> None:
        self.lines = {line.decided_at: line for line in read_jsonl(path, Decision)} if path.exists() else {}
        self.new: list[Decision] = []

    def add(self, line: Decision) -> bool:
        """Add a line unless it exists; a time that is already used is increased by a microsecond."""
        time = datetime.fromisoformat(line.decided_at)
        while (known := self.lines.get(format_time(time))) is not None:
            if _is_same(known, line):
                return False
            time += timedelta(microseconds=1)
        line = msgspec.structs.replace(line, decided_at=format_time(time))
        self.lines[line.decided_at] = line
        self.new.append(line)
        return True


def _is_same(known: Decision, line: Decision) -> bool:
    """Return whether two lines come from the same annotation, even if keys were renamed since."""
    if (known.image_id, known.kind) != (line.image_id, line.kind):
        return False
    old, new = ((one.after or {}).get(ORIGINAL) for one in (known, line))
    return known.after == line.after or (old is not None and old == new)


@dataclass(frozen=True, slots=True)
class Differences:
    """One line per photo: changed truths, truths kept because a later decision exists, and disagreements."""

    changes: list[str]
    unchanged_by_later: list[str]
    disagreements: list[str]


def find_differences(human: Path, taxonomy: Taxonomy, lines: Mapping[str, list[Decision]]) -> Differences:
    """Compare the current truth with the truth after adding these lines (by reviewer) to the logs.

    Raises:
        InputError: a log or the audited file is damaged.
    """
    index = DecisionIndex(human, taxonomy, is_strict=False)
    photos = sorted({line.image_id for new in lines.values() for line in new if line.kind == "decision"})
    before = {image_id: index.state(image_id) for image_id in photos}
    for reviewer, new in lines.items():
        index.add(log_path(human, reviewer), new)
    changes, later, disagreements = [], [], []
    for image_id in photos:
        state = index.state(image_id)
        difference = describe_difference(before[image_id].truth, state.truth)
        if difference:
            changes.append(f"{image_id}: {difference}")
        if state.decided_by not in lines:
            later.append(f"{image_id}: {state.decided_by} decided later")
        if conflicting := state.conflicting_decisions:
            said = [f"{one.reviewer} says {describe_labels(one.truth)}" for one in conflicting]
            disagreements.append(f"{image_id}: {'; '.join(said)}")
    return Differences(changes, later, disagreements)
