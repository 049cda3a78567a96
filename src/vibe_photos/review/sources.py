"""What the review page draws on: the library, the queue, decisions, teacher and student."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.errors import InputError, StoreError
from vibe_photos.records.ground_truth import ALL_LABELS
from vibe_photos.records.photos import Photo, read_manifest
from vibe_photos.review.decisions import DecisionBook
from vibe_photos.review.queue import QueuedPhoto, read_queue
from vibe_photos.review.student_labels import StudentLabels
from vibe_photos.review.teacher_truth import TeacherTruth
from vibe_photos.settings import Settings


@dataclass(frozen=True, slots=True)
class ReviewSources:
    """Everything that is known, with indexes that are built once.

    Attributes:
        settings: the configuration.
        photos: the manifest; a photo's place in it is its row.
        row_of: the row of each image_id.
        queued: the queue by image_id, in its order; photos that are in the library only.
        not_in_library: how many photos of the queue are not in the library any more.
        teacher: what the teacher said.
        student: what the student says.
        book: what people decided.
    """

    settings: Settings
    photos: Sequence[Photo]
    row_of: Mapping[str, int]
    queued: Mapping[str, QueuedPhoto]
    not_in_library: int
    teacher: TeacherTruth
    student: StudentLabels
    book: DecisionBook


def open_sources(settings: Settings, reviewer: str) -> ReviewSources:
    """Read what the page needs, and take the reviewer's log.

    Raises:
        InputError: a file is missing or damaged; of a missing one it is said how it comes about.
        StoreError: another server holds this reviewer's log.
    """
    _require(settings.paths.photos, "the list of photos")
    _require(settings.paths.sample, "the photos to review")
    photos = read_manifest(settings.paths.photos)
    row_of = {photo.image_id: row for row, photo in enumerate(photos)}
    queue = read_queue(settings)
    queued = {entry.image_id: entry for entry in queue if entry.image_id in row_of}
    return ReviewSources(
        settings=settings,
        photos=photos,
        row_of=row_of,
        queued=queued,
        not_in_library=len(queue) - len(queued),
        teacher=TeacherTruth(settings.paths.auto / ALL_LABELS, row_of),
        student=StudentLabels(settings.paths.labels, row_of),
        book=_open_book(settings, reviewer),
    )


def _require(path: Path, what: str) -> None:
    if not path.is_file():
        raise InputError(f"{path} does not exist yet ({what}): run `dvc repro sample` first")


def _open_book(settings: Settings, reviewer: str) -> DecisionBook:
    try:
        return DecisionBook(settings.paths.human, reviewer, settings.taxonomy)
    except StoreError as error:
        raise StoreError(
            f"{reviewer} cannot review here: {error}\nIf another `vibe-photos review` is open, use its page "
            "or end it; a second person gives another --reviewer"
        ) from None
