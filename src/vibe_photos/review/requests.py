"""The requests of the JSON API: bodies and queries."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_ITEMS = 500

Offset = Annotated[int, Meta(ge=0, le=1 << 32)]
Limit = Annotated[int, Meta(ge=1, le=MAX_ITEMS)]
Note = Annotated[str, Meta(max_length=2000)]
Seen = Literal["teacher", "student", "reviewers"]
"""Whose labels the reviewer saw."""

ListName = Literal["measure", "teach", "disagreements", "flagged", "all"]
Purpose = Literal["measure", "teach"]
Speaker = Literal["teacher", "student", "people"]
SkipReason = Literal["", "cannot tell", "private", "not a photo"]
StatusName = Literal["open", "skipped", "audited"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests; unknown fields are an error."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one photo. An attribute that was not judged is absent."""

    scene: str | None = None
    attributes: dict[str, bool] = {}
    objects: list[str] = []


class DecisionRequest(Request, frozen=True):
    """One photo's truth; `version` is the photo's version on the page. `after` null removes the truth."""

    image_id: str
    version: int
    after: Truth | None
    is_flagged: bool = False
    note: Note = ""
    seen: list[Seen] = []


class DecisionsRequest(Request, frozen=True):
    """Several photos' truth, from the grid."""

    decisions: Annotated[list[DecisionRequest], Meta(max_length=200)]


class SkipRequest(Request, frozen=True):
    """A photo to skip or remark on; if flag or note are null, they are not changed."""

    image_id: str
    is_flagged: bool | None = None
    note: Note | None = None
    reason: SkipReason = ""


class UndoRequest(Request, frozen=True):
    """Undo the reviewer's own last line."""


class QueueQuery(Request, frozen=True):
    """Photos of a list; `label` is matched against the audited truth, else the teacher's."""

    list: ListName = "measure"
    label: str = ""
    text: str = ""
    status: StatusName | None = None
    offset: Offset = 0
    limit: Limit = 200


class GridQuery(Request, frozen=True):
    """Open photos of a queue with one scene, by the teacher or by the student."""

    scene: str
    list: Purpose = "measure"
    by: Literal["teacher", "student"] = "teacher"
    offset: Offset = 0
    limit: Limit = 20


class LibraryQuery(Request, frozen=True):
    """Photos of the library, by final label."""

    label: str = ""
    text: str = ""
    offset: Offset = 0
    limit: Limit = 60
