"""What a record says of how the review sample drew its photo."""

from typing import Annotated

import msgspec
from msgspec import Meta

from vibe_photos.errors import InputError
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.sampling import DESIGN_FIELDS


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
