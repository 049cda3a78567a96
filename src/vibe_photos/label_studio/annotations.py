"""Label Studio's JSON export as decisions, as if they had been made on the review page.

Each annotation becomes one line in the log of who made it, at the time when it was last changed, with all
that Label Studio says of it. So what counts of two annotations, and who disagrees, follows from the same rule
as between reviewers. A skipped task becomes a skip. What a log holds already is not written again.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.label_studio.interface import Interface, Result
from vibe_photos.label_studio.reviewer_logs import ReviewerLog, log_path, write_time
from vibe_photos.records.ground_truth import Decision, read_objects
from vibe_photos.records.photos import Photo
from vibe_photos.review.photo_state import truth_value

T = TypeVar("T")

KEPT = "label_studio"
"""The field of a decision's truth that holds the annotation as it came."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Person(msgspec.Struct, frozen=True):
    id: int | str
    email: str = ""


class _Data(msgspec.Struct, frozen=True):
    image_id: str
    design: dict[str, str | int | float] = {}


class _Annotation(msgspec.Struct, frozen=True):
    """What counts of one annotation; its other fields are kept as they are."""

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

    `lines` holds the new lines by reviewer, `problems` a sentence for each annotation that cannot be taken.
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
        InputError: the file is missing, no JSON, or JSON-MIN, which does not say what was skipped.
    """
    reader = _Reader({photo.image_id for photo in photos}, interface, human, names)
    for place, value in read_objects(file):
        try:
            reader.take_task(_convert(value, _Task), place)
        except InputError as error:
            if "annotation_id" in value:
                raise InputError(
                    f"{file} is a JSON-MIN export, which does not say what was skipped: export as JSON"
                ) from None
            reader.found.problems.append(f"{place}: {error}")
    reader.found.lines = {reviewer: log.new for reviewer, log in reader.logs.items() if log.new}
    return reader.found


class _Reader:
    """Takes task after task; `logs` are those of the reviewers met so far."""

    def __init__(self, known: set[str], interface: Interface, human: Path, names: Mapping[str, str]) -> None:
        self.found = AnnotationImport()
        self.logs: dict[str, ReviewerLog] = {}
        self._known = known
        self._interface = interface
        self._human = human
        self._names = names

    def take_task(self, task: _Task, place: str) -> None:
        counts = self.found.counts
        counts["tasks"] += 1
        counts["unlabelled"] += not task.annotations
        image_id = task.data.image_id
        if image_id not in self._known:
            raise InputError(f"photo {image_id} is not in the library")
        for number, value in enumerate(task.annotations, start=1):
            try:
                counts[self._take_annotation(task, value)] += 1
            except InputError as error:
                self.found.problems.append(f"{place}, annotation {number} (photo {image_id}): {error}")

    def _take_annotation(self, task: _Task, value: dict[str, Any]) -> str:
        """Take one annotation; return what it counts as."""
        annotation = _convert(value, _Annotation)
        reviewer = _name_reviewer(annotation.completed_by, self._names)
        line = _decide(task, annotation, value, self._interface)
        if reviewer not in self.logs:
            self.logs[reviewer] = ReviewerLog(log_path(self._human, reviewer))
        if not self.logs[reviewer].add(line):
            return "known"
        return "skips" if annotation.was_cancelled else "annotations"


def _decide(task: _Task, annotation: _Annotation, value: dict[str, Any], interface: Interface) -> Decision:
    image_id = task.data.image_id
    kept = _without_prediction(value)
    after: dict[str, Any] | None = {KEPT: kept}
    if not annotation.was_cancelled:
        truth = interface.read_results(image_id, annotation.result)
        extra = {**task.data.design, KEPT: kept}
        after = truth_value(msgspec.structs.replace(truth, extra=extra))
    return Decision(
        image_id=image_id,
        decided_at=write_time(annotation.updated_at or annotation.created_at),
        after=after,
        kind="skip" if annotation.was_cancelled else "decision",
        seen=["teacher"] if task.predictions else [],
    )


def _without_prediction(value: dict[str, Any]) -> dict[str, Any]:
    """Return an annotation with only the id of the prediction, our own, that it began from."""
    prediction = value.get("prediction")
    return {**value, "prediction": prediction.get("id")} if isinstance(prediction, dict) else value


def _name_reviewer(person: int | str | _Person | None, names: Mapping[str, str]) -> str:
    """Return whose log an annotation belongs into: the name of a file."""
    keys = [str(person.id), person.email] if isinstance(person, _Person) else [str(person or "unknown")]
    name = next((names[key] for key in keys if key in names), f"label-studio-{keys[0]}")
    if not _NAME.fullmatch(name):
        raise InputError(f"{name!r} cannot name a log; --reviewer {keys[0]}=NAME gives a name")
    return name


def _convert(value: dict[str, Any], kind: type[T]) -> T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"no {kind.__name__.strip('_').lower()} of Label Studio: {error}") from None
