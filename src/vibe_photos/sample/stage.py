"""What a person is asked to check: a probability sample that stays put when the rest of the world moves.

Photos are ranked by a keyed hash of their id, and the first of each stratum are taken. So who is sampled
depends on ids, the seed and the teacher's scene alone: a changed threshold does not touch it, and one
more photo moves at most a few. The strata take turns in the file, so that whoever stops half-way has looked
at half of every stratum; what the rest means for weights stands in `inclusion`.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from vibe_photos.errors import InputError
from vibe_photos.human_truth.sample_design import WHOLE_LIBRARY, name_stratum
from vibe_photos.records.ground_truth import GroundTruth, read_objects, truth_object
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.settings import Sample
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


_FINGERPRINT = "as_sampled"


def sample_for_review(auto: Path, to_review: Path, human: Path, sample: Sample) -> None:
    """Write the sampled records, pretty, as a JSON list in the order in which they are to be checked.

    Each record carries `DESIGN_FIELDS` and a fingerprint of its labels, by which an edit is noticed the
    next time.

    Raises:
        InputError: `to_review` was edited; nothing is overwritten.
    """
    _refuse_edited(to_review, human)
    records = {record.image_id: record for record in read_jsonl(auto, GroundTruth)}
    strata = _stratify(records.values(), sample.strategy)
    sizes = allocate({name: len(ids) for name, ids in strata.items()}, sample.size, sample.min_per_stratum)
    drawn = []
    for stratum, ids in strata.items():
        ranked = _rank(ids, sample)[: sizes[stratum]]
        drawn += [_Draw(image_id, stratum, len(ids), rank, sizes[stratum]) for rank, image_id in ranked]
    drawn.sort(key=lambda draw: (draw.turn, draw.stratum))
    write_json(to_review, [_to_review(records[draw.image_id], draw) for draw in drawn])
    log.info("sample: %d of %d photos to review, from %d strata", len(drawn), len(records), len(strata))


@dataclass(frozen=True, slots=True)
class _Draw:
    """A photo that was drawn as the `rank`-th of `size` from a stratum of `photos`."""

    image_id: str
    stratum: str
    photos: int
    rank: int
    size: int

    @property
    def turn(self) -> Fraction:
        """How far its stratum is when this photo is checked, in 0..1."""
        return Fraction(2 * self.rank - 1, 2 * self.size)


def allocate(population: Mapping[str, int], size: int, floor: int) -> dict[str, int]:
    """Share `size` out over strata in proportion to their population, with at least `floor` each.

    The total is `min(size, population)` and no stratum gets more than it has. Where the floors alone would
    ask for more than `size`, the floor is lowered until they do not. Remainders go to the largest
    fractions (Hamilton's method).

    Args:
        population: photos per stratum.
        size: photos wanted in all.
        floor: photos wanted from every stratum at least.
    """
    wanted = min(size, sum(population.values()))
    while sum(min(floor, count) for count in population.values()) > wanted:
        floor -= 1
    lifted: dict[str, int] = {}
    others = dict(population)
    while low := [name for name, share in _share_out(others, wanted - sum(lifted.values())) if share < floor]:
        lifted.update((name, min(floor, others.pop(name))) for name in low)
    shares = _share_out(others, wanted - sum(lifted.values()))
    taken = {**lifted, **{name: int(share) for name, share in shares}}
    by_remainder = sorted(shares, key=lambda item: (int(item[1]) - item[1], item[0]))
    for name, _ in by_remainder[: wanted - sum(taken.values())]:
        taken[name] += 1
    return taken


def _share_out(population: Mapping[str, int], size: int) -> list[tuple[str, Fraction]]:
    total = sum(population.values())
    return [(name, Fraction(size * count, total)) for name, count in population.items()]


def _stratify(records: Iterable[GroundTruth], strategy: str) -> dict[str, list[str]]:
    strata: dict[str, list[str]] = defaultdict(list)
    for record in records:
        stratum = name_stratum(record.scene) if strategy == "stratified" else WHOLE_LIBRARY
        strata[stratum].append(record.image_id)
    return dict(sorted(strata.items()))


def _rank(ids: list[str], sample: Sample) -> list[tuple[int, str]]:
    # Samples of both strategies are drawn apart, so that a photo's chances in them multiply.
    purpose = "sample" if sample.strategy == "stratified" else "random sample"
    ranked = sorted(ids, key=lambda image_id: unit_interval(sample.seed, purpose, image_id))
    return list(enumerate(ranked, start=1))


def _to_review(record: GroundTruth, draw: _Draw) -> dict[str, Any]:
    return {
        **truth_object(record),
        "stratum": draw.stratum,
        "stratum_photos": draw.photos,
        "stratum_rank": draw.rank,
        "inclusion_probability": round(draw.size / draw.photos, 6),
        _FINGERPRINT: _fingerprint(truth_object(record)),
    }


def _fingerprint(labels: Mapping[str, Any]) -> str:
    own = [labels.get(field) for field in ("image_id", "scene", "attributes", "objects")]
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(own, order="sorted"))[:8]


def _refuse_edited(to_review: Path, human: Path) -> None:
    if not to_review.exists():
        return
    for place, value in read_objects(to_review):
        if value.get(_FINGERPRINT) != _fingerprint(value):
            raise InputError(
                f"{place} (photo {value.get('image_id')}) was edited, and this file is the stage's own.\n"
                f"Nothing was overwritten. Corrections belong into {human}/ground_truth_human.audited.json:\n"
                f"  mv {to_review} {human}/ground_truth_human.audited.json && dvc repro"
            )
