"""Photos as the page is told of them: in a list, large, in the grid, in the library."""

from collections.abc import Sequence

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.photos import Photo
from vibe_photos.review import replies as say
from vibe_photos.review.photo_state import Opinion, PhotoState
from vibe_photos.review.requests import Purpose, StatusName, Truth
from vibe_photos.review.sources import ReviewSources


class PhotoViews:
    """What is known of a photo now. Blind, it is not said why a photo is in the queue."""

    def __init__(self, sources: ReviewSources, *, is_blind: bool) -> None:
        self._book = sources.book
        self._teacher = sources.teacher
        self._queued = sources.queued
        self._teaching = sources.teaching
        self._roles = sources.roles
        self._is_blind = is_blind

    def list_item(self, photo: Photo) -> say.QueueItem:
        """Return a photo of the queue or of another list."""
        state = self._book.state(photo.image_id)
        truth = state.truth or self._teacher.get(photo.image_id)
        return say.QueueItem(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            version=state.version,
            status=_status(state),
            is_flagged=state.is_flagged,
            is_disputed=bool(state.opinions),
            scene=truth.scene[0] if truth and truth.scene else None,
            reasons=self._reasons(photo),
        )

    def photo(self, photo: Photo) -> say.PhotoView:
        """Return all that is known of a photo but the student's opinion."""
        state = self._book.state(photo.image_id)
        return say.PhotoView(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            also_at=photo.also_at,
            version=state.version,
            status=_status(state),
            purpose=self.purpose(photo.image_id),
            effect=self._describe_effect(photo.image_id),
            reasons=self._reasons(photo),
            teacher=show_truth(self._teacher.get(photo.image_id)),
            current=show_truth(state.truth),
            decided_by=state.decided_by,
            is_flagged=state.is_flagged,
            note=state.note,
            opinions=show_opinions(state.opinions),
        )

    def grid_item(self, photo: Photo) -> say.GridItem:
        """Return a photo of the grid, with the teacher's labels to be confirmed."""
        state = self._book.state(photo.image_id)
        return say.GridItem(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            version=state.version,
            is_flagged=state.is_flagged,
            note=state.note,
            teacher=show_truth(self._teacher.get(photo.image_id)),
        )

    def library_item(self, photo: Photo, student: Truth) -> say.LibraryItem:
        """Return a photo with its final labels: what people judged, and elsewhere what the student says."""
        truth = self._book.state(photo.image_id).truth
        audited = show_truth(truth) or Truth()
        attributes = {**student.attributes, **audited.attributes}
        return say.LibraryItem(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            is_audited=truth is not None,
            scene=audited.scene or student.scene,
            attributes=sorted(key for key, value in attributes.items() if value),
            objects=audited.objects if truth is not None else student.objects,
        )

    def disagreement(self, photo: Photo) -> say.DisagreementItem:
        """Return what the reviewers who differ say of a photo."""
        opinions = show_opinions(self._book.state(photo.image_id).opinions)
        return say.DisagreementItem(image_id=photo.image_id, rel_path=photo.rel_path, opinions=opinions)

    def purpose(self, image_id: str) -> Purpose:
        """Return what a decision about a photo is made for: photos that may train teach, others measure."""
        if image_id in self._queued or self._book.state(image_id).measures:
            return "measure"
        return "teach" if self._roles.get(image_id) in ("train", "holdout") else "measure"

    def _describe_effect(self, image_id: str) -> str:
        if self.purpose(image_id) == "teach":
            if self._roles[image_id] == "holdout":
                return "Kept out of training and of the sample: your answer counts for this photo alone."
            return "Teaches: your answer is learnt in the teacher's place."
        if image_id in self._queued:
            return "Measures: your answer counts in the figures about the library. This photo never trains."
        return "Beside the sample: this photo never trains, and is in no figure about the library."

    def _reasons(self, photo: Photo) -> list[str]:
        entry = self._queued.get(photo.image_id) or self._teaching.get(photo.image_id)
        return list(entry.reasons) if entry and not self._is_blind else []


def show_truth(record: GroundTruth | None) -> Truth | None:
    """Return a truth as the page has it."""
    if record is None:
        return None
    scene = record.scene[0] if record.scene else None
    return Truth(scene=scene, attributes=record.attributes, objects=record.objects)


def show_opinions(opinions: Sequence[Opinion]) -> list[say.OpinionView]:
    """Return the decisions of reviewers who differ."""
    return [
        say.OpinionView(
            reviewer=opinion.reviewer,
            decided_at=opinion.decided_at,
            truth=show_truth(opinion.truth) or Truth(),
        )
        for opinion in opinions
    ]


def _status(state: PhotoState) -> StatusName:
    if state.truth is not None:
        return "audited"
    return "skipped" if state.skipped_at is not None else "open"
