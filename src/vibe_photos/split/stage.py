"""Stage `split`: which photos may train, which are held out, and which are reserved for people.

- `reserved`: photos of the review sample, photos that people measured, their near-duplicates, and the
  near-duplicates of these. They never train. Sampled and measured photos are treated alike, so measuring the
  sample changes nothing here. Half of their groups choose thresholds (`tune`), the others measure them
  (`score`).
- `holdout`: groups of near-duplicates that contain one of the lowest permanent random numbers. They never
  train either. The sample takes the lowest numbers too, so a larger sample takes from the holdout first. A
  budget takes them as well, so the holdout is a share of the photos that are asked about, but at most
  `MOST_HOLDOUT`: more would not make figures better, and a larger budget would take taught photos from
  training.
- `train`: all others. People teach on these.

Numbers and halves depend only on ids and seeds, so added photos change only the roles of photos near them,
with one exception: if the budget or `MOST_HOLDOUT` limits the holdout, some photos move from it to training.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.human_truth.draws import find_strata, read_draws
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.pixels.near_duplicates import (
    Hashes,
    cut_large_groups,
    find_large,
    find_neighbours,
    group_near_duplicates,
)
from vibe_photos.records.photos import HashRecord, read_manifest, say_count, unit_interval
from vibe_photos.records.pictures import Pictures, read_pictures
from vibe_photos.records.splits import Membership, Role
from vibe_photos.settings import Settings, Split
from vibe_photos.storage.files import open_atomically
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)

_WARN_SHARE = 0.1
"""If near-duplicates remove at least this share of a scene from training, a warning is logged."""

MOST_HOLDOUT = 2_000
"""Photos of the holdout, without near-duplicates: a share of half of them is known to about 2 %."""

_HALF_SEED = 0
"""Not `split.seed`: a threshold tuned on one half must always be scored on the other."""


_ALWAYS_ONE_GROUP = 20
"""Groups of up to this many photos are never split, even in a small library."""


def split_photos(settings: Settings) -> None:
    """Write `splits.json`: each photo's near-duplicate group, fold, role, number and stratum."""
    paths = settings.paths
    hashes = paths.embeddings / "perceptual_hashes.jsonl"
    split, pictures = settings.split, read_pictures(paths.photos)
    near = read_near_duplicates(paths.photos, hashes, pictures, split.max_hash_distance, split.folds)
    current_ids = pictures.find_current_ids(near.groups)
    truth = read_human_truth(paths.human, current_ids)
    measured = set(read_sampled(paths.sample)) | truth.measured.keys()
    reserved = find_reserved(near, measured, pictures)
    strata = find_strata(read_draws(paths.human), list(near.groups), current_ids)
    seed, budget = settings.sample.seed, settings.annotate.budget
    memberships = assign_roles(near.groups, reserved, split, seed, strata, pictures, budget)
    _log_rewritten(paths.human, current_ids)
    write_splits(paths.splits, memberships)
    _log_roles(memberships, measured)
    if near.cut:
        log.warning(
            "%d photos form chains of near-duplicates that would take more than half a fold: their groups "
            "are split, so near photos may be in different folds; none near a measured photo trains",
            near.cut,
        )
    if lost := find_lost_to_duplicates(
        memberships, measured, find_holdout_limit([one.number for one in memberships.values()], split, budget)
    ):
        listed = ", ".join(f"{lost_count} of {count} of {name}" for name, (lost_count, count) in lost.items())
        log.warning(
            "near-duplicates of measured or held-out photos remove a tenth or more of a scene from "
            "training: %s",
            listed,
        )
    left = [
        image_id
        for image_id in truth.taught.keys() & memberships.keys()
        if image_id not in measured and memberships[image_id].role != "train"
    ]
    if left:
        log.info(
            "%d taught photos do not train: they are in the sample or the holdout, or near one of those",
            len(left),
        )


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """The near-duplicates of a library.

    Attributes:
        groups: the name of every photo's group, in manifest order: the first id of the photo that scans saw
            first.
        image_ids: the photos that can be compared, n of them.
        hashes: their perceptual hashes, uint64 [n, hashes].
        max_distance: the most bits of 64 in which two near-duplicates differ.
        cut: how many photos were in groups that were split because they were too large.
    """

    groups: dict[str, str]
    image_ids: list[str]
    hashes: Hashes
    max_distance: int
    cut: int = 0

    def with_neighbours(self, image_ids: set[str]) -> set[str]:
        """Return photos of the library with their direct near-duplicates."""
        rows = [row for row, image_id in enumerate(self.image_ids) if image_id in image_ids]
        near = find_neighbours(self.hashes, rows, self.max_distance)
        return (image_ids & self.groups.keys()) | {self.image_ids[row] for row in np.flatnonzero(near)}


