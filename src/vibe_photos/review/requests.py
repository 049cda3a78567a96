"""What the page asks of the server: the JSON bodies and the queries of every route, typed."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MOST_ITEMS = 500

Offset = Annotated[int, Meta(ge=0, le=1 << 32)]
Limit = Annotated[int, Meta(ge=1, le=MOST_ITEMS)]
Note = Annotated[str, Meta(max_length=2000)]
Seen = Literal["teacher", "student", "reviewers"]
"""Opinions that the reviewer had before their eyes."""

ListName = Literal["measure", "teach", "disagreements", "flagged", "all"]
Purpose = Literal["measure", "teach"]
SkipReason = Literal["", "cannot tell", "private", "not a photo"]
StatusName = Literal["open", "skipped", "audited"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the page sends: no unknown fields."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one photo. An attribute that was not judged is absent."""

    scene: str | None = None
    attributes: dict[str, bool] = {}
    objects: list[str] = []


class DecisionRequest(Request, frozen=True):
    """One photo's truth; `version` is the one that the page knew. `after` null takes the truth away."""

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
    """A photo to be put at the end, or remarked upon; without flag and note these stay as they are."""

    image_id: str
    is_flagged: bool | None = None
    note: Note | None = None
    reason: SkipReason = ""


class UndoRequest(Request, frozen=True):
    """Nothing to say: the reviewer's own last line is taken back."""


class QueueQuery(Request, frozen=True):
    """Which photos of a list; `label` is that of the audited truth, else of the teacher's."""

    list: ListName = "measure"
    label: str = ""
    text: str = ""
    status: StatusName | None = None
    offset: Offset = 0
    limit: Limit = 200


class GridQuery(Request, frozen=True):
    """Which open photos of the queue: those of a scene, by the teacher or by the student."""

    scene: str
    list: Purpose = "measure"
    by: Literal["teacher", "student"] = "teacher"
    offset: Offset = 0
    limit: Limit = 20


class LibraryQuery(Request, frozen=True):
    """Which photos of the library, by final label."""

    label: str = ""
    text: str = ""
    offset: Offset = 0
    limit: Limit = 60
