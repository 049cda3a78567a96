"""How likely each audited photo was to be audited: what makes a few hundred photos speak for a library.

Only what was really audited counts, not what was drawn and still waits. A draw (the review sample within each
of its strata, or a round) lists photos in a random order; it reaches as far as people followed that order:

- the sample, m of a stratum's N photos audited: each photo of the stratum had the probability m / N. Samples
  drawn with several seeds or sizes add up, since each is a simple random one;
- a round: min(1, size measure * tau), by the photos audited so far (`rounds`);
- all draws together: 1 - prod(1 - probability), whichever of them a photo came by.

A photo that was audited although no draw had come to it (picked by hand) is truth like any other, but speaks
for no other photo: it has no probability, and figures about the library leave it out.

Once there are rounds, weights are scaled to the strata's sizes (`post_strata`). Before, a
stratum of the sample of which nothing was audited yet is not spoken for: figures are those of the others.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vibe_photos.errors import InputError
from vibe_photos.labels.post_strata import post_stratify
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.rounds import Round
from vibe_photos.labels.sampling import DESIGN_FIELDS, WHOLE_LIBRARY

LEAST_FOLLOWED = 0.9
"""An order counts as followed as far as this share of it was audited: one photo that nobody could judge does
not end it, and a photo picked from the middle does not stretch it."""


_Place = tuple[str, float]
"""A photo's stratum and size measure in a round."""


class SampleDesign(msgspec.Struct, frozen=True):
    """What a record keeps of how the review sample drew its photo (`sampling.DESIGN_FIELDS`).

    Records of older samples lack size and rank; their probability is then taken as it stands.
    """

    inclusion_probability: Annotated[float, Meta(gt=0.0, le=1.0)]
    stratum: str = ""
    stratum_photos: Annotated[int, Meta(ge=1)] | None = None
    stratum_rank: Annotated[int, Meta(ge=1)] | None = None


@dataclass(frozen=True, slots=True)
class _Draw:
    """A draw as far as it was audited: the photos it came to, and every audited photo's probability in it."""

    reached: frozenset[str]
    probability: Mapping[str, float]


def read_sample_design(record: GroundTruth) -> SampleDesign | None:
    """Return how the review sample drew a record's photo, None where the record does not say.

    Raises:
        InputError: a field of the design is impossible; the photo is named.
    """
    if "inclusion_probability" not in record.extra:
        return None
    stated = {field: record.extra[field] for field in DESIGN_FIELDS if field in record.extra}
    try:
        return msgspec.convert(stated, SampleDesign)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        raise InputError(
            f"photo {record.image_id}: {field} is {stated.get(field)!r}, which cannot be; copy "
            f"{', '.join(DESIGN_FIELDS)} unchanged from to_review.json, or leave them out"
        ) from None


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
    sample = _reach_sample(designs, strata, set().union(*asked))
    further = [
        _reach_round(drawn, stated.keys(), places[position], designs.keys() | set().union(*asked[:position]))
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


def combine_draws(draws: Sequence[_Draw]) -> dict[str, float]:
    """Return the probability of each photo that any of the draws has come to: 1 - prod(1 - probability)."""
    reached = sorted(frozenset().union(*(draw.reached for draw in draws)))
    return {image_id: _any_of(draw.probability[image_id] for draw in draws) for image_id in reached}


def _any_of(probabilities: Iterable[float]) -> float:
    """Return 1 - prod(1 - probability), so that a single one comes back to the last digit."""
    return functools.reduce(lambda one, other: one + other - one * other, probabilities, 0.0)


def _reach_sample(
    designs: Mapping[str, SampleDesign], strata: Mapping[str, str], asked: Collection[str]
) -> _Draw:
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
        return _any_of(shares.get(name, 0.0) for name in sorted(names))

    everyone = {image_id: probability(image_id) for image_id in strata}
    return _Draw(frozenset(image_id for ids in reached.values() for image_id in ids), everyone)


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


def _reach_round(
    drawn: Round, audited: Collection[str], places: Mapping[str, _Place], earlier: Collection[str]
) -> _Draw:
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
        return _Draw(frozenset(), dict.fromkeys(audited, 0.0))
    last, following, share = drawn.ratio(brought[-1]), drawn.ratio(reach), len(reached) / reach
    own = {order[position] for position in brought}

    def probability(image_id: str) -> float:
        size_measure = places[image_id][1] if image_id in places else 0.0
        return min(1.0, size_measure * (following if image_id in own else last)) * share

    return _Draw(reached, {image_id: probability(image_id) for image_id in audited})


def _find_stratum(
    image_id: str, designs: Mapping[str, SampleDesign], places: Sequence[Mapping[str, _Place]]
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
