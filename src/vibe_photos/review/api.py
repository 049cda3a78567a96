"""The JSON API of the page: its requests, its replies, and the error that refuses a request.

A person *judges* a label; a saved *decision* has all judged labels of a photo. The photo is then *decided*,
*audited* or *checked* (all mean the same), and its labels *measure* or *teach*.
"""

from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vibe_photos.errors import VibePhotosError

Note = Annotated[str, Meta(max_length=2000)]
Word = Annotated[str, Meta(min_length=1, max_length=80)]
ListName = Literal["measure", "teach", "disagreements", "flagged", "train", "all"]
Purpose = Literal["measure", "teach"]
Speaker = Literal["teacher", "student", "people"]
StatusName = Literal["open", "skipped", "audited"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all requests, and one that asks for nothing more; unknown fields are an error."""


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """Labels of one photo.

    What was not judged: an attribute is absent, `scene` or `objects` is null. `objects: []`: there are none.
    `proposed` are objects that the person saw and that have no label yet, in the person's words.
    """

    scene: str | None = None
    attributes: dict[str, bool] = {}
    objects: list[str] | None = []
    proposed: Annotated[list[Word], Meta(max_length=20)] = []


class DecisionRequest(Request, frozen=True):
    """One photo's truth; `version` is the photo's version on the page, `seen` whose labels were shown."""

    image_id: str
    version: int
    after: Truth
    is_flagged: bool = False
    note: Note = ""
    seen: list[Literal["teacher", "student", "reviewers"]] = []


class DecisionsRequest(Request, frozen=True):
    """The truth of photos that are decided together, each given once; more than one only from the grid."""

    decisions: Annotated[list[DecisionRequest], Meta(max_length=200)]


class NoteRequest(Request, frozen=True):
    """A photo to skip or remark on; if flag or note are null, they are not changed."""

    image_id: str
    is_flagged: bool | None = None
    note: Note | None = None
    reason: Literal["", "cannot tell", "private", "not a photo"] = ""


class PhotosQuery(Request, frozen=True):
    """Photos of a list, with the chips that narrow it.

    Attributes:
        list: `measure` and `teach` are the queues, `train` all photos that may train.
        label, by: people's label; if nobody judged it, the label of `by`: the teacher, or the final label.
        says: what speakers say, as `teacher:scene.food`, `student:!attr.has_text` (no) or `student:!scene`
            (none), separated by commas; all must hold.
        pair, about: two speakers, and what is compared: `scene`, or an attribute or object.
        apart: only photos on which the pair differs about that.
        suspected, flagged: only photos with a probably wrong answer of the teacher about that; flagged ones.
        sure: the student's probability of its own answer in percent, `FROM-TO`; TO is excluded, except 100.
        folder, year: as the path tells them, the folder as `count_chips` names it.
        judge: who decided: a reviewer's name, `file` or `nobody`.
        near: an image_id; the photos are those most like it. `only`: image_ids, separated by commas.
        lasso: corners of a polygon on the map, `x,y` in 0..1, separated by `;`.
        text: part of a path, an id or a note.
        status: of the decision; None is any, with the skipped photos last.
        sort: `apart` begins with photos on which the pair is furthest apart, `alike` with those most like
            `near`; empty is the list's own order, or `alike`.
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
    sort: Literal["", "sure", "unsure", "apart", "suspicion", "newest", "oldest", "name", "alike"] = ""
    brief: bool = False
    offset: Annotated[int, Meta(ge=0, le=1 << 32)] = 0
    limit: Annotated[int, Meta(ge=1, le=500)] = 200


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One label of the taxonomy: its name, what it `means`, and the `words` that a search finds it by.

    `rule_scene`: the scene that implies the attribute (`classify.attribute_from_scene`). If a person chooses
    another scene, the page changes the attribute too; the person can still correct it.
    """

    key: str
    name: str
    means: str = ""
    words: list[str] = []
    rule_scene: str | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of both queues. `per_hour` is this reviewer's recent speed, null if not known yet.

    `queued` and `audited` count photos that measure, `teachable` and `taught` those that teach. Of the
    measured photos, `scenes` got a scene from people and the teacher, `scenes_same` the same one. `changed`
    says what is no longer as the server read it, empty if nothing is.
    """

    queued: int
    audited: int
    teachable: int
    taught: int
    scenes: int
    scenes_same: int
    per_hour: int | None
    changed: str = ""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs when it opens."""

    reviewer: str
    is_blind: bool
    scenes: list[Label]
    attributes: list[Label]
    objects: list[Label]
    progress: Progress


class StudentView(msgspec.Struct, frozen=True, kw_only=True):
    """What the student says of a photo, out of fold; null if that is hidden or not known.

    `scores` are its probabilities of its scene, of every attribute, and of its and the teacher's objects.
    """

    student: Truth | None = None
    scores: dict[str, float] = {}


class PhotoItem(StudentView, frozen=True, kw_only=True):
    """One photo of a list, with what everybody says of it; `purpose` is what a decision about it is for."""

    image_id: str
    rel_path: str
    version: int
    purpose: Purpose
    is_flagged: bool
    note: str
    teacher: Truth | None
    people: Truth | None


class PhotosPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of `total` photos."""

    total: int
    items: list[PhotoItem]


class ReviewerDecision(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewer's decision."""

    reviewer: str
    truth: Truth


class PhotoView(PhotoItem, frozen=True, kw_only=True):
    """Everything about a photo; `student` and `scores` stay empty here (`StudentView` has them).

    `effect` explains the purpose in a sentence. `decided_by` is null if people's labels come from the audited
    file. `conflicting_decisions`: each reviewer's, if they disagree, else empty. `is_unassisted`: teacher's
    and student's labels are hidden.
    """

    effect: str
    reasons: list[str]
    is_unassisted: bool
    decided_by: str | None
    conflicting_decisions: list[ReviewerDecision]


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Two speakers' labels of the same photos: `counts[row][column]`, the first speaker's label by row.

    `flags` has per attribute and object: both yes, only the first, only the second, both no.
    """

    scenes: list[str]
    counts: list[list[int]]
    flags: dict[str, list[int]]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that are on disk: the photos' new versions, and the photos `stale`, of which nothing was written.

    A photo is stale if it was decided since the page read it; this is its current state.
    """

    versions: dict[str, int]
    stale: list[PhotoView] = []
    progress: Progress


class Refusal(VibePhotosError):
    """A request that cannot be granted: its HTTP status, and the sentence that the page shows."""

    def __init__(self, status: HTTPStatus, error: str) -> None:
        super().__init__(error)
        self.status = status
