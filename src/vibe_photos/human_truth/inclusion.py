"""Weights that add up to what is known: each stratum weighs as many photos as it has.

A round brings of a stratum more or fewer photos than expected. Weights scaled to the strata's known sizes
take that part of chance out again (post-stratification: Holt and Smith 1979, "Post stratification"), so that
what the stratified sample knew is not lost when a round comes to it. Strata of which the sample had few
photos are scaled together. What the rounds brought has no say in that: to scale a stratum on its own whenever
it happened to get many photos would make its figures too small on average.

How likely each audited photo was to be audited: what makes a few hundred photos speak for a library.

Only what was really audited counts, not what was drawn and still waits. A draw (the review sample within each
of its strata, or a round) lists photos in a random order; it reaches as far as people followed that order:

- the sample, m of a stratum's N photos audited: each photo of the stratum had the probability m / N. Samples
  drawn with several seeds or sizes add up, since each is a simple random one;
- a round: min(1, size measure * tau), by the photos audited so far (`rounds`);
- all draws together: 1 - prod(1 - probability), whichever of them a photo came by.

A photo that was audited although no draw had come to it (picked by hand) is truth like any other, but speaks
for no other photo: it has no probability, and figures about the library leave it out.

Once there are rounds, weights are scaled to the strata's sizes (`post_strata`). Before, a stratum of the
sample of which nothing was audited yet is not spoken for: figures are those of the others. A photo of a
`random` sample has its scene's chances in a stratified one counted only once a round says which scene it has.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from vibe_photos.human_truth.reach import Draw, Place, any_of, reach_round, reach_sample
from vibe_photos.human_truth.rounds import Round
from vibe_photos.human_truth.sample_design import (
    DESIGN_FIELDS,
    WHOLE_LIBRARY,
    SampleDesign,
    read_sample_design,
)
from vibe_photos.records.ground_truth import GroundTruth

FEWEST_SAMPLED = 5
"""A stratum of which the sample had fewer is not scaled on its own: the mean of a handful is too unsteady."""

SMALL_STRATA = "small strata together"


def post_stratify(
    probabilities: Mapping[str, float],
    strata: Mapping[str, str],
    photos: Mapping[str, int],
    sampled: Mapping[str, int],
) -> dict[str, tuple[str, float]]:
    """Return, by photo, the stratum that its weight is scaled in and the factor on 1 / probability.

    Args:
        probabilities: inclusion probabilities of the audited photos.
        strata: their strata; one that is not among `photos` is not scaled.
        photos: how many photos each stratum has.
        sampled: how many of them the sample has audited.
    """
    places = _join_small({name: sampled.get(name, 0) for name in photos})
    found = {image_id: places.get(strata[image_id], strata[image_id]) for image_id in probabilities}
    size, weight = defaultdict[str, int](int), defaultdict[str, float](float)
    for name, count in photos.items():
        size[places[name]] += count
    for image_id, place in found.items():
        weight[place] += 1.0 / probabilities[image_id]
    return {
        image_id: (place, size[place] / weight[place] if size[place] else 1.0)
        for image_id, place in found.items()
    }


def _join_small(sampled: Mapping[str, int]) -> dict[str, str]:
    """Return where each stratum is scaled; the next joins the small ones where they are few together."""
    by_count = sorted(sampled, key=lambda name: (sampled[name], name))
    small = [name for name in by_count if sampled[name] < FEWEST_SAMPLED]
    if small and sum(sampled[name] for name in small) < FEWEST_SAMPLED:
        small = by_count[: len(small) + 1]
    return {name: SMALL_STRATA if name in small else name for name in sampled}


def weigh_audited(records: Sequence[GroundTruth], rounds: Sequence[Round]) -> list[GroundTruth]:
    """Return the records with the design of all draws together in `extra`, in their order.

    `inclusion_probability` is that of all draws, absent for a photo picked by hand; `stratum` is the one
    that its weight was scaled in, and `weight_factor` says by how much. Where no record says how it was
    drawn and there are no rounds, records are returned as they are.

    Raises:
        InputError: a record's design is impossible.
    """
    stated = {record.image_id: read_sample_design(record) for record in records}
    designs = {image_id: design for image_id, design in stated.items() if design}
    if not rounds and not designs:
        return list(records)
    places = [drawn.find(stated.keys()) for drawn in rounds]
    strata = {image_id: _find_stratum(image_id, designs, places) for image_id in stated}
    asked = [{photo.image_id for photo in drawn.asked} for drawn in rounds]
    sample = reach_sample(designs, strata, set().union(*asked))
    further = [
        reach_round(drawn, stated.keys(), places[position], designs.keys() | set().union(*asked[:position]))
        for position, drawn in enumerate(rounds)
    ]
    probabilities = combine_draws([sample, *further])
    sampled = Counter(
        strata[image_id] for image_id in sample.reached if designs[image_id].stratum != WHOLE_LIBRARY
    )
    photos = rounds[-1].count_strata() if rounds else {}
    factors = post_stratify(probabilities, strata, photos, sampled) if rounds else {}
    return [_state_design(record, probabilities, strata, factors) for record in records]


def split_by_hand(weighed: Sequence[GroundTruth]) -> tuple[list[GroundTruth], list[GroundTruth]]:
    """Return the weighed records that draws came to, and those picked by hand.

    Where nobody says how any photo was drawn, all are taken as drawn.
    """
    drawn = [record for record in weighed if "inclusion_probability" in record.extra]
    by_hand = [record for record in weighed if "inclusion_probability" not in record.extra]
    return (drawn, by_hand) if drawn else (by_hand, [])


def combine_draws(draws: Sequence[Draw]) -> dict[str, float]:
    """Return the probability of each photo that any of the draws has come to: 1 - prod(1 - probability)."""
    reached = sorted(frozenset().union(*(draw.reached for draw in draws)))
    return {image_id: any_of(draw.probability[image_id] for draw in draws) for image_id in reached}


def _find_stratum(
    image_id: str, designs: Mapping[str, SampleDesign], places: Sequence[Mapping[str, Place]]
) -> str:
    """Return a photo's stratum by the latest round that knows it, else by the sample."""
    latest = next((found[image_id][0] for found in reversed(places) if image_id in found), None)
    return latest or (designs[image_id].stratum if image_id in designs else "")


def _state_design(
    record: GroundTruth,
    probabilities: Mapping[str, float],
    strata: Mapping[str, str],
    factors: Mapping[str, tuple[str, float]],
) -> GroundTruth:
    extra: dict[str, Any] = {name: value for name, value in record.extra.items() if name not in DESIGN_FIELDS}
    if record.image_id in probabilities:
        stratum, factor = factors.get(record.image_id, (strata[record.image_id], 1.0))
        extra |= {"inclusion_probability": probabilities[record.image_id]}
        extra |= {"stratum": stratum} if stratum else {}
        extra |= {"weight_factor": factor} if factors else {}
    return msgspec.structs.replace(record, extra=extra)
