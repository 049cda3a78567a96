"""Anchoring: how much more often people agree with the teacher's scene if they saw it before they judged.

A random tenth of the review sample is judged without the teacher's labels. The chance that chose a photo for
it is independent of the draw, so both parts are random samples of the same photos, and independent of each
other: neither strata nor the library's size narrow the difference, because nobody knows how the same photos
would have been judged otherwise.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from vibe_photos.settings import Evaluate
from vibe_photos.statistics import metrics
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import JudgedPhotos
from vibe_photos.statistics.metrics import Bools
from vibe_photos.statistics.summary import Figures, show_figure


def measure_anchoring(photos: JudgedPhotos, assisted: Mapping[str, bool], evaluate: Evaluate) -> Figures:
    """Return `anchoring`, empty if no photo was judged without the teacher's labels.

    Only photos to which both people and the teacher gave a scene count. `assisted` and `unassisted`: how
    many were judged with and without the teacher's labels; `difference`: the teacher's scene accuracy on the
    former minus that on the latter, -1..1, weighted by the sample; None if none was judged with them.

    Args:
        photos: people's labels and the teacher's.
        assisted: for each photo that was judged on the review page, whether the labels were filled in.
        evaluate: confidence level, repetitions and seed.
    """
    has_scenes = (photos.truth.scene >= 0) & (photos.prediction.scene >= 0)
    parts = [
        has_scenes & np.array([assisted.get(image_id) is one for image_id in photos.image_ids])
        for one in (True, False)
    ]
    if not parts[1].any():
        return {}
    (shown, of_shown), (hidden, of_hidden) = (_estimate_accuracy(photos, part, evaluate) for part in parts)
    return {
        "anchoring": {
            **show_figure("difference", shown - hidden, _subtract(shown, of_shown, hidden, of_hidden)),
            "assisted": int(parts[0].sum()),
            "unassisted": int(parts[1].sum()),
        }
    }


def _estimate_accuracy(photos: JudgedPhotos, part: Bools, evaluate: Evaluate) -> tuple[float, Interval]:
    """Return the teacher's scene accuracy on some of the photos, NaN if there are none, with its interval."""
    design = photos.design.restrict(part)
    design = replace(design, drawn_share=0.0 * design.weights, strata=0 * design.strata)
    ratio = metrics.accuracy(photos.truth.scene[part], photos.prediction.scene[part])
    (interval,) = estimate_intervals([ratio], design, evaluate)
    value = ratio.value(design.weights)
    return float("nan") if value is None else value, interval


def _subtract(first: float, of_first: Interval, second: float, of_second: Interval) -> Interval:
    """Return the interval of the difference of two independent estimates from the interval of each.

    Method of variance estimates recovery (Zou and Donner 2008, "Construction of confidence limits about
    effect measures: a general approach"); with Wilson intervals it is method 10 of Newcombe 1998, "Interval
    estimation for the difference between independent proportions".
    """
    if reason := of_first.reason or of_second.reason:
        return Interval(reason=reason)
    below = np.hypot(first - of_first.low, of_second.high - second)
    above = np.hypot(of_first.high - first, second - of_second.low)
    return Interval(float(first - second - below), float(first - second + above))
