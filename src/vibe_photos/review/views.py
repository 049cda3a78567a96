"""Replies about photos: in a list, alone, in the grid, in the library."""

from collections.abc import Sequence

from vibe_photos.records.ground_truth import GroundTruth, read_proposals
from vibe_photos.records.photos import Photo
from vibe_photos.review import replies
from vibe_photos.review.photo_state import Opinion
from vibe_photos.review.requests import Purpose, StatusName, Truth
from vibe_photos.review.sources import ReviewSources


class PhotoViews:
    """Makes replies about photos; in a blind review without the reasons why a photo is in the queue."""

    def __init__(self, sources: ReviewSources, *, is_blind: bool) -> None:
        self._decisions = sources.decisions
        self._teacher = sources.teacher
        self._queued = sources.queued
        self._teaching = sources.teaching
        self._opinions = sources.opinions
        self._row_of = sources.row_of
        self._roles = sources.roles
        self._unassisted = sources.unassisted
        self._is_blind = is_blind

    def list_items(self, photos: Sequence[Photo], is_brief: bool = False) -> list[replies.PhotoItem]:
        """Return photos of a list, with what everybody says of them; in brief without the student."""
        return [self._list_item(photo, is_silent=self._is_blind or is_brief) for photo in photos]

    def _list_item(self, photo: Photo, is_silent: bool) -> replies.PhotoItem:
        state, teacher = self._decisions.state(photo.image_id), show_truth(self._teacher.get(photo.image_id))
        student, scores = (None, {}) if is_silent else self._show_student(photo.image_id, teacher)
        return replies.PhotoItem(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            version=state.version,
            status=self._status(photo.image_id),
            purpose=self.purpose(photo.image_id),
            is_flagged=state.is_flagged,
            note=state.note,
            teacher=teacher,
            student=student,
            people=show_truth(state.truth),
            scores=scores,
        )

    def _show_student(self, image_id: str, teacher: Truth | None) -> tuple[Truth | None, dict[str, float]]:
        """Return what the student says of a photo, and its probabilities of what it or the teacher says."""
        voice = self._opinions.voice("student")
        row, keys = self._row_of[image_id], self._opinions.keys
        values = {key: int(value) for key, value in zip(keys, voice.values[row], strict=True) if value >= 0}
        if not values or voice.scores is None:
            return None, {}
        said = [key for key, value in values.items() if value]
        truth = Truth(
            scene=next((key for key in said if key.startswith("scene.")), None),
            attributes={key: value == 1 for key, value in values.items() if key.startswith("attr.")},
            objects=[key for key in said if key.startswith("object.")],
        )
        shown = {*said, *truth.attributes, *((teacher.scene, *teacher.objects) if teacher else ())} - {None}
        scores = {
            key: float(voice.scores[row, self._opinions.column_of[key]]) for key in shown if key in values
        }
        return truth, {key: round(score, 3) for key, score in scores.items() if score == score}

    def photo(self, photo: Photo) -> replies.PhotoView:
        """Return everything about a photo except the student's labels."""
        state = self._decisions.state(photo.image_id)
        return replies.PhotoView(
            image_id=photo.image_id,
            rel_path=photo.rel_path,
            also_at=photo.also_at,
            version=state.version,
            status=self._status(photo.image_id),
            purpose=self.purpose(photo.image_id),
            effect=self._describe_effect(photo.image_id),
            reasons=self._reasons(photo),
            is_unassisted=photo.image_id in self._unassisted,
            teacher=show_truth(self._teacher.get(photo.image_id)),
            current=show_truth(state.truth),
            decided_by=state.decided_by,
            is_flagged=state.is_flagged,
            note=state.note,
            opinions=show_opinions(state.opinions),
        )

    def purpose(self, image_id: str) -> Purpose:
        """Return the purpose of a decision: photos that may train teach, others measure."""
        if image_id in self._queued or self._decisions.state(image_id).measures:
            return "measure"
        return "teach" if self._roles.get(image_id) in ("train", "holdout") else "measure"

    def _status(self, image_id: str) -> StatusName:
        state = self._decisions.state(image_id)
        if state.truth is not None and (state.measures or image_id not in self._queued):
            return "audited"
        return "skipped" if state.skipped_at is not None else "open"

    def _describe_effect(self, image_id: str) -> str:
        if self.purpose(image_id) == "teach":
            if self._roles[image_id] == "holdout":
                return "Kept out of training and of the sample: your answer counts for this photo alone."
            return "Teaches: the student learns your answer instead of the teacher's."
        if image_id in self._unassisted:
            return (
                "Measures: this photo is judged without the teacher's answer, to measure its influence. "
                "Attributes begin as “no”."
            )
        if image_id in self._queued:
            return "Measures: your answer counts in the figures about the library. This photo never trains."
        return "Not in the sample: this photo never trains, and is in no figure about the library."

    def _reasons(self, photo: Photo) -> list[str]:
        if self._is_blind or photo.image_id in self._unassisted:  # the reasons name the teacher's scene
            return []
        entry = self._queued.get(photo.image_id) or self._teaching.get(photo.image_id)
        return list(entry.reasons) if entry else []


def show_truth(record: GroundTruth | None) -> Truth | None:
    """Return a truth in the form of the API."""
    if record is None:
        return None
    scene = record.scene[0] if record.scene else None
    return Truth(
        scene=scene, attributes=record.attributes, objects=record.objects, proposed=read_proposals(record)
    )


def show_opinions(opinions: Sequence[Opinion]) -> list[replies.OpinionView]:
    """Return reviewers' decisions in the form of the API."""
    return [
        replies.OpinionView(
            reviewer=opinion.reviewer,
            decided_at=opinion.decided_at,
            truth=show_truth(opinion.truth) or Truth(),
        )
        for opinion in opinions
    ]
