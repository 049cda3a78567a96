"""How the judged photos were drawn: weights, near-duplicate groups, strata.

An interval is only as honest as what it knows of the drawing. A record says with which probability its photo
was audited (`inclusion_probability`, `weight_factor`) and in which stratum (`labels.draws.inclusion`);
`splits.json` says which photos are near-duplicates. A record without a probability stands for itself alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vibe_photos.human_truth.sample_design import read_sample_design
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Design:
    """The drawing of n photos.

    Attributes:
        weights: float64 [n], 1 / inclusion probability times the weight factor, or ones.
        drawn_share: float64 [n] in 0..1, the inclusion probability where a finite library was drawn from,
            0 where photos stand for photos yet to come (no finite-population correction).
        groups: int64 [n] from 0 without gaps, equal for near-duplicates.
        strata: int64 [n] from 0, equal for photos drawn together.
        is_weighted: whether any record said its inclusion probability.
    """

    weights: Floats
    drawn_share: Floats
    groups: Indices
    strata: Indices
    is_weighted: bool

    def restrict(self, counts: npt.NDArray[np.bool_]) -> "Design":
        """Return the design of the photos that count, bool [n]; groups and strata are numbered anew."""
        return Design(
            self.weights[counts],
            self.drawn_share[counts],
            _number(self.groups[counts].tolist()),
            _number(self.strata[counts].tolist()),
            self.is_weighted,
        )


def read_design(
    records: Sequence[GroundTruth], memberships: Mapping[str, Membership], kept_share: float = 1.0
) -> Design:
    """Take the design from what the records and the splits say.

    `kept_share` is the chance with which a drawn photo is among `records`: where only a random part of what
    was drawn is looked at, even a stratum that was drawn whole is a sample.

    Raises:
        InputError: an inclusion probability is no number above 0 and up to 1; the photo is named.
    """
    groups = group_photos([record.image_id for record in records], memberships)
    is_weighted = any("inclusion_probability" in record.extra for record in records)
    if not is_weighted:
        return simple_design(groups)
    probability = kept_share * np.array([_inclusion_probability(record) for record in records])
    factors = np.array([record.extra.get("weight_factor", 1.0) for record in records], dtype=np.float64)
    return Design(
        weights=factors / probability,
        drawn_share=probability,
        groups=groups,
        strata=_number(str(record.extra.get("stratum")) for record in records),
        is_weighted=True,
    )


def group_photos(image_ids: Sequence[str], memberships: Mapping[str, Membership]) -> Indices:
    """Return each photo's near-duplicate group: int64 [n] from 0 without gaps; unknown photos are alone."""
    return _number(
        memberships[image_id].group if image_id in memberships else image_id for image_id in image_ids
    )


def simple_design(groups: Indices) -> Design:
    """Return the design of photos that all count the same and stand for photos yet to come."""
    n = len(groups)
    return Design(np.ones(n), np.zeros(n), groups, np.zeros(n, np.int64), False)


def strata_of_groups(design: Design) -> Indices:
    """Return each group's stratum (that of its first photo), strata of a single group taken together."""
    strata = np.zeros(int(design.groups.max()) + 1, np.int64)
    strata[design.groups[::-1]] = design.strata[::-1]
    is_lonely = np.bincount(strata)[strata] == 1
    strata[is_lonely] = strata.max() + 1
    return strata


def sum_by_group(values: Floats, design: Design) -> Floats:
    """Return the sum of `values` [n] over each near-duplicate group: float64 [groups]."""
    return np.bincount(design.groups, values).astype(np.float64)


def _inclusion_probability(record: GroundTruth) -> float:
    design = read_sample_design(record)
    return design.inclusion_probability if design else 1.0


def _number(names: Any) -> Indices:
    """Number names in the order in which they first come."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), np.int64)
