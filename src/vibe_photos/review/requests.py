"""The requests of the JSON API: bodies and queries."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

MAX_ITEMS = 500

Offset = Annotated[int, Meta(ge=0, le=1 << 32)]
Limit = Annotated[int, Meta(ge=1, le=MAX_ITEMS)]
Note = Annotated[str, Meta(max_length=2000)]
Word = Annotated[str, Meta(min_length=1, max_length=80)]
Seen = Literal["teacher", "student", "reviewers"]
"""Whose labels the reviewer saw."""

ListName = Literal["measure", "teach", "disagreements", "flagged", "train", "all"]
Purpose = Literal["measure", "teach"]
Speaker = Literal["teacher", "student", "people"]
SkipReason = Literal["", "cannot tell", "private", "not a photo"]
SortName = Literal["", "sure", "unsure", "apart", "suspicion", "newest", "oldest", "name", "alike"]
StatusName = Literal["open", "skipped", "audited"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests; unknown fields are an error."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one photo. An attribute that was not judged is absent.

    `proposed` are objects that the person saw and that have no label yet, in the person's words.
    """

    scene: str | None = None
    attributes: dict[str, bool] = {}
    objects: list[str] = []
    proposed: Annotated[list[Word], Meta(max_length=20)] = []


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


class PhotosQuery(Request, frozen=True):
    """Photos of a list, with the chips that narrow it.

    Attributes:
        list: `measure` and `teach` are the queues, `train` all photos that may train.
        label, by: people's label, and where nobody judged that of `by`: the teacher, or the final label.
        says: what speakers say, as `teacher:scene.food`, `student:!attr.has_text` (no) or `student:!scene`
            (none), separated by commas; all must hold.
        pair, about: two speakers, and what is compared: `scene`, or an attribute or object.
        apart: only photos on which the pair differs about that.
        sure: the student's probability of its own answer in percent, `FROM-TO`; TO is excluded but for 100.
        judge: who decided: a reviewer's name, `file` or `nobody`.
        near: an image_id; the photos are those most like it. `only`: image_ids, separated by commas.
        lasso: corners of a polygon on the map, `x,y` in 0..1, separated by `;`.
        sort: empty is the list's own order.
        brief: leave out what the student says.
    """

    list: ListName = "measure"
    label: str = ""
    by: Literal["teacher", "final"] = "teacher"
    says: str = ""
    pair: Literal["teacher,student", "teacher,people", "student,people"] = "teacher,student"
    about: str = "scene"
    apart: bool = False
    suspected: bool = False
    flagged: bool = False
    sure: Annotated[str, Meta(pattern=r"^([0-9]{1,3}-[0-9]{1,3})?$")] = ""
    folder: str = ""
    year: str = ""
    judge: str = ""
    near: str = ""
    only: str = ""
    lasso: Annotated[str, Meta(pattern=r"^([0-9.,;]*)$")] = ""
    text: str = ""
    status: StatusName | None = None
    sort: SortName = ""
    brief: bool = False
    offset: Offset = 0
    limit: Limit = 200
