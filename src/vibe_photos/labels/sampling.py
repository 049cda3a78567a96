"""What a person is asked to check: a probability sample that stays put when the rest of the world moves.

Photos are ranked by a keyed hash of their id, and the first of each stratum are taken. So who is sampled
depends on ids, the seed and the teacher's scene alone: a changed threshold does not touch it, and one
more photo moves at most a few.
"""

import logging
from collections import defaultdict
from collections.abc import Mapping
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

    A stratum gets no more than it has; the total is `min(size, population)` unless the floors alone ask
    for more, in which case they are met as far as `size` goes, largest strata first.

    Args:
        population: photos per stratum.
        size: photos wanted in all.
        floor: photos wanted from every stratum at least.
    """
    wanted = min(size, sum(population.values()))
    taken = dict.fromkeys(population, 0)
    order = sorted(population, key=lambda name: (-population[name], name))
    for name in order:
        taken[name] = min(floor, population[name], wanted - sum(taken.values()))
    while (left := wanted - sum(taken.values())) > 0:
        open_strata = [name for name in order if taken[name] < population[name]]
        total = sum(population[name] for name in open_strata)
        for name in open_strata:
            # The largest shortfall of the exact share comes first, at least one each round.
            room = min(population[name] - taken[name], wanted - sum(taken.values()))
            taken[name] += min(room, max(1, left * population[name] // total))
    return taken


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
