"""The data of the review page: library, queues, decisions, teacher and student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vibe_photos.errors import InputError, StoreError
from vibe_photos.records.ground_truth import ALL_LABELS
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.records.splits import Role, read_current_ids, read_splits
from vibe_photos.review.decisions import DecisionLog
from vibe_photos.review.opinions import Opinions
from vibe_photos.review.photo_state import PhotoState
from vibe_photos.review.queue import QueuedPhoto, Ranking, is_unassisted, read_measuring_queue
from vibe_photos.review.student_labels import StudentLabels
from vibe_photos.review.teacher_truth import TeacherTruth
from vibe_photos.settings import Settings
from vibe_photos.statistics.metrics import Bools


@dataclass(frozen=True, slots=True)
class ReviewSources:
    """All data of the page, with indexes.

    Attributes:
        settings: the configuration.
        photos: the manifest; a photo's place in it is its row.
        row_of: the row of each image_id.
        queued: the photos that measure, by image_id, in their order; only those in the library.
        not_in_library: how many photos of the sample are not in the library any more.
        teaching: the photos that may teach, most useful first.
        trains: which photos of the manifest may train, bool [photos].
        roles: `reserved`, `holdout` or `train`, by image_id; empty before stage `split` has run.
        teacher: the teacher's labels.
        student: the student's labels of `labels.sqlite`.
        opinions: what all three say, as arrays.
        decisions: people's decisions.
        unassisted: the photos that are judged without the teacher's and the student's labels; `teacher` has
            no labels of them.
    """

    settings: Settings
    photos: Sequence[Photo]
    row_of: Mapping[str, int]
    queued: Mapping[str, QueuedPhoto]
    not_in_library: int
    trains: Bools
    roles: Mapping[str, Role]
    teacher: TeacherTruth
    student: StudentLabels
    decisions: DecisionLog
    opinions: Opinions
    unassisted: frozenset[str]
    teaching: Ranking


def open_sources(settings: Settings, reviewer: str, store: Path) -> ReviewSources:
    """Read what the page needs, and lock the reviewer's log.

    Raises:
        InputError: a file is missing or damaged; for a missing file, the message says what makes it.
        StoreError: another server holds this reviewer's log.
    """
    _require(settings.paths.photos, "the list of photos")
    _require(settings.paths.sample, "the photos to review")
    photos = read_manifest(settings.paths.photos)
    row_of = {photo.image_id: row for row, photo in enumerate(photos)}
    queue = read_measuring_queue(settings)
    queued = {entry.image_id: entry for entry in queue if entry.image_id in row_of}
    splits = settings.paths.splits
    teacher = TeacherTruth(settings.paths.auto / ALL_LABELS, row_of, settings.taxonomy)
    student = StudentLabels(settings.paths.labels, row_of)
    decisions = _open_log(settings, reviewer, store)
    unassisted = frozenset(i for i in queued if _is_unassisted(i, decisions.state(i), settings.sample.seed))
    hidden = [row_of[image_id] for image_id in unassisted]
    teacher.hide(hidden)
    image_ids = [photo.image_id for photo in photos]
    opinions = Opinions(settings, image_ids, row_of, teacher.values, decisions, hidden, store)
    memberships = read_splits(splits) if splits.is_file() else {}
    # The manifest's own strings: a hundred thousand copies would be eight megabytes.
    roles = {i: memberships[i].role for i in image_ids if i in memberships}
    del memberships

    teaching = Ranking(settings, image_ids, row_of)
    return ReviewSources(
        settings=settings,
        photos=photos,
        row_of=row_of,
        queued=queued,
        not_in_library=len(queue) - len(queued),
        trains=np.array([roles.get(image_id) == "train" for image_id in image_ids], bool),
        roles=roles,
        teacher=teacher,
        student=student,
        decisions=decisions,
        opinions=opinions,
        unassisted=unassisted,
        teaching=teaching,
    )


def _is_unassisted(image_id: str, state: PhotoState, seed: int) -> bool:
    """Return whether labels are hidden; a photo that was judged with them cannot be judged without them."""
    return is_unassisted(seed, image_id) if state.truth is None else state.is_unassisted


def _require(path: Path, what: str) -> None:
    if not path.is_file():
        raise InputError(f"{path} does not exist yet ({what}): run `dvc repro sample` first")


def _open_log(settings: Settings, reviewer: str, store: Path) -> DecisionLog:
    try:
        return DecisionLog(
            settings.paths.human, reviewer, settings.taxonomy, store, read_current_ids(settings.paths.splits)
        )
    except StoreError as error:
        raise StoreError(
            f"{reviewer} cannot review here: {error}\nIf another `vibe-photos review` is open, use its page "
            "or end it; a second person gives another --reviewer"
        ) from None
