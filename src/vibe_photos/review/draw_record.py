"""Record a draw when people begin to measure it: which photos were in which stratum."""

from collections import defaultdict
from pathlib import Path

from vibe_photos.human_truth.draws import (
    NOT_ASKED,
    Draw,
    find_strata,
    grow_draw,
    hash_mapping,
    make_stratum,
    next_draw_number,
    read_draws,
    split_name,
    write_draw,
)
from vibe_photos.human_truth.sample import read_sampled
from vibe_photos.records.pictures import number_photos
from vibe_photos.records.splits import read_current_ids
from vibe_photos.sample.stage import read_answers, stratify
from vibe_photos.settings import Settings


def record_draw(settings: Settings) -> Path | None:
    """Record the strata of the review sample, if a sampled photo is in no stratum of a recorded draw.

    A new draw contains all photos of the library that are in no earlier draw. An earlier one grows by photos
    that it has as not asked, if they were asked about since. Returns the last file that was written, or None
    if all sampled photos are recorded already.

    Raises:
        InputError: a file is missing or malformed.
    """
    paths, sample = settings.paths, settings.sample
    draws = {draw.number: draw for draw in read_draws(paths.human) if draw.how != "uniform"}
    sampled = list(read_sampled(paths.sample))
    current_ids = read_current_ids(paths.splits)
    recorded = find_strata(list(draws.values()), sampled, current_ids)
    if all(split_name(recorded.get(image_id, NOT_ASKED))[0] != NOT_ASKED for image_id in sampled):
        return None
    placed: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    numbers = number_photos(settings)
    for image_id, name in stratify(settings, read_answers(settings, numbers), numbers).items():
        stratum, number = split_name(name)
        placed[number][stratum].append(image_id)
    written = None
    for number, strata in sorted(placed.items()):
        if not strata.keys() - {NOT_ASKED}:
            continue  # nobody could stand for these photos
        new = Draw(
            number=number,
            how=sample.strategy,
            seed=sample.seed,
            teacher=settings.teacher.model,
            mapping=hash_mapping(settings.taxonomy.scenes),
            strata={name: make_stratum(ids) for name, ids in sorted(strata.items())},
        )
        draw = grow_draw(draws[number], new, current_ids) if number in draws else new
        if draw != draws.get(number):
            written = write_draw(paths.human, draw)
    return written


def record_uniform(human: Path, image_ids: list[str]) -> Path:
    """Record photos that were drawn uniformly at random elsewhere, as their own draw."""
    number = next_draw_number(read_draws(human))
    stratum = make_stratum(image_ids)
    return write_draw(human, Draw(number=number, how="uniform", strata={"imported": stratum}))
