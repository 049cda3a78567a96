"""Stage `sample`: draw the photos that a person is asked to check.

Photos are ranked by their permanent random number, and the first of each stratum are sampled. So the sample
depends only on ids, the seed and the strata, and a larger sample contains the smaller one. The strata are
those of the recorded draws if people have begun to measure, else the teacher's scenes; photos that it failed
to answer are a stratum too. The file mixes the strata evenly: half of it is about half of each stratum.

Photos that `annotate.budget` leaves out are not drawn. The budget takes the lowest numbers, so the photos
that it includes are a random part of all, and represent the others.
"""

import logging
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import xxhash

from vibe_photos.errors import InputError
from vibe_photos.human_truth.draws import (
    NO_ANSWER,
    NO_SCENE,
    NOT_ASKED,
    WHOLE_LIBRARY,
    assign_strata,
    read_draws,
    split_name,
)
from vibe_photos.human_truth.labels import CHECKED, read_human_truth
from vibe_photos.human_truth.sample import ASKED_SHARE, find_asked_shares
from vibe_photos.records.failures import read_failures
from vibe_photos.records.ground_truth import (
    ALL_LABELS,
    GroundTruth,
    read_objects,
    read_truth_file,
    truth_object,
)
from vibe_photos.records.pictures import number_photos, read_pictures
from vibe_photos.settings import Settings
from vibe_photos.storage.files import write_json

log = logging.getLogger(__name__)

_FINGERPRINT = "as_sampled"


def sample_for_review(settings: Settings) -> None:
    """Write the sampled records as an indented JSON list, in the order in which they are to be checked.

    Each record has `human_truth.sample.DESIGN_FIELDS`, `"checked": false`, and a fingerprint of its labels:
    by it the next run detects edits.

    Raises:
        InputError: the file was edited; nothing is overwritten.
    """
    paths, sample = settings.paths, settings.sample
    _refuse_edited(paths.sample, paths.human)
    numbers = number_photos(settings)
    records = read_answers(settings, numbers)
    placed = stratify(settings, records, numbers)
    strata: dict[str, list[str]] = defaultdict(list)
    for image_id, name in sorted(placed.items(), key=lambda item: (item[1], item[0])):
        strata[name].append(image_id)
    asked_share = find_asked_shares({name: len(ids) for name, ids in strata.items()})
    not_asked = {name: strata.pop(name) for name in list(strata) if split_name(name)[0] == NOT_ASKED}
    sizes = allocate({name: len(ids) for name, ids in strata.items()}, sample.size, sample.min_per_stratum)
    drawn = []
    for stratum, ids in strata.items():
        size, share = sizes[stratum], asked_share[stratum]
        for rank, image_id in enumerate(sorted(ids, key=numbers.__getitem__)[:size], start=1):
            labels = truth_object(records.get(image_id) or GroundTruth(image_id=image_id)) | {CHECKED: False}
            design = {
                "stratum": stratum,
                "stratum_photos": len(ids),
                "stratum_rank": rank,
                "inclusion_probability": round(size / len(ids) * share, 6),
                **({ASKED_SHARE: share} if share < 1.0 else {}),
            }
            place = Fraction(2 * rank - 1, 2 * size)  # in the stratum's sample, 0..1: mixes the strata evenly
            drawn.append((place, stratum, labels | design | {_FINGERPRINT: _fingerprint(labels)}))
    drawn.sort(key=lambda one: one[:2])
    write_json(paths.sample, [record for *_, record in drawn])
    unasked = sum(map(len, not_asked.values()))
    log.info(
        "sample: %d of %d photos to review, from %d strata%s",
        *(len(drawn), sum(map(len, strata.values())), len(strata)),
        f"; they stand for {unasked} that were not asked about too" if unasked else "",
    )


def read_answers(settings: Settings, library: Container[str]) -> dict[str, GroundTruth]:
    """Return the teacher's records of the library's photos, by id."""
    answered = read_truth_file(settings.paths.auto / ALL_LABELS)
    return {record.image_id: record for record in answered if record.image_id in library}


def stratify(
    settings: Settings, records: Mapping[str, GroundTruth], numbers: Mapping[str, float]
) -> dict[str, str]:
    """Return the stratum of each photo of the library by its id, `NOT_ASKED` for those that others represent.

    `records` are the teacher's answers of today, `numbers` the photos' permanent random numbers. A photo that
    a near-duplicate represents has the stratum of that one.
    """
    paths, sample = settings.paths, settings.sample
    failures = read_failures(paths.raw_annotations)
    strata_today, not_asked = dict[str, str](), []
    current_ids = read_pictures(paths.photos).find_current_ids(numbers)
    asked = records.keys() | (failures.keys() & numbers.keys())
    last_asked_number = max((numbers[image_id] for image_id in asked), default=-1.0)
    for image_id, number in numbers.items():
        answer = records.get(image_id)
        if answer is None and image_id in failures:
            answer = records.get(failures[image_id].represented_by or "")
        if answer is None and number > last_asked_number:
            not_asked.append(image_id)
        elif sample.strategy == "random":
            strata_today[image_id] = WHOLE_LIBRARY
        else:
            strata_today[image_id] = NO_ANSWER if answer is None else (answer.scene or [NO_SCENE])[0]
    truth = read_human_truth(paths.human, current_ids)
    shown = {*truth.measured, *truth.skipped}
    return assign_strata(strata_today, not_asked, read_draws(paths.human), shown, current_ids)


def allocate(population: Mapping[str, int], size: int, floor: int) -> dict[str, int]:
    """Return each stratum's part of `size`: proportional to its population, but at least `floor`.

    Photos are assigned one by one, first to strata below the floor, then to the one with the largest
    population / (2 * photos + 1) (the divisor method of Webster and Sainte-Lague). So a larger size never
    reduces a stratum, and no stratum gets more photos than it has.
    """
    order = sorted(
        (min(photos, floor), -Fraction(count, 2 * photos + 1), name)
        for name, count in population.items()
        for photos in range(min(count, size))
    )
    shares = Counter(name for *_, name in order[:size])
    return {name: shares[name] for name in population}


def _fingerprint(labels: Mapping[str, Any]) -> str:
    said = [labels.get(field) for field in ("image_id", "scene", "attributes", "objects", CHECKED)]
    return xxhash.xxh3_64_hexdigest(msgspec.json.encode(said, order="sorted"))[:8]


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
