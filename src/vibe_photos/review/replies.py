"""What the server tells the page: the JSON of every reply, typed."""

from http import HTTPStatus

import msgspec

from vibe_photos.errors import VibePhotosError
from vibe_photos.review.requests import Purpose, StatusName, Truth


class Label(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One label of the taxonomy: `name` for people, `words` that find it.

    `rule_scene`: the scene from which the student's attribute follows by rule. The page lets it follow when a
    person chooses another scene; what they then say of it counts.
    """

    key: str
    name: str
    parent: str | None = None
    words: list[str] = []
    rule_scene: str | None = None


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """Of audited photos that the teacher labelled: how often it was right."""

    photos: int = 0
    scenes: int = 0
    scenes_same: int = 0
    attributes: int = 0
    attributes_same: int = 0
    objects: int = 0
    objects_same: int = 0


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far both queues are. `per_hour` is this reviewer's speed of late, null while it cannot be told.

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
    """What the page needs once."""

    reviewer: str
    is_blind: bool
    scenes: list[Label]
    attributes: list[Label]
    objects: list[Label]
    progress: Progress


class QueueItem(msgspec.Struct, frozen=True, kw_only=True):
    """One photo of a list. `scene` is the audited one, else the teacher's."""

    image_id: str
    rel_path: str
    version: int
    status: StatusName
    is_flagged: bool
    is_disputed: bool
    scene: str | None
    reasons: list[str]


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a list that has `total` photos."""

    total: int
    items: list[QueueItem]


class OpinionView(msgspec.Struct, frozen=True, kw_only=True):
    """What one reviewer decided."""

    reviewer: str
    decided_at: str
    truth: Truth


class PhotoView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of a photo but the student's opinion.

    `purpose` is what a decision about the photo is made for, `effect` a sentence about what it does.
    `current` is what counts as true now; `decided_by` is null where it stands in the edited file.
    `opinions` is there where reviewers disagree.
    """

    image_id: str
    rel_path: str
    also_at: list[str]
    version: int
    status: StatusName
    purpose: Purpose
    effect: str
    reasons: list[str]
    teacher: Truth | None
    current: Truth | None
    decided_by: str | None
    is_flagged: bool
    note: str
    opinions: list[OpinionView]


class StudentLabel(msgspec.Struct, frozen=True, kw_only=True):
    """What the student says of one label; `threshold` is null for scenes and rules."""

    key: str
    level: str
    score: float
    threshold: float | None
    value: bool
    source: str


class StudentView(msgspec.Struct, frozen=True, kw_only=True):
    """The student's opinion: `labels` is empty where it has none, or the reviewer works blind."""

    blind: bool
    labels: list[StudentLabel]


class GridItem(msgspec.Struct, frozen=True, kw_only=True):
    """One photo of the grid, with the teacher's labels to be confirmed."""

    image_id: str
    rel_path: str
    version: int
    is_flagged: bool
    note: str
    teacher: Truth | None


class GridPage(msgspec.Struct, frozen=True, kw_only=True):
    """Open photos of one scene; `scenes` counts those of every scene."""

    total: int
    scenes: dict[str, int]
    items: list[GridItem]


class LibraryItem(msgspec.Struct, frozen=True, kw_only=True):
    """One photo with its final labels: what people say, else the student."""

    image_id: str
    rel_path: str
    is_audited: bool
    scene: str | None
    attributes: list[str]
    objects: list[str]


class LibraryPage(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of the library; `total` photos fit."""

    total: int
    items: list[LibraryItem]


class LabelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """How many photos have each label in the end."""

    photos: int
    counts: dict[str, int]


class DisagreementItem(msgspec.Struct, frozen=True, kw_only=True):
    """One photo on which reviewers differ."""

    image_id: str
    rel_path: str
    opinions: list[OpinionView]


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """A decision is on the disk."""

    image_id: str
    version: int
    progress: Progress


class RecordedSeveral(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the grid's decisions: versions of those on the disk, `stale` not taken."""

    versions: dict[str, int]
    stale: list[PhotoView]
    progress: Progress


class Undone(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken back: null where there was nothing."""

    image_id: str | None
    version: int
    was_skip: bool
    progress: Progress


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why a request failed: a sentence, and a short stable word where there are several kinds."""

    error: str
    reason: str = ""


class Conflict(PhotoView, frozen=True, kw_only=True):
    """Another decision came first: nothing was recorded, and this is how the photo stands."""

    error: str


class Refusal(VibePhotosError):
    """A request that cannot be granted: the HTTP status, and what the page is told."""

    def __init__(self, status: HTTPStatus, problem: Problem | Conflict) -> None:
        super().__init__(problem.error)
        self.status = status
        self.problem = problem
