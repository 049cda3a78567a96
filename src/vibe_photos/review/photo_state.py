"""The state of one photo, derived from the edited file and all reviewers' lines about it."""

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
    """A reviewer's latest decision about a photo."""

    reviewer: str
    decided_at: str
    truth: GroundTruth


@dataclass(frozen=True, slots=True)
class PhotoState:
    """The current state of one photo.

    Attributes:
        version: how many lines of all logs are about it; grows with every decision, skip and undo.
        truth: the true labels; None if nobody audited the photo.
        decided_by: the reviewer who decided; None if the truth is from the edited file.
        measures: whether the truth measures; otherwise it teaches.
        is_unassisted: whether the teacher's and the student's labels were hidden for this decision.
        is_flagged: whether the last active line flags it.
        note: the note of that line.
        skipped_at: when it was skipped; None if it does not wait at the end of the queue.
        opinions: the latest decision of each reviewer, if any two differ; else empty.
    """

    version: int = 0
    truth: GroundTruth | None = None
    decided_by: str | None = None
    measures: bool = False
    is_unassisted: bool = False
    is_flagged: bool = False
    note: str = ""
    skipped_at: str | None = None
    opinions: tuple[Opinion, ...] = ()


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of a reviewer's log; `truth` is its `after`, checked."""

    reviewer: str
    line: Decision
    truth: GroundTruth | None


def derive_state(edited: GroundTruth | None, lines: Sequence[LogLine], version: int) -> PhotoState:
    """Return a photo's state.

    Args:
        edited: its record in the edited file.
        lines: the active lines of all reviewers, oldest first.
        version: how many lines there are, undone ones included.
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
        is_unassisted=bool(decided) and decided[-1].line.unassisted,
        is_flagged=lines[-1].line.is_flagged,
        note=lines[-1].line.note,
        skipped_at=moves[-1].decided_at if is_waiting else None,
        opinions=_find_disagreement(decided),
    )


def truth_value(record: GroundTruth | None) -> dict[str, Any] | None:
    """Return a truth in the form of a log: without the id, with extra fields."""
    if record is None:
        return None
    labels = {"scene": record.scene, "attributes": record.attributes, "objects": record.objects}
    return {**labels, **record.extra}


def format_time(time: datetime) -> str:
    """Return a time in the format of the logs; without a time zone it is taken as UTC.

    Unlike `isoformat` it always has six decimals: text order must be time order.
    """
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def differ(one: GroundTruth, other: GroundTruth) -> bool:
    """Return whether two truths contradict each other; only attributes that both judged are compared."""
    judged = one.attributes.keys() & other.attributes.keys()
    return (
        one.scene != other.scene
        or set(one.objects) != set(other.objects)
        or any(one.attributes[key] != other.attributes[key] for key in judged)
    )


def _find_disagreement(decided: Sequence[LogLine]) -> tuple[Opinion, ...]:
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
