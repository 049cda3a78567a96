"""What a person is asked to look at, in which order, and why."""

from dataclasses import dataclass
from typing import Any

from vibe_photos.labels.sampling import read_sampled
from vibe_photos.settings import Settings

SAMPLED = "drawn at random from the whole library"
"""Why a photo of `to_review.json` is in the queue."""


@dataclass(frozen=True, slots=True)
class QueuedPhoto:
    """One photo that waits, or waited, for a person's eyes.

    `reasons` are sentences for the page. `stratum` and `inclusion_probability` are those of the review
    sample, to be copied into what is decided; None where a photo comes from a later round.
    """

    image_id: str
    reasons: tuple[str, ...]
    stratum: str | None
    inclusion_probability: float | None


def read_queue(settings: Settings) -> list[QueuedPhoto]:
    """Return every photo that is asked about, audited ones included, each once, in the order to be audited.

    Raises:
        InputError: the file of sampled photos is missing or malformed.
    """
    return [_queue_sampled(record) for record in read_sampled(settings.paths.sample).values()]


def _queue_sampled(record: dict[str, Any]) -> QueuedPhoto:
    return QueuedPhoto(
        image_id=record["image_id"],
        reasons=(SAMPLED,),
        stratum=record.get("stratum"),
        inclusion_probability=record.get("inclusion_probability"),
    )
