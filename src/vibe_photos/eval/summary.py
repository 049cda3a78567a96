"""The figures of one side against a truth, as the mapping that becomes `metrics.json`.

Student and teacher go through the same definitions, so that one is the other's ceiling figure by figure.
Every number is rounded to 4 decimals. Headline figures (accuracy, F1, top-1, top-3) have an interval, as
`_low` and `_high` beside them; `interval` says why there is none.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vibe_photos.eval import metrics
from vibe_photos.eval.design import Design
from vibe_photos.eval.intervals import Interval, estimate_intervals
from vibe_photos.eval.metrics import UNJUDGED, Ratio
from vibe_photos.eval.opinions import LabelKeys, Opinions
from vibe_photos.eval.specificity import most_specific, own_scores, with_parents
from vibe_photos.labels.taxonomy import label_name
from vibe_photos.settings import Evaluate

Figures = dict[str, Any]
"""A node of a metrics file: what is written as JSON, nothing else."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A truth and a prediction of the same n photos, and how the photos were drawn."""

    image_ids: list[str]
    keys: LabelKeys
    truth: Opinions
    prediction: Opinions
    design: Design


def summarise(comparison: Comparison, evaluate: Evaluate) -> Figures:
    """Return `n`, `missing`, `scene`, `attributes` and `objects`.

    `n` is the number of photos, `missing` those of which the prediction says nothing at all. A weighted
    figure weighs each photo by 1 / inclusion probability; counts are plain.
    """
    return {
        "n": len(comparison.image_ids),
        "missing": int((~comparison.prediction.has_any()).sum()),
        "weights": "inclusion_probability" if comparison.design.is_weighted else "none",
        "scene": summarise_scenes(comparison, evaluate),
        "attributes": {
            label_name(key): summarise_attribute(comparison, column, evaluate)
            for column, key in enumerate(comparison.keys.attribute)
        },
        "objects": summarise_objects(comparison, evaluate),
    }


def summarise_scenes(comparison: Comparison, evaluate: Evaluate) -> Figures:
    """Return accuracy, macro-F1, per-class figures and the confusion of scenes.

    `support`: photos with a true scene; `missing`: those without a predicted one. `confusion` counts
    photos by true and then predicted scene, right ones left out.
    """
    y_true, y_pred = comparison.truth.scene, comparison.prediction.scene
    weights, names = comparison.design.weights, [label_name(key) for key in comparison.keys.scene]
    return {
        **_figures({"accuracy": metrics.accuracy(y_true, y_pred)}, {"accuracy"}, comparison.design, evaluate),
        "macro_f1": round_figure(metrics.macro_f1(y_true, y_pred, weights)),
        "support": int((y_true >= 0).sum()),
        "missing": int(((y_true >= 0) & (y_pred < 0)).sum()),
        "per_class": {
            name: _class_figures(comparison, index)
            for index, name in enumerate(names)
            if (y_true == index).any() or (y_pred[y_true >= 0] == index).any()
        },
        "confusion": _name_confusion(metrics.confusion_counts(y_true, y_pred, len(names)), names),
    }


def summarise_attribute(comparison: Comparison, column: int, evaluate: Evaluate) -> Figures:
    """Return precision, recall, F1 and average precision of one attribute.

    `support`: photos whose truth judges it; `positives`: those where it is true; `missing`: those without
    a prediction. Average precision needs scores, and is left out where there are none.
    """
    y_true = comparison.truth.attributes[:, column]
    y_pred = comparison.prediction.attributes[:, column]
    is_judged = y_true != UNJUDGED
    figures = _figures(
        {
            "precision": metrics.precision(y_true, y_pred),
            "recall": metrics.recall(y_true, y_pred),
            "f1": metrics.f1(y_true, y_pred),
        },
        {"f1"},
        comparison.design,
        evaluate,
    )
    if comparison.prediction.is_scored:
        scores, weights = comparison.prediction.attribute_scores[:, column], comparison.design.weights
        curve = metrics.precision_recall_curve(y_true, scores, weights)
        figures["average_precision"] = round_figure(metrics.average_precision(curve))
    return figures | {
        "support": int(is_judged.sum()),
        "positives": int((y_true == 1).sum()),
        "missing": int((is_judged & (y_pred == UNJUDGED)).sum()),
    }


