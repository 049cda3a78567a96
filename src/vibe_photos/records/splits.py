"""`splits.json`: each photo's near-duplicate group, cross-validation fold and role."""

from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.errors import InputError

Role = Literal["reserved", "holdout", "train"]


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo's place: its group (an image_id of it), cross-validation fold and role.

    `half` is given for reserved photos: thresholds are tuned on `tune` and scored on `score`.
    """

    group: str
    fold: int
    role: Role
    half: Literal["tune", "score"] | None = None


def read_splits(path: Path) -> dict[str, Membership]:
    """Return each photo's membership by image_id.

    Raises:
        InputError: the file is missing.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Membership])
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; `dvc repro split` makes it") from None
