"""What counts of one photo, once several people have decided about it, undone it or passed it over."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from vibe_photos.records.ground_truth import Decision, GroundTruth

OTHERS_SEEN = "reviewers"
"""In `Decision.seen`: the reviewer knew what the others had decided, so this settles a disagreement."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one reviewer last decided of a photo."""

    reviewer: str
    decided_at: str
    truth: GroundTruth


@dataclass(frozen=True, slots=True)
class PhotoState:
    """What is known of one photo now.

    Attributes:
        version: how many lines of all logs are about it; grows with every decision, skip and undo.
        truth: what is taken as true; None if nobody audited the photo.
        decided_by: the reviewer whose decision that is; None if the truth is the edited file's.
        measures: whether the truth was said to measure; else it was said to teach.
        is_flagged: whether the last line that stands flags it.
        note: the note of that line.
        skipped_at: since when it waits at the end of the queue; None if it was not skipped.
        opinions: the latest of each reviewer, where two of them differ; else none.
    """

    version: int = 0
    truth: GroundTruth | None = None
    decided_by: str | None = None
    measures: bool = False
    is_flagged: bool = False
    note: str = ""
    skipped_at: str | None = None
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True, slots=True)
class ActiveLine:
    """One line that was not taken back; `truth` is its `after`, checked."""

    reviewer: str
    line: Decision
    truth: GroundTruth | None


def judge_photo(edited: GroundTruth | None, lines: Sequence[ActiveLine], version: int) -> PhotoState:
    """Return a photo's state.

    Args:
        edited: its record in the file that people edit.
        lines: the lines that stand, of all reviewers, oldest first.
        version: how many lines there are, those included that do not stand.
    """
    if not lines:
        return PhotoState(version=version, truth=edited, measures=edited is not None)
    decided = [line for line in lines if line.line.kind == "decision"]
    moves = [line.line for line in lines if line.line.kind != "remark"]
    truth = decided[-1].truth if decided else edited
    is_waiting = truth is None and bool(moves) and moves[-1].kind == "skip"
    return PhotoState(
        version=version,
        truth=truth,
        decided_by=decided[-1].reviewer if decided else None,
        measures=edited is not None
        or any(line.line.purpose == "measure" and line.truth is not None for line in decided),
        is_flagged=lines[-1].line.is_flagged,
        note=lines[-1].line.note,
        skipped_at=moves[-1].decided_at if is_waiting else None,
        opinions=_find_disagreement(decided),
    )


def truth_value(record: GroundTruth | None) -> dict[str, Any] | None:
    """Return a truth as a log holds it: without the id, with the fields that are not ours."""
    if record is None:
        return None
    labels = {"scene": record.scene, "attributes": record.attributes, "objects": record.objects}
    return {**labels, **record.extra}


def write_time(time: datetime) -> str:
    """Return a time as the logs have it; one without a zone is taken as UTC.

    It always has six digits of seconds, unlike `isoformat`: text order must be time order.
    """
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def differ(one: GroundTruth, other: GroundTruth) -> bool:
    """Tell whether two truths contradict each other; an attribute that one did not judge does not."""
    judged = one.attributes.keys() & other.attributes.keys()
    return (
        one.scene != other.scene
        or set(one.objects) != set(other.objects)
        or any(one.attributes[key] != other.attributes[key] for key in judged)
    )


def _find_disagreement(decided: Sequence[ActiveLine]) -> tuple[Opinion, ...]:
    latest: dict[str, Opinion] = {}
    for standing in decided:
        if OTHERS_SEEN in standing.line.seen:
            latest.clear()
        latest.pop(standing.reviewer, None)
        if standing.truth is not None:
            latest[standing.reviewer] = Opinion(standing.reviewer, standing.line.decided_at, standing.truth)
    opinions = tuple(latest.values())
    is_disputed = any(differ(a.truth, b.truth) for a, b in combinations(opinions, 2))
    return opinions if is_disputed else ()
