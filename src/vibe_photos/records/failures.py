"""`failures.jsonl`, next to the raw annotations: the photos that got no answer, and why."""

from pathlib import Path
from typing import Literal, get_args

import msgspec

from vibe_photos.errors import InputError
from vibe_photos.storage.jsonl import read_jsonl, write_jsonl

FailureKind = Literal["unreadable", "refused", "no_answer", "length", "unparsable", "missing", "represented"]
"""`unreadable`: the photo could not be decoded. `refused`: the server takes everything but this request.
`no_answer`: every attempt failed. `length`: the reply was truncated, also with the larger limit.
`unparsable`: the reply is no annotation. `missing`: not asked, as there is no server to ask
(`teacher.server: store`). `represented`: not asked, as a near-duplicate is (`annotate.bursts: once`)."""

FAILURE_KINDS: tuple[FailureKind, ...] = get_args(FailureKind)[:-1]
"""All but `represented`, which nobody meant to ask about."""

NEVER_SENT: tuple[FailureKind, ...] = ("missing", "represented")


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line: a photo without a usable answer, and the raw text of its reply, if any.

    `retry` marks what the next run of the stage `annotate` asks about again. `represented_by` is the photo
    that is asked in place of this one.
    """

    image_id: str
    rel_path: str
    kind: FailureKind
    detail: str
    reply: str | None = None
    retry: bool = False
    represented_by: str | None = None


def failures_path(raw_annotations: Path) -> Path:
    """Return the path of the failures."""
    return raw_annotations.with_name("failures.jsonl")


def read_failures(raw_annotations: Path) -> dict[str, Failure]:
    """Return the recorded failures by image id; none where there is no file.

    Raises:
        InputError: a line is no failure.
    """
    path = failures_path(raw_annotations)
    try:
        return {failure.image_id: failure for failure in read_jsonl(path, Failure)} if path.exists() else {}
    except InputError as error:
        raise InputError(
            f"{error}. `dvc checkout --force {path}` brings the file back; or delete it: the stage annotate "
            "recreates it"
        ) from None


def mark_for_retry(raw_annotations: Path) -> int:
    """Mark the failures with a temporary reason (`no_answer`) for a retry; return their number.

    This changes the file, so DVC runs the stage `annotate` again.
    """
    failures = read_failures(raw_annotations).values()
    count = sum(failure.kind == "no_answer" for failure in failures)
    if count:
        marked = [msgspec.structs.replace(each, retry=each.kind == "no_answer") for each in failures]
        write_jsonl(failures_path(raw_annotations), marked)
    return count
