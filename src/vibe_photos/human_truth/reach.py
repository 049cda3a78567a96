"""How far people followed a draw: which photos it came to, and how likely it made every other.

A draw (the review sample within each of its strata, or a round) lists photos in a random order, and people
audit from its beginning. What they picked from further down the draw has not come to.
"""

import functools
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from vibe_photos.human_truth.rounds import Round
from vibe_photos.human_truth.sample_design import WHOLE_LIBRARY, SampleDesign

LEAST_FOLLOWED = 0.9
"""An order counts as followed as far as this share of it was audited: one photo that nobody could judge does
not end it, and a photo picked from the middle does not stretch it."""


Place = tuple[str, float]
"""A photo's stratum and size measure in a round."""


@dataclass(frozen=True, slots=True)
class Draw:
    """A draw as far as it was audited: the photos it came to, and every audited photo's probability in it."""

    reached: frozenset[str]
    probability: Mapping[str, float]


def measure_reach(is_audited: Sequence[bool | None]) -> int:
    """Return how far an order was followed: the length of its longest beginning that counts as audited.

    Args:
        is_audited: of each photo in its order; None where it was audited and another draw has asked for it
            too, which proves nothing, but does not break the order either.
    """
    reach = audited = waiting = 0
    for position, state in enumerate(is_audited, start=1):
        audited, waiting = audited + (state is True), waiting + (state is False)
        is_followed = audited >= LEAST_FOLLOWED * (audited + waiting)
        if is_followed and (state is True or (state is None and reach == position - 1)):
            reach = position
    return reach


def reach_sample(
    designs: Mapping[str, SampleDesign], strata: Mapping[str, str], asked: Collection[str]
) -> Draw:
    """Return the review sample as one draw; `asked` are the photos that rounds have asked for too."""
    members: dict[str, list[str]] = defaultdict(list)
    for image_id, design in designs.items():
        members[design.stratum].append(image_id)
    reached = {name: _reach_stratum(ids, designs, asked) for name, ids in members.items()}
    shares = {name: _share_of_stratum(ids, designs) for name, ids in reached.items()}

    def probability(image_id: str) -> float:
        design = designs.get(image_id)
        if design and design.stratum_rank is None:
            return design.inclusion_probability
        is_stratified = design is not None and design.stratum != WHOLE_LIBRARY
        names = {design.stratum if design and is_stratified else strata[image_id], WHOLE_LIBRARY}
        return any_of(shares.get(name, 0.0) for name in sorted(names))

    everyone = {image_id: probability(image_id) for image_id in strata}
    return Draw(frozenset(image_id for ids in reached.values() for image_id in ids), everyone)


def _reach_stratum(
    ids: Sequence[str], designs: Mapping[str, SampleDesign], asked: Collection[str]
) -> list[str]:
    """Return the audited photos of a stratum that its order has come to, all where no order is known."""
    states: dict[int, bool | None] = {}
    for image_id in ids:
        rank = designs[image_id].stratum_rank or 0
        states[rank] = states.get(rank) or (None if image_id in asked else True)
    if 0 in states:
        return list(ids)
    reach = measure_reach([states.get(rank, False) for rank in range(1, max(states) + 1)])
    return [image_id for image_id in ids if (designs[image_id].stratum_rank or 0) <= reach]


def _share_of_stratum(reached: Sequence[str], designs: Mapping[str, SampleDesign]) -> float:
    photos = max((designs[image_id].stratum_photos or 0 for image_id in reached), default=0)
    if photos:
        return min(1.0, len(reached) / photos)
    return max((designs[image_id].inclusion_probability for image_id in reached), default=0.0)


def reach_round(
    drawn: Round, audited: Collection[str], places: Mapping[str, Place], earlier: Collection[str]
) -> Draw:
    """Return a round as one draw; `earlier` are the photos that draws before it have asked for.

    tau is the ratio of the next photo for those that the round brought. Any other photo would have taken the
    place of the last one brought, and has that one's ratio for its tau.
    """
    order = [photo.image_id for photo in drawn.asked]
    states = [(None if i in earlier else True) if i in audited else False for i in order]
    reach = measure_reach(states)
    reached = frozenset(image_id for image_id in order[:reach] if image_id in audited)
    brought = [position for position in range(reach) if states[position]]
    if not brought:
        return Draw(frozenset(), dict.fromkeys(audited, 0.0))
    last, following, share = drawn.ratio(brought[-1]), drawn.ratio(reach), len(reached) / reach
    own = {order[position] for position in brought}

    def probability(image_id: str) -> float:
        size_measure = places[image_id][1] if image_id in places else 0.0
        return min(1.0, size_measure * (following if image_id in own else last)) * share

    return Draw(reached, {image_id: probability(image_id) for image_id in audited})


def any_of(probabilities: Iterable[float]) -> float:
    """Return 1 - prod(1 - probability), so that a single one comes back to the last digit."""
    return functools.reduce(lambda one, other: one + other - one * other, probabilities, 0.0)
