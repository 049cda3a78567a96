"""What a record says of how the review sample drew its photo."""

from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vibe_photos.errors import InputError
from vibe_photos.records.ground_truth import GroundTruth, read_objects


class SampleDesign(msgspec.Struct, frozen=True):
    """What a record keeps of how the review sample drew its photo (`sampling.DESIGN_FIELDS`).

    Records of older samples lack size and rank; their probability is then taken as it stands.
    """

    inclusion_probability: Annotated[float, Meta(gt=0.0, le=1.0)]
    stratum: str = ""
    stratum_photos: Annotated[int, Meta(ge=1)] | None = None
    stratum_rank: Annotated[int, Meta(ge=1)] | None = None


def read_sample_design(record: GroundTruth) -> SampleDesign | None:
    """Return how the review sample drew a record's photo, None where the record does not say.

    Raises:
        InputError: a field of the design is impossible; the photo is named.
    """
    if "inclusion_probability" not in record.extra:
        return None
    stated = {field: record.extra[field] for field in DESIGN_FIELDS if field in record.extra}
    try:
        return msgspec.convert(stated, SampleDesign)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        raise InputError(
            f"photo {record.image_id}: {field} is {stated.get(field)!r}, which cannot be; copy "
            f"{', '.join(DESIGN_FIELDS)} unchanged from to_review.json, or leave them out"
        ) from None


DESIGN_FIELDS = ("stratum", "stratum_photos", "stratum_rank", "inclusion_probability")
"""How a photo was drawn, to be kept with what people say of it: its stratum, how many photos that has, the
photo's place among them (from 1) and with which probability the whole sample holds it."""


WHOLE_LIBRARY = "all"
"""The one stratum of the strategy `random`."""


NO_SCENE = "none"
"""The stratum of photos whose scene the teacher did not say."""


def read_sampled(to_review: Path) -> dict[str, dict[str, Any]]:
    """Return the sampled records by image_id, in their order."""
    return {str(value["image_id"]): value for _, value in read_objects(to_review)}


def name_stratum(scene: list[str]) -> str:
    """Return the stratum of a photo by the scene that the teacher says."""
    return scene[0] if scene else NO_SCENE
