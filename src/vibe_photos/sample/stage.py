"""Stage `sample`: draw the photos that a person is asked to check.

Photos are ranked by their permanent random number, and the first of each stratum are sampled. So the sample
depends only on ids, the seed and the strata. The strata are those of the recorded draws if people have begun
to measure, else the teacher's scenes. A larger sample contains the smaller one. The file mixes the strata
evenly, so that half of it covers about half of each stratum.
"""

import heapq
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import (
    NO_SCENE,
    WHOLE_LIBRARY,
    Draw,
    find_strata,
    name_drawn,
    next_number,
    read_draws,
)
from vibe_photos.human_truth.labels import CHECKED, NO_IDS
from vibe_photos.records.ground_truth import (
    ALL_LABELS,
    GroundTruth,
    read_objects,
    read_truth_file,
    truth_object,
)
from vibe_photos.records.keyed_hash import permanent_number
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.pictures import read_pictures
from vibe_photos.settings import Settings
from vibe_photos.storage.files import write_json

log = logging.getLogger(__name__)

_FINGERPRINT = "as_sampled"


def sample_for_review(settings: Settings) -> None:
    """Write the sampled records as an indented JSON list, in the order in which they are to be checked.

    Each record has `DESIGN_FIELDS`, `"checked": false`, and a fingerprint of its labels, which detects edits
    at the next run. Photos without an answer of the teacher are left out.

    Raises:
        InputError: the file was edited; nothing is overwritten.
    """
    paths, sample = settings.paths, settings.sample
    _refuse_edited(paths.sample, paths.human)
    library = {photo.image_id for photo in read_manifest(paths.photos)}
    answered = read_truth_file(paths.auto / ALL_LABELS)
    records = {record.image_id: record for record in answered if record.image_id in library}
    pictures = read_pictures(paths.photos)
    current_ids, first = pictures.find_current_ids(library), pictures.find_first_ids(library)
    strata = stratify(records.values(), sample.strategy, read_draws(paths.human), current_ids)
    sizes = allocate({name: len(ids) for name, ids in strata.items()}, sample.size, sample.min_per_stratum)
    drawn = []
    for stratum, ids in strata.items():
        ranked = sorted(ids, key=lambda image_id: permanent_number(sample.seed, first[image_id]))
        for rank, image_id in enumerate(ranked[: sizes[stratum]], start=1):
            drawn.append(_DrawnPhoto(image_id, stratum, len(ids), rank, sizes[stratum]))
    drawn.sort(key=lambda one: (one.turn, one.stratum))
    write_json(paths.sample, [_to_review(records[one.image_id], one) for one in drawn])
    log.info("sample: %d of %d photos to review, from %d strata", len(drawn), len(records), len(strata))


@dataclass(frozen=True, slots=True)
class _DrawnPhoto:
    """A photo drawn as the `rank`-th of `size` from a stratum of `photos`."""

    image_id: str
    stratum: str
    photos: int
    rank: int
    size: int

    @property
    def turn(self) -> Fraction:
        """The share of its stratum's sample that is checked with this photo, in 0..1."""
        return Fraction(2 * self.rank - 1, 2 * self.size)


def stratify(
    records: Iterable[GroundTruth],
    strategy: str,
    draws: Sequence[Draw],
    current_ids: Mapping[str, str] = NO_IDS,
) -> dict[str, list[str]]:
    """Return the photos of each stratum: the recorded one (see `find_strata`), else the teacher's scene."""
    all_records = list(records)
    recorded = find_strata(draws, [record.image_id for record in all_records], current_ids)
    number = next_number(draws)
    strata: dict[str, list[str]] = defaultdict(list)
    for record in all_records:
        own = (record.scene or [NO_SCENE])[0] if strategy == "stratified" else WHOLE_LIBRARY
        strata[recorded.get(record.image_id) or name_drawn(own, number)].append(record.image_id)
    return dict(sorted(strata.items()))


def allocate(population: Mapping[str, int], size: int, floor: int) -> dict[str, int]:
    """Distribute `size` over strata in proportion to their population, with at least `floor` each.

    Photos are assigned one by one, first to strata below the floor, then to the one with the largest
    population / (2 * photos + 1) (the divisor method of Webster and Sainte-Lague). So a larger size never
    reduces a stratum, and no stratum gets more photos than it has.

    Args:
        population: photos per stratum.
        size: photos wanted in all; the total is `min(size, all photos)`.
        floor: photos wanted from every stratum at least.
    """

    def priority(name: str, photos: int) -> tuple[int, Fraction, str]:
        return (min(photos, floor), -Fraction(population[name], 2 * photos + 1), name)

    shares = dict.fromkeys(population, 0)
    queue = [priority(name, 0) for name, count in population.items() if count]
    heapq.heapify(queue)
    for _ in range(min(size, sum(population.values()))):
        *_, name = heapq.heappop(queue)
        shares[name] += 1
        if shares[name] < population[name]:
            heapq.heappush(queue, priority(name, shares[name]))
    return shares


def _to_review(record: GroundTruth, drawn: _DrawnPhoto) -> dict[str, Any]:
    return {
        **truth_object(record),
        CHECKED: False,
        "stratum": drawn.stratum,
        "stratum_photos": drawn.photos,
        "stratum_rank": drawn.rank,
        "inclusion_probability": round(drawn.size / drawn.photos, 6),
        _FINGERPRINT: _fingerprint(truth_object(record) | {CHECKED: False}),
    }


def _fingerprint(labels: Mapping[str, Any]) -> str:
    own = [labels.get(field) for field in ("image_id", "scene", "attributes", "objects", CHECKED)]
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(own, order="sorted"))[:8]


def _refuse_edited(to_review: Path, human: Path) -> None:
    if not to_review.exists():
        return
    for place, value in read_objects(to_review):
        if value.get(_FINGERPRINT) != _fingerprint(value):
            raise InputError(
                f"{place} (photo {value.get('image_id')}) was edited, but the stage writes this file.\n"
                f"Nothing was overwritten. Keep the edits as {human}/ground_truth_human.audited.json:\n"
                f"  mv {to_review} {human}/ground_truth_human.audited.json && dvc repro\n"
                "and make further edits on the page that `vibe-photos review` opens"
            )
