"""Weights that add up to what is known: each stratum weighs as many photos as it has.

A round brings of a stratum more or fewer photos than expected. Weights scaled to the strata's known sizes
take that part of chance out again (post-stratification: Holt and Smith 1979, "Post stratification"), so that
what the stratified sample knew is not lost when a round comes to it. Strata of which the sample had few
photos are scaled together. What the rounds brought has no say in that: to scale a stratum on its own whenever
it happened to get many photos would make its figures too small on average.
"""

from collections import defaultdict
from collections.abc import Mapping

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
