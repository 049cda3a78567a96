"""What people's few answers and the teacher's many say together: prediction-powered estimates.

A mean over the library is estimated from the photos that people audited, and corrected by what is known of
a proxy: the same quantity with the teacher's word for the truth (Angelopoulos et al. 2023,
"Prediction-powered inference", with the proxy's weight `trust` of Angelopoulos, Duchi and Zrnic 2023,
"PPI++: efficient prediction-powered inference"; survey sampling knows it as the difference estimator):

    estimate = audited mean of (y - trust * proxy) + trust * library mean of the proxy

It is right on average however wrong the teacher is; the better the teacher, the narrower the interval.
It assumes that the audited photos were drawn with the inclusion probabilities that they state, and that of
the photos not drawn, those whose proxy is known are a random part. Who has no answer of the teacher has the
proxy 0, on either side.

The audited part's variance is that of `intervals`: near-duplicate groups, strata, weights, finite library.
Two photos of average weight are added, one that only people call true and one that only the teacher does, as
in `paired`: with a teacher who errs on a handful of photos the interval would otherwise be too narrow.
"""

from dataclasses import dataclass

import numpy as np

from vibe_photos.eval.comparison.paired import average_weight, find_influence
from vibe_photos.eval.design import Design, Floats, Indices, strata_of_groups
from vibe_photos.eval.intervals import FEWEST_CASES, Interval, linearised_variance, logit_interval
from vibe_photos.eval.metrics import Ratio


@dataclass(frozen=True, slots=True)
class ProxyMean:
    """The mean of the proxy over the library, and its variance (0 where every photo's proxy is known)."""

    value: float
    variance: float


@dataclass(frozen=True, slots=True)
class PoweredEstimate:
    """A prediction-powered mean in 0..1, its interval, and how much weight the proxy got."""

    value: float
    interval: Interval
    trust: float


def mean_proxy(audited: Floats, others: Floats, groups: Indices, photos: int) -> ProxyMean | None:
    """Return the proxy's mean over a library, or None where too little is known of the photos not audited.

    The audited photos stand for themselves, each of the `others` for an equal share of the rest.

    Args:
        audited: float64 [n], the proxy of the audited photos.
        others: float64 [m], the proxy of a random part of the other photos, or of all of them.
        groups: int64 [m] from 0 without gaps, equal for near-duplicates among the others.
        photos: how many the library has, at least n + m.
    """
    rest = photos - len(audited)
    if rest == 0:
        return ProxyMean(float(audited.mean()), 0.0)
    group_count = int(groups.max()) + 1 if len(groups) else 0
    if group_count < 2:
        return None
    weight = rest / len(others)
    value = float(audited.sum() + weight * others.sum()) / photos
    residuals = np.bincount(groups, others - others.mean())
    spread = group_count / (group_count - 1) * float((residuals**2).sum())
    return ProxyMean(value, weight**2 * (1.0 - 1.0 / weight) * spread / photos**2)


def estimate_powered(
    y: Floats, proxy: Floats, design: Design, known: ProxyMean, level: float
) -> PoweredEstimate:
    """Return the prediction-powered mean of `y` over the library.

    Args:
        y: float64 [n] of 0 and 1, what people say of the audited photos.
        proxy: float64 [n] of 0 and 1, the same with the teacher's word for the truth.
        design: how the n photos were drawn.
        known: the proxy's mean over the library.
        level: of confidence.
    """
    trust = tune_trust(y, proxy, design, known)
    value = float(np.average(y - trust * proxy, weights=design.weights)) + trust * known.value
    if len(y) < FEWEST_CASES:
        return PoweredEstimate(value, Interval(reason=f"n < {FEWEST_CASES}"), trust)
    interval = _powered_interval(y, proxy, design, known, trust, level)
    if not interval.reason:  # its centre leans away from 0 and 1, and so could leave out a value at the edge
        interval = Interval(min(interval.low, value), max(interval.high, value))
    return PoweredEstimate(value, interval, trust)


def tune_trust(y: Floats, proxy: Floats, design: Design, known: ProxyMean) -> float:
    """Return the weight of the proxy with the least variance, kept in 0..1, as PPI++ chooses it."""
    strata = strata_of_groups(design)

    def variance(values: Floats) -> float:
        centred = values - np.average(values, weights=design.weights)
        return linearised_variance(centred / design.weights.sum(), design, strata)

    covariance = (variance(y + proxy) - variance(y - proxy)) / 4
    total = variance(proxy) + known.variance
    return float(np.clip(covariance / total, 0.0, 1.0)) if total > 0 else 0.0


def _powered_interval(
    y: Floats, proxy: Floats, design: Design, known: ProxyMean, trust: float, level: float
) -> Interval:
    strata, everyone = strata_of_groups(design), np.ones(len(y))
    extra = average_weight(everyone > 0, design)
    rectified = Ratio(y - trust * proxy, everyone, len(y))
    found = find_influence(rectified, [(1.0, 1.0), (-trust, 1.0)], extra, design)
    variance = linearised_variance(found.of_photos, design, strata)
    variance += float(((extra * found.of_extra) ** 2).sum()) + trust**2 * known.variance
    centre = found.value + trust * known.value
    if not 0.0 < centre < 1.0:
        return Interval(reason="outside 0 to 1")
    return logit_interval(centre, float(np.sqrt(variance)), len(strata) - len(np.unique(strata)), level)
