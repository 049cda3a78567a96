"""How the judged photos were drawn: weights, near-duplicate groups, strata.

A record says with which probability its photo was drawn (`inclusion_probability`) and in which stratum
(`human_truth.sample`); `splits.json` says which photos are near-duplicates. A record without a probability
stands only for itself.

Where the teacher was asked about a part of the library (`annotate.budget`), strata are known of that part
alone: two-phase sampling for stratification (Rao 1973, "On double sampling for stratification and analytical
surveys"; Saerndal, Swensson and Wretman 1992, "Model assisted survey sampling", 9.4). n' of N photos are
asked, a simple random sample; a share W_h of them is in stratum h, of which a share f_h is measured, m_h
photos. The variance of the mean is (Cochran 1977, theorem 12.1)

    (1/n' - 1/N) S^2 + sum W_h S_h^2 / n' (1/f_h - 1)

and with S^2 = sum W_h S_h^2 + sum W_h (mean_h - mean)^2 this is

    sum W_h^2 (1 - f_h n'/N) S_h^2 / m_h + (1/n' - 1/N) sum W_h (mean_h - mean)^2

The first sum is that of a stratified sample with the inclusion probabilities f_h n'/N; the second is the
between-strata term.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.statistics.metrics import Bools, Floats, Indices


@dataclass(frozen=True, slots=True)
class Design:
    """How n photos were drawn.

    Attributes:
        weights: float64 [n], 1 / inclusion probability, or ones.
        drawn_share: float64 [n] in 0..1, the inclusion probability where a finite library was drawn from,
            0 where photos stand for future photos (no finite-population correction).
        groups: int64 [n] from 0 without gaps, equal for near-duplicates.
        strata: int64 [n] from 0, equal for photos drawn together.
        is_weighted: whether any record said its inclusion probability.
        asked_share: float64 [n] in 0..1, the share of the photo's draw that the teacher was asked about; one
            value a draw. None where it was asked about all.
    """

    weights: Floats
    drawn_share: Floats
    groups: Indices
    strata: Indices
    is_weighted: bool
    asked_share: Floats | None = None

    def restrict(self, counts: Bools) -> "Design":
        """Return the design of the photos that count, bool [n]; groups and strata get new numbers."""
        return Design(
            self.weights[counts],
            self.drawn_share[counts],
            _number(self.groups[counts].tolist()),
            _number(self.strata[counts].tolist()),
            self.is_weighted,
            None if self.asked_share is None else self.asked_share[counts],
        )

    def asked(self) -> "Design":
        """Return the design as a sample of only the photos that the teacher was asked about."""
        if self.asked_share is None:
            return self
        return replace(self, drawn_share=self.drawn_share / self.asked_share, asked_share=None)


def read_design(records: Sequence[GroundTruth], memberships: Mapping[str, Membership]) -> Design:
    """Return the design by what the records and the splits say."""
    groups = group_photos([record.image_id for record in records], memberships)
    if not any("inclusion_probability" in record.extra for record in records):
        return simple_design(groups)
    probability = np.array([float(record.extra.get("inclusion_probability", 1.0)) for record in records])
    asked_share = np.array([float(record.extra.get("asked_share", 1.0)) for record in records])
    return Design(
        weights=1.0 / probability,
        drawn_share=probability,
        groups=groups,
        strata=_number(str(record.extra.get("stratum")) for record in records),
        is_weighted=True,
        asked_share=asked_share if asked_share.min() < 1.0 else None,
    )


def group_photos(image_ids: Sequence[str], memberships: Mapping[str, Membership]) -> Indices:
    """Return each photo's near-duplicate group: int64 [n] from 0 without gaps; unknown photos are alone."""
    return _number(memberships[i].group if i in memberships else i for i in image_ids)


def simple_design(groups: Indices) -> Design:
    """Return the design of photos that all count the same and stand for future photos."""
    n = len(groups)
    return Design(np.ones(n), np.zeros(n), groups, np.zeros(n, np.int64), False)


def strata_of_groups(design: Design) -> Indices:
    """Return each group's stratum (that of its first photo), int64 [groups].

    A stratum of one group says nothing of its spread. It is joined to its neighbour: the stratum whose photos
    weigh most nearly as much (collapsed strata: Cochran 1977, "Sampling techniques", 5A.12).
    """
    groups = int(design.groups.max()) + 1
    strata, weights = np.zeros(groups, np.int64), np.zeros(groups)
    strata[design.groups[::-1]], weights[design.groups[::-1]] = design.strata[::-1], design.weights[::-1]
    while len(np.unique(strata)) > 1 and (alone := np.flatnonzero(np.bincount(strata) == 1)).size:
        sizes = np.bincount(strata)
        level = np.where(sizes, np.bincount(strata, np.log(weights)) / np.maximum(sizes, 1), np.inf)
        apart = np.abs(level - level[alone[0]])
        apart[alone[0]] = np.inf
        strata[strata == alone[0]] = apart.argmin()
    return strata


def degrees_of_freedom(design: Design) -> int:
    """Return those of a variance between groups within strata: groups - strata."""
    strata = strata_of_groups(design)
    return len(strata) - len(np.unique(strata))


def sum_by_group(values: Floats, design: Design) -> Floats:
    """Return the sum of `values` [n] over each near-duplicate group: float64 [groups]."""
    return np.bincount(design.groups, values).astype(np.float64)


def effective_count(weights: Floats) -> float:
    """Return how many equal weights carry as much information as these (Kish 1965, 11.7)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _number(names: Iterable[object]) -> Indices:
    """Number names in the order in which they first occur."""
    numbers: dict[object, int] = {}
    return np.fromiter((numbers.setdefault(name, len(numbers)) for name in names), np.int64)
