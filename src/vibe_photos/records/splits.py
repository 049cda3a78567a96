"""`splits.json`: each photo's near-duplicate group, cross-validation fold and role."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.errors import InputError

Role = Literal["reserved", "holdout", "train"]


class Membership(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One photo's group, fold and role.

    Attributes:
        group: the photo and its near-duplicates, named by the first id of the one that scans saw first.
        fold: the fold of cross-validation.
        role: `reserved` for people (never trains), `holdout` (never trains either) or `train`.
        number: the permanent random number, in [0, 1).
        half: for reserved photos: thresholds are tuned on `tune` and scored on `score`.
        stratum: for photos in a recorded draw.
        earlier_ids: ids that it had before its file was rewritten; people's work under them counts.
    """

    group: str
    fold: int
    role: Role
    number: float
    half: Literal["tune", "score"] | None = None
    stratum: str | None = None
    earlier_ids: list[str] = []


def read_splits(path: Path) -> dict[str, Membership]:
    """Return each photo's membership by image_id.

    Raises:
        InputError: the file is missing.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Membership])
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; `dvc repro split` makes it") from None


def find_current_ids(memberships: Mapping[str, Membership]) -> dict[str, str]:
    """Return the id that each photo has now, by its earlier ids."""
    return {earlier: image_id for image_id, one in memberships.items() for earlier in one.earlier_ids}


def read_current_ids(path: Path) -> dict[str, str]:
    """Return the same from `splits.json`; empty if the stage has not run yet."""
    return find_current_ids(read_splits(path)) if path.exists() else {}