def summarise_objects(comparison: Comparison, evaluate: Evaluate) -> Figures:
    """Return the figures of object keys.

    `n`: photos with a true object, the denominator of `top1` and `top3`; `missing`: those without any
    judged object. Precision, recall and F1 are micro-averages of the most specific keys, over all photos.
    Rankings are of the most specific keys; `top1_hierarchical` ranks all keys and takes an ancestor of a
    true key for a hit. Figures that need scores are left out where there are none.
    """
    truth, prediction, keys = comparison.truth.objects, comparison.prediction, comparison.keys.object
    y_true, y_pred = most_specific(truth, keys), most_specific(prediction.objects, keys)
    ratios: dict[str, Ratio] = {}
    if prediction.is_scored:
        ranks = metrics.rank_of_truth(y_true, own_scores(prediction.object_scores, keys))
        closed = with_parents(truth, keys)
        any_level = metrics.rank_of_truth(closed, prediction.object_scores)
        ratios = {
            "top1": metrics.top_k(y_true, ranks, 1),
            "top3": metrics.top_k(y_true, ranks, 3),
            "top1_hierarchical": metrics.top_k(closed, any_level, 1),
            "coverage": metrics.coverage(y_true, prediction.object_scores),
        }
    ratios |= {
        "precision": metrics.precision(y_true, y_pred),
        "recall": metrics.recall(y_true, y_pred),
        "f1": metrics.f1(y_true, y_pred),
    }
    has_truth, is_judged = (y_true == 1).any(axis=1), (y_pred != UNJUDGED).any(axis=1)
    return _figures(ratios, {"top1", "top3", "f1"} & ratios.keys(), comparison.design, evaluate) | {
        "n": int(has_truth.sum()),
        "missing": int((has_truth & ~is_judged).sum()),
    }


def round_figure(value: float | None) -> float | None:
    """Round to the 4 decimals of every metrics file; None stays None (nothing to divide by)."""
    return None if value is None else round(float(value), 4)


def _class_figures(comparison: Comparison, index: int) -> Figures:
    truth = comparison.truth.scene
    y_true = metrics.class_flags(truth, index, truth)
    y_pred = metrics.class_flags(comparison.prediction.scene, index, truth)
    weights = comparison.design.weights
    return {
        "precision": round_figure(metrics.precision(y_true, y_pred).value(weights)),
        "recall": round_figure(metrics.recall(y_true, y_pred).value(weights)),
        "f1": round_figure(metrics.f1(y_true, y_pred).value(weights)),
        "support": int((y_true == 1).sum()),
    }


def _figures(ratios: dict[str, Ratio], headline: set[str], design: Design, evaluate: Evaluate) -> Figures:
    figures: Figures = {}
    intervals = estimate_intervals([ratios[name] for name in ratios if name in headline], design, evaluate)
    waiting = iter(intervals)
    for name, ratio in ratios.items():
        figures[name] = round_figure(ratio.value(design.weights))
        if name in headline:
            figures |= _interval_figures(name, next(waiting))
    return figures


def _interval_figures(name: str, interval: Interval) -> Figures:
    if interval.reason:
        return {"interval": interval.reason}
    return {f"{name}_low": round_figure(interval.low), f"{name}_high": round_figure(interval.high)}


def _name_confusion(counts: metrics.Indices, names: list[str]) -> Figures:
    predicted = [*names, "missing"]
    named = {
        name: {predicted[j]: int(counts[i, j]) for j in np.flatnonzero(counts[i]) if j != i}
        for i, name in enumerate(names)
    }
    return {name: row for name, row in named.items() if row}