def read_near_duplicates(
    photos: Path, hashes: Path, pictures: Pictures, max_distance: int, folds: int
) -> NearDuplicates:
    """Find the near-duplicates of a library.

    A photo without hashes (undecodable), or without enough contrast, is its own group. A group of more than
    half a fold is split, see `cut_large_groups`.

    Folds and halves are drawn by a group's name. The photo that was seen first stays so, whatever is renamed,
    rated or added (docs/decisions/5-near-duplicates.md): a name changes only if that photo goes or another
    joins two groups.
    """
    groups = pictures.find_first_ids([photo.image_id for photo in read_manifest(photos)])
    record_of = {record.image_id: record for record in read_jsonl(hashes, HashRecord)}
    ids = [image_id for image_id in pictures.sort_by_first_seen(groups) if image_id in record_of]
    names = [groups[image_id] for image_id in ids]
    octets = bytes.fromhex("".join(record_of[one].perceptual_hash for one in ids))
    stacked = np.frombuffer(octets, dtype=">u8").astype(np.uint64).reshape(len(ids), -1 if ids else 1)
    whole = group_near_duplicates(stacked, max_distance)
    largest = max(_ALWAYS_ONE_GROUP, len(groups) // (2 * folds))
    cut = int(np.count_nonzero(find_large(whole, largest)))
    firsts = cut_large_groups(stacked, whole, max_distance, largest)
    groups.update((image_id, names[first]) for image_id, first in zip(ids, firsts.tolist(), strict=True))
    return NearDuplicates(groups, ids, stacked, max_distance, cut)


def find_reserved(near: NearDuplicates, measured: Iterable[str], pictures: Pictures) -> set[str]:
    """Return the measured photos, other files of their pictures, and what is near all these within two steps.

    A copy that a program turned is the same picture, but its hashes are those of another one. Two steps: a
    photo two steps away makes figures too good if it trains (docs/decisions/5-near-duplicates.md).
    """
    same = {other for image_id in measured for other in pictures.find_all_ids(image_id)}
    return near.with_neighbours(near.with_neighbours(same))


def find_holdout_limit(numbers: Collection[float], split: Split, budget: int | None) -> float:
    """Return the permanent number (0..1) below which photos are in the holdout, given those of the library.

    `budget`: about how many photos the teacher is asked; None: all.
    """
    asked = min(budget or len(numbers), len(numbers))
    wanted = min(split.holdout_share * asked, MOST_HOLDOUT)
    if wanted == split.holdout_share * len(numbers):  # not limited: it depends on no other photo
        return split.holdout_share
    return sorted(numbers)[int(wanted)]


def assign_roles(
    groups: Mapping[str, str],
    reserved: set[str],
    split: Split,
    seed: int,
    strata: Mapping[str, str] | None = None,
    pictures: Pictures | None = None,
    budget: int | None = None,
) -> dict[str, Membership]:
    """Return each photo's membership.

    `groups` has the name of every photo's near-duplicate group, in manifest order; folds and halves follow
    it. `reserved` are photos kept for people, their near-duplicates included. `seed` is that of the permanent
    random numbers (`sample.seed`). `strata` has the stratum of each photo that is in a recorded draw,
    `pictures` the ids that photos had before. `budget` is as for `find_holdout_limit`.
    """
    pictures = pictures or Pictures()
    numbers, earlier = pictures.number(groups, seed), pictures.find_earlier_ids(groups)
    holdout_below = find_holdout_limit(list(numbers.values()), split, budget)
    lowest: dict[str, float] = defaultdict(lambda: 1.0)
    for image_id, group in groups.items():
        lowest[group] = min(lowest[group], numbers[image_id])
    memberships = {}
    for image_id, group in groups.items():
        role: Role = "holdout" if lowest[group] < holdout_below else "train"
        half: Literal["tune", "score"] | None = None
        if image_id in reserved:
            role = "reserved"
            half = "tune" if unit_interval(_HALF_SEED, "half", group) < 0.5 else "score"
        memberships[image_id] = Membership(
            group=group,
            fold=int(unit_interval(split.seed, "fold", group) * split.folds),
            role=role,
            number=numbers[image_id],
            half=half,
            stratum=(strata or {}).get(image_id),
            earlier_ids=earlier.get(image_id, []),
        )
    return memberships


def find_lost_to_duplicates(
    memberships: Mapping[str, Membership], measured: set[str], holdout_below: float
) -> dict[str, tuple[int, int]]:
    """Return the strata that lose a tenth or more to near-duplicates: photos lost, and all photos.

    A photo is lost if it does not train only because a near-duplicate is measured or held out. Strata are the
    teacher's scenes when people began to measure; before that there are none. `measured` are the sample and
    the photos that people measured, without near-duplicates; photos with a number below `holdout_below` are
    in the holdout themselves.
    """
    known = {image_id: one for image_id, one in memberships.items() if one.stratum is not None}
    in_all = Counter(str(one.stratum) for one in known.values())
    lost = Counter(
        str(one.stratum)
        for image_id, one in known.items()
        if one.role != "train" and image_id not in measured and one.number >= holdout_below
    )
    return {
        name: (lost[name], in_all[name]) for name in sorted(lost) if lost[name] >= _WARN_SHARE * in_all[name]
    }


def write_splits(path: Path, memberships: Mapping[str, Membership]) -> None:
    """Write `splits.json`: one JSON object from image_id to membership, one photo per line."""
    encode = msgspec.json.Encoder().encode
    with open_atomically(path) as file:
        separator = b"{\n"
        for image_id, membership in memberships.items():
            file.write(separator + encode(image_id) + b": " + encode(membership))
            separator = b",\n"
        file.write(b"\n}\n" if memberships else b"{}\n")


def _log_roles(memberships: Mapping[str, Membership], measured: Set[str]) -> None:
    roles = Counter(membership.role for membership in memberships.values())
    chosen = len(measured & memberships.keys())
    groups = len({membership.group for membership in memberships.values()})
    log.info(
        f"split: {len(memberships)} photos in {groups} near-duplicate groups: {roles['train']} may train "
        f"(those with an answer do), {roles['holdout']} holdout, {roles['reserved']} reserved for people: "
        f"{chosen} sampled or measured and {roles['reserved'] - chosen} near-duplicates of them"
    )


def _log_rewritten(human: Path, current_ids: Mapping[str, str]) -> None:
    """Log how many photos with people's labels are in another file now."""
    as_written = read_human_truth(human, {})
    moved = {current_ids[i] for i in (*as_written.everything, *as_written.skipped) if i in current_ids}
    if moved:
        log.info("split: people's labels of %s stay, though the file was rewritten", say_count(len(moved)))
