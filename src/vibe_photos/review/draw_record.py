"""Record a draw when people begin to measure it: which photos were in which stratum."""

from pathlib import Path

from vibe_photos.human_truth.draws import (
    Draw,
    find_strata,
    hash_mapping,
    make_stratum,
    next_number,
    read_draws,
    write_draw,
)
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.photos import read_manifest
from vibe_photos.records.splits import read_current_ids
from vibe_photos.sample.stage import stratify
from vibe_photos.settings import Settings
from vibe_photos.storage.jsonl import read_jsonl


def record_draw(settings: Settings) -> Path | None:
    """Record the strata of the review sample, if a sampled photo is in no recorded draw.

    Returns the new file, or None if all sampled photos are recorded already. The draw contains all photos of
    the library that are in no earlier draw.

    Raises:
        InputError: a file is missing or malformed.
    """
    paths, sample = settings.paths, settings.sample
    draws = read_draws(paths.human)
    own = [draw for draw in draws if draw.how != "uniform"]
    sampled = list(read_sampled(paths.sample))
    current_ids = read_current_ids(paths.splits)
    known = find_strata(own, sampled, current_ids)
    if all(image_id in known for image_id in sampled):
        return None
    library = {photo.image_id for photo in read_manifest(paths.photos)}
    answered = [one for one in read_jsonl(paths.auto / ALL_LABELS, GroundTruth) if one.image_id in library]
    recorded = find_strata(own, [one.image_id for one in answered], current_ids)
    new = [one for one in answered if one.image_id not in recorded]
    strata = stratify(new, sample.strategy, [])
    draw = Draw(
        number=next_number(draws),
        how=sample.strategy,
        seed=sample.seed,
        teacher=settings.teacher.model,
        mapping=hash_mapping(settings.taxonomy.scenes),
        strata={name: make_stratum(ids) for name, ids in strata.items()},
    )
    return write_draw(paths.human, draw)


def record_uniform(human: Path, image_ids: list[str]) -> Path:
    """Record photos that were drawn uniformly at random elsewhere, as their own draw."""
    number = next_number(read_draws(human))
    stratum = make_stratum(image_ids)
    return write_draw(human, Draw(number=number, how="uniform", strata={"imported": stratum}))
