"""Weights that add up to what is known: each stratum weighs as many photos as it has.

Photos come into a sample by unequal chances, and of a stratum more or fewer than expected. Weights scaled to
the strata's known sizes take that part of chance out (post-stratification: Holt and Smith 1979, "Post
stratification"). Strata with few audited photos are scaled together, since a handful says little of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

FEWEST_IN_STRATUM = 5
"""With fewer photos a weight would swing by more than what scaling takes out."""

SMALL_STRATA = "small strata together"


def post_stratify(
    probabilities: Mapping[str, float], strata: Mapping[str, str], photos: Mapping[str, int]
) -> dict[str, tuple[str, float]]:
    """Return, by photo, the stratum that its weight is scaled in and the factor on 1 / probability.

    Args:
        probabilities: inclusion probabilities of the audited photos.
        strata: their strata; one that is not among `photos` is not scaled.
        photos: how many photos each stratum has.
    """
    audited = Counter(strata[image_id] for image_id in probabilities)
    joined = _join_small({name: audited[name] for name in photos})
    places = {image_id: joined.get(strata[image_id], strata[image_id]) for image_id in probabilities}
    size, weight = Counter[str](), defaultdict[str, float](float)
    for name, count in photos.items():
        size[joined[name]] += count
    for image_id, place in places.items():
        weight[place] += 1.0 / probabilities[image_id]
    return {
        image_id: (place, size[place] / weight[place] if size[place] else 1.0)
        for image_id, place in places.items()
    }


def _join_small(audited: Mapping[str, int]) -> dict[str, str]:
    """Return which stratum each is scaled in; where the small ones are few even together, the next joins."""
    by_count = sorted(audited, key=lambda name: (audited[name], name))
    small = [name for name in by_count if audited[name] < FEWEST_IN_STRATUM]
    if small and sum(audited[name] for name in small) < FEWEST_IN_STRATUM:
        small = by_count[: len(small) + 1]
    return {name: SMALL_STRATA if name in small else name for name in audited}
