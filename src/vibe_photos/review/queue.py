"""What a person is asked to look at, in which order, and why."""

from dataclasses import dataclass

from vibe_photos.human_truth.rounds import AskedPhoto, read_rounds
from vibe_photos.human_truth.sample_design import DESIGN_FIELDS, NO_SCENE, WHOLE_LIBRARY, read_sampled
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Settings


@dataclass(frozen=True, slots=True)
class QueuedPhoto:
    """One photo that waits, or waited, for a person's eyes.

    `reasons` are sentences for the page. The other fields are the review sample's `DESIGN_FIELDS`, None where
    a photo comes from a later round, whose file says all that is needed.
    """

    image_id: str
    reasons: tuple[str, ...]
    stratum: str | None = None
    inclusion_probability: float | None = None
    stratum_photos: int | None = None
    stratum_rank: int | None = None

    def design_fields(self) -> dict[str, str | int | float]:
        """Return what a decision has to keep of how the photo was drawn; nothing for a round's."""
        stated = {name: getattr(self, name) for name in DESIGN_FIELDS}
        return {name: value for name, value in stated.items() if value is not None}


def read_queue(settings: Settings) -> list[QueuedPhoto]:
    """Return every photo that is asked about, audited ones included, each once, in the order to be audited.

    First come those of the review sample, then each round's that are not in the queue yet; a photo that is
    asked about several times has all reasons.

    Raises:
        InputError: the file of sampled photos is missing, or a file is malformed.
    """
    sampled = read_sampled(settings.paths.sample)
    rounds = read_rounds(settings.paths.human)
    asked: dict[str, list[AskedPhoto]] = {image_id: [] for image_id in sampled}
    for drawn in rounds:
        for photo in drawn.asked:
            asked.setdefault(photo.image_id, []).append(photo)
    return [_queue(image_id, sampled.get(image_id), photos) for image_id, photos in asked.items()]


def _queue(image_id: str, record: dict[str, object] | None, photos: list[AskedPhoto]) -> QueuedPhoto:
    reasons = [reason for photo in photos for reason in photo.reasons]
    if record is None:
        return QueuedPhoto(image_id, tuple(dict.fromkeys(reasons)))
    design = {name: record.get(name) for name in DESIGN_FIELDS}
    return QueuedPhoto(image_id, tuple(dict.fromkeys([_why_sampled(record), *reasons])), **design)  # type: ignore[arg-type]


def _why_sampled(record: dict[str, object]) -> str:
    stratum = str(record.get("stratum", WHOLE_LIBRARY))
    if stratum == WHOLE_LIBRARY:
        return "drawn at random from the library"
    scene = "gives no scene" if stratum == NO_SCENE else f"calls {label_name(stratum)}"
    return f"drawn at random from the photos that the teacher {scene}"
