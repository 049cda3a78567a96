"""`splits.json`: each photo's near-duplicate group, cross-validation fold and role."""

from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.errors import InputError

Role = Literal["reserved", "holdout", "train"]


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo's group, fold and role.

    Attributes:
        group: the photo and its near-duplicates, named by the `image_id` of one of them.
        fold: the fold of cross-validation.
        role: `reserved` for people (never trains), `holdout` (never trains either) or `train`.
        number: the permanent random number, in [0, 1).
        half: for reserved photos: thresholds are tuned on `tune` and scored on `score`.
        stratum: for photos in a recorded draw.
    """

    group: str
    fold: int
    role: Role
    number: float
    half: Literal["tune", "score"] | None = None
    stratum: str | None = None


def read_splits(path: Path) -> dict[str, Membership]:
    """Return each photo's membership by image_id.

    Raises:
        InputError: the file is missing.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Membership])
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; `dvc repro split` makes it") from None
