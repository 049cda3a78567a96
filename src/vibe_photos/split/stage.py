"""Stage `split`: which photos may train, which are held out, and which are reserved for people.

A photo that a person audits or is asked to audit, and every near-duplicate of one, is `reserved`: it never
trains. Sampled and audited photos are treated alike, so auditing the sample changes nothing here. Of the
other groups a share is `holdout`, which never trains either; the rest is `train`. A keyed hash of the group
decides, so that adding photos moves no other photo.
"""

import logging
from collections import Counter
from pathlib import Path
from typing import Literal

import msgspec

from vibe_photos.human_truth.audited import read_audited
from vibe_photos.human_truth.sample_design import read_sampled
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Settings, Split
from vibe_photos.split.near_duplicates import read_groups
from vibe_photos.storage.files import open_atomically

log = logging.getLogger(__name__)

_HALF_SEED = 0
"""Not `split.seed`: a threshold tuned on one half must stay scored on the other, whatever else changes."""


def split_photos(settings: Settings) -> None:
    """Write `splits.json`: each photo's near-duplicate group, fold and role."""
    paths = settings.paths
    hashes = paths.embeddings / "perceptual_hashes.jsonl"
    groups = read_groups(paths.photos, hashes, settings.split.max_hash_distance)
    audited = {record.image_id for record in read_audited(paths.human)}
    reserved = audited | set(read_sampled(paths.sample))
    write_splits(paths.splits, assign_roles(groups, reserved, settings.split))


def assign_roles(groups: dict[str, str], reserved: set[str], split: Split) -> dict[str, Membership]:
    """Return each photo's membership.

    Args:
        groups: the near-duplicate group of every photo, in manifest order.
        reserved: photos that are sampled or audited; ids that are not in `groups` are passed over.
        split: seed, number of folds and holdout share.
    """
    reserved_groups = {groups[image_id] for image_id in reserved if image_id in groups}
    members = {group: _place_group(group, group in reserved_groups, split) for group in set(groups.values())}
    return {image_id: members[group] for image_id, group in groups.items()}


def write_splits(path: Path, memberships: dict[str, Membership]) -> None:
    """Write `splits.json`: one JSON object from image_id to membership, one photo a line."""
    encode = msgspec.json.Encoder().encode
    with open_atomically(path) as file:
        separator = b"{\n"
        for image_id, membership in memberships.items():
            file.write(separator + encode(image_id) + b": " + encode(membership))
            separator = b",\n"
        file.write(b"\n}\n" if memberships else b"{}\n")
    roles = Counter(membership.role for membership in memberships.values())
    groups = len({membership.group for membership in memberships.values()})
    log.info(
        "split: %d photos in %d groups: %d train, %d holdout, %d reserved for people",
        len(memberships),
        groups,
        *(roles[role] for role in ("train", "holdout", "reserved")),
    )


def _place_group(group: str, is_reserved: bool, split: Split) -> Membership:
    fold = int(unit_interval(split.seed, "fold", group) * split.folds)
    if is_reserved:
        half: Literal["tune", "score"] = "tune" if unit_interval(_HALF_SEED, "half", group) < 0.5 else "score"
        return Membership(group=group, fold=fold, role="reserved", half=half)
    is_holdout = unit_interval(split.seed, "holdout", group) < split.holdout_share
    return Membership(group=group, fold=fold, role="holdout" if is_holdout else "train")
