"""The replies of the JSON API."""

from http import HTTPStatus

import msgspec

from vibe_photos.errors import VibePhotosError
from vibe_photos.review.requests import Purpose, StatusName, Truth


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One label of the taxonomy: its name, what it `means`, and the `words` that a search finds it by.

    `rule_scene`: the scene that implies the attribute (`classify.attribute_from_scene`). If a person chooses
    another scene, the page changes the attribute too; the person can still correct it.
    """

    key: str
    name: str
    means: str = ""
    parent: str | None = None
    words: list[str] = []
    rule_scene: str | None = None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How often the teacher was right, over audited photos that it labelled and whose labels were shown."""

    photos: int = 0
    scenes: int = 0
    scenes_same: int = 0
    attributes: int = 0
    attributes_same: int = 0
    objects: int = 0
    objects_same: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """Progress of both queues. `per_hour` is this reviewer's recent speed, null if not known yet.

    `queued`, `audited` and `skipped` count photos that measure, `teachable` and `taught` those that teach.
    """

    queued: int
    audited: int
    skipped: int
    teachable: int
    taught: int
    flagged: int
    disagreements: int
    per_hour: int | None
    agreement: Agreement | None
    note: str


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What the page needs when it opens."""

    reviewer: str
    is_blind: bool
    scenes: list[Label]
    attributes: list[Label]
    objects: list[Label]
    progress: Progress


class PhotoItem(msgspec.Struct, frozen=True, kw_only=True):
    """One photo of a list, with what everybody says of it.

    `scores` are the student's probabilities, out of fold, of what it or the teacher says.
    """

    image_id: str
    rel_path: str
    version: int
    status: StatusName
    purpose: Purpose
    is_flagged: bool
    note: str
    teacher: Truth | None
    student: Truth | None
    people: Truth | None
    scores: dict[str, float]


class PhotosPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of `total` photos."""

    total: int
    items: list[PhotoItem]


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """How many photos each chip would leave, by chip and value; the other chips hold."""

    total: int
    counts: dict[str, dict[str, int]]


class Matrix(msgspec.Struct, frozen=True, kw_only=True):
    """Two speakers' labels of the same photos: `counts[row][column]`, the first speaker's label by row.

    `flags` has per attribute and object: both yes, only the first, only the second, both no.
    """

    pair: list[str]
    scenes: list[str]
    counts: list[list[int]]
    flags: dict[str, list[int]]


class OpinionView(msgspec.Struct, frozen=True, kw_only=True):
    """One reviewer's decision."""

    reviewer: str
    decided_at: str
    truth: Truth


class PhotoView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about a photo except the student's labels.

    `purpose` is what a decision about the photo is for; `effect` explains it in a sentence. `current` are the
    true labels now; `decided_by` is null if they come from the edited file. `opinions` are the reviewers'
    decisions if they disagree, else empty. `is_unassisted`: teacher's and student's labels are hidden.
    """

    image_id: str
    rel_path: str
    also_at: list[str]
    version: int
    status: StatusName
    purpose: Purpose
    effect: str
    reasons: list[str]
    is_unassisted: bool
    teacher: Truth | None
    current: Truth | None
    decided_by: str | None
    is_flagged: bool
    note: str
    opinions: list[OpinionView]


class StudentLabel(msgspec.Struct, frozen=True, kw_only=True):
    """The student's result for one label."""

    key: str
    score: float
    value: bool


class StudentView(msgspec.Struct, frozen=True, kw_only=True):
    """The student's labels; empty if it has none, or if they are hidden."""

    blind: bool
    labels: list[StudentLabel]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is on disk."""

    image_id: str
    version: int
    progress: Progress


class RecordedSeveral(msgspec.Struct, frozen=True, kw_only=True):
    """The grid's decisions: versions of the recorded ones, and `stale` photos, which were not recorded."""

    versions: dict[str, int]
    stale: list[PhotoView]
    progress: Progress


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """The undone action: its photos, none if there was nothing to undo; `image_id` is the first of them."""

    image_id: str | None
    image_ids: list[str]
    progress: Progress


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request failed: a sentence, and one fixed word if there are several kinds."""

    error: str
    reason: str = ""


class Conflict(PhotoView, frozen=True, kw_only=True):
    """Another decision came first: nothing was recorded; this is the photo's current state."""

    error: str


class Refusal(VibePhotosError):
    """A request that cannot be granted, with HTTP status and JSON reply."""

    def __init__(self, status: HTTPStatus, problem: Problem | Conflict) -> None:
        super().__init__(problem.error)
        self.status = status
        self.problem = problem
