"""What a person is asked to check: a probability sample that stays put when the rest of the world moves.

Photos are ranked by a keyed hash of their id, and the first of each stratum are taken. So who is sampled
depends on ids, the seed and the teacher's scene alone: a changed threshold does not touch it, and one
more photo moves at most a few.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from vibe_photos.errors import InputError
from vibe_photos.labels.keyed_hash import unit_interval
from vibe_photos.labels.records import GroundTruth, truth_object
from vibe_photos.labels.truth_file import read_objects
from vibe_photos.settings import Sample
from vibe_photos.storage.atomic import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)

_FINGERPRINT = "as_sampled"
_NO_SCENE = "none"


def sample_for_review(auto: Path, to_review: Path, human: Path, sample: Sample) -> None:
    """Write the sampled records, pretty, as a JSON list in the order of their hash rank.

    Each record carries `stratum`, `inclusion_probability` and a fingerprint of its labels, by which an
    edit is noticed the next time.

    Raises:
        InputError: `to_review` was edited; nothing is overwritten.
    """
    _refuse_edited(to_review, human)
    records = {record.image_id: record for record in read_jsonl(auto, GroundTruth)}
    strata = _stratify(records.values(), sample.strategy)
    sizes = allocate({name: len(ids) for name, ids in strata.items()}, sample.size, sample.min_per_stratum)
    drawn = []
    for stratum, ids in strata.items():
        share = sizes[stratum] / len(ids)
        drawn += [(image_id, stratum, share) for image_id in _rank(ids, sample.seed)[: sizes[stratum]]]
    drawn.sort(key=lambda draw: unit_interval(sample.seed, "sample", draw[0]))
    write_json(
        to_review, [_to_review(records[image_id], stratum, share) for image_id, stratum, share in drawn]
    )
    log.info("sample: %d of %d photos to review, from %d strata", len(drawn), len(records), len(strata))


def read_sampled(to_review: Path) -> dict[str, dict[str, Any]]:
    """Return the sampled records by image_id, in their order."""
    return {str(value["image_id"]): value for _, value in read_objects(to_review)}


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


def _stratify(records: Any, strategy: str) -> dict[str, list[str]]:
    strata: dict[str, list[str]] = defaultdict(list)
    for record in records:
        scene = record.scene[0] if record.scene else _NO_SCENE
        strata[scene if strategy == "stratified" else "all"].append(record.image_id)
    return dict(sorted(strata.items()))


def _rank(ids: list[str], seed: int) -> list[str]:
    return sorted(ids, key=lambda image_id: unit_interval(seed, "sample", image_id))


def _to_review(record: GroundTruth, stratum: str, inclusion_probability: float) -> dict[str, Any]:
    return {
        **truth_object(record),
        "stratum": stratum,
        "inclusion_probability": round(inclusion_probability, 6),
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
