"""The figures of one side against a truth, as the mapping that becomes `metrics.json`.

Student and teacher go through the same definitions, so that one is the other's ceiling figure by figure.
Every number is rounded to 4 decimals. Headline figures (accuracy, F1, top-1, top-3) have an interval beside
them, `<name>_interval`: a list of its two ends, or the reason why there is none.

What has a row for each class or pair of classes is a list as well: DVC prints the numbers and texts of a
metrics file and passes over lists, so that `dvc metrics diff` shows the figures that one compares.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.metrics import UNJUDGED, Ratio
from vibe_photos.statistics.opinions import LabelKeys, Opinions, most_specific, own_scores, with_parents

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

    `support`: photos with a true scene; `missing`: those without a predicted one. `per_class`: a row for each
    scene that is true or said of some photo. `confusion`: a row for each pair of `actual` and another
    `predicted` scene, the most frequent first.
    """
    y_true, y_pred = comparison.truth.scene, comparison.prediction.scene
    names = [label_name(key) for key in comparison.keys.scene]
    counts = metrics.confusion_matrix(y_true, y_pred, len(names))
    weighed = metrics.confusion_matrix(y_true, y_pred, len(names), comparison.design.weights)
    accuracy = {"accuracy": metrics.accuracy(y_true, y_pred)}
    return {
        **_figures(accuracy, {"accuracy"}, comparison.design, evaluate),
        "macro_f1": round_figure(metrics.macro_f1(weighed)),
        "support": int(counts.sum()),
        "missing": int(counts[:, -1].sum()),
        "per_class": _class_rows(counts, weighed, names),
        "confusion": _confusion_rows(counts, names),
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
    prediction, keys = comparison.prediction, comparison.keys.object
    y_true = most_specific(comparison.truth.objects, keys)
    y_pred = most_specific(prediction.objects, keys)
    ratios = _rankings(comparison) if prediction.is_scored else {}
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


def _rankings(comparison: Comparison) -> dict[str, Ratio]:
    keys, scores = comparison.keys.object, comparison.prediction.object_scores
    y_true = most_specific(comparison.truth.objects, keys)
    closed = with_parents(comparison.truth.objects, keys)
    ranks = metrics.rank_of_truth(y_true, own_scores(scores, keys))
    return {
        "top1": metrics.top_k(y_true, ranks, 1),
        "top3": metrics.top_k(y_true, ranks, 3),
        "top1_hierarchical": metrics.top_k(closed, metrics.rank_of_truth(closed, scores), 1),
        "coverage": metrics.coverage(y_true, scores),
    }


def round_figure(value: float | None) -> float | None:
    """Round to the 4 decimals of every metrics file; None and NaN give None (nothing to divide by)."""
    return None if value is None or np.isnan(value) else round(float(value), 4)


def show_interval(name: str, interval: Interval) -> Figures:
    """Return `<name>_interval`: both ends, or the reason why there is no interval."""
    ends = [round_figure(interval.low), round_figure(interval.high)]
    return {f"{name}_interval": interval.reason or ends}


def read_interval(figures: Figures, name: str) -> Interval | None:
    """Return the interval of a figure as `show_interval` wrote it, None for a figure that never has one."""
    found = figures.get(f"{name}_interval")
    if found is None:
        return None
    return Interval(reason=found) if isinstance(found, str) else Interval(*found)


def _class_rows(counts: metrics.Floats, weighed: metrics.Floats, names: list[str]) -> list[Figures]:
    scores = metrics.class_scores(weighed)
    return [
        {
            "scene": name,
            "precision": round_figure(scores.precision[i]),
            "recall": round_figure(scores.recall[i]),
            "f1": round_figure(scores.f1[i]),
            "support": int(counts[i].sum()),
        }
        for i, name in enumerate(names)
        if counts[i].any() or counts[:, i].any()
    ]


def _figures(ratios: dict[str, Ratio], headline: set[str], design: Design, evaluate: Evaluate) -> Figures:
    figures: Figures = {}
    intervals = estimate_intervals([ratios[name] for name in ratios if name in headline], design, evaluate)
    waiting = iter(intervals)
    for name, ratio in ratios.items():
        figures[name] = round_figure(ratio.value(design.weights))
        if name in headline:
            figures |= show_interval(name, next(waiting))
    return figures


def _confusion_rows(counts: metrics.Floats, names: list[str]) -> list[Figures]:
    predicted = [*names, "missing"]
    rows: list[Figures] = [
        {"actual": names[i], "predicted": predicted[j], "photos": int(counts[i, j])}
        for i, j in np.argwhere(counts)
        if i != j
    ]
    return sorted(rows, key=lambda row: (-row["photos"], row["actual"], row["predicted"]))
