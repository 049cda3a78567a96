"""The figures of a prediction against a ground truth, as the mapping that becomes `metrics.json`.

Student and teacher go through the same definitions, so that their figures can be compared one by one. Every
number is rounded to 4 decimals. Every figure has an interval beside it, `<name>_interval`: a list of its two
ends, or the reason why there is none. Ratios have those of `intervals`; macro-F1 and average precision the
one that follows from how much each photo moves them. Rows of a class or a pair of classes have
none: each rests on a handful of photos.

What has a row for each class or pair of classes is a list as well: DVC prints the numbers and texts of a
metrics file and passes over lists, so that `dvc metrics diff` shows the figures that one compares.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Evaluate, TruthName
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import Design
from vibe_photos.statistics.intervals import (
    FEWEST_CASES,
    TOO_FEW,
    Interval,
    estimate_intervals,
    influence_interval,
)
from vibe_photos.statistics.label_arrays import JudgedPhotos, most_specific, own_scores, with_parents
from vibe_photos.statistics.metrics import UNJUDGED, Floats, Ratio
from vibe_photos.storage.files import round_metric

Figures = dict[str, Any]
"""A node of a metrics file: what is written as JSON, nothing else."""

HOW_TO_BEGIN = {
    "human": "no photo of the review sample is checked yet: run `vibe-photos review` (an hour is "
    "enough for 200 photos), then `dvc repro`",
    "auto": "every photo that the teacher answered trains: raise split.holdout_share in params.yaml",
}
NOTHING_TO_SCORE = (
    "thresholds were tuned on all photos that people checked so far: check more with "
    "`vibe-photos review`, then `dvc repro`"
)
SCORE_HALF = "score half, thresholds were tuned on the other"
"""`scored_on` of the figures when `classify.tuned_on` keeps half of the measured photos from counting."""


def summarise(photos: JudgedPhotos, evaluate: Evaluate) -> Figures:
    """Return `n`, `missing`, `scene`, `attributes` and `objects`.

    `n` is the number of photos, `missing` of those without any predicted label. A weighted figure weighs each
    photo by 1 / inclusion probability; counts are plain.
    """
    return {
        "n": len(photos.image_ids),
        "missing": int((~photos.prediction.has_any()).sum()),
        "weights": "inclusion_probability" if photos.design.is_weighted else "none",
        "scene": summarise_scenes(photos, evaluate),
        "attributes": {
            label_name(key): summarise_attribute(photos, column, evaluate)
            for column, key in enumerate(photos.keys.attribute)
        },
        "objects": summarise_objects(photos, evaluate),
    }


def summarise_scenes(photos: JudgedPhotos, evaluate: Evaluate) -> Figures:
    """Return accuracy, macro-F1, per-class figures and the confusion of scenes.

    `support`: photos with a true scene; `missing`: those without a predicted one. `per_class`: a row for each
    scene that is the truth or the prediction of some photo. `confusion`: a row for each pair of `actual` and
    another `predicted` scene, the most frequent first.
    """
    y_true, y_pred = photos.truth.scene, photos.prediction.scene
    names = [label_name(key) for key in photos.keys.scene]
    counts = metrics.confusion_matrix(y_true, y_pred, len(names))
    weighed = metrics.confusion_matrix(y_true, y_pred, len(names), photos.design.weights)
    macro, support = metrics.macro_f1(weighed), int(counts.sum())
    influence = metrics.macro_f1_influence(y_true, y_pred, len(names), photos.design.weights)
    macro_interval = influence_interval(macro, influence, support, photos.design, evaluate.confidence_level)
    return {
        **_figures({"accuracy": metrics.accuracy(y_true, y_pred)}, photos.design, evaluate),
        **show_figure("macro_f1", macro, macro_interval),
        "support": support,
        "missing": int(counts[:, -1].sum()),
        "per_class": _class_rows(counts, weighed, names),
        "confusion": _confusion_rows(counts, names),
    }


def summarise_attribute(photos: JudgedPhotos, column: int, evaluate: Evaluate) -> Figures:
    """Return precision, recall, F1 and average precision of one attribute.

    `support`: photos whose truth judges it; `positives`: those where it is true; `given`: those where it is
    predicted; `missing`: those without a prediction. Average precision needs scores, and is left out where
    there are none.
    """
    y_true = photos.truth.attributes[:, column]
    y_pred = photos.prediction.attributes[:, column]
    is_judged, positives = y_true != UNJUDGED, int((y_true == 1).sum())
    figures = _figures(metrics.precision_recall_f1(y_true, y_pred), photos.design, evaluate)
    if photos.prediction.is_scored:
        scores = photos.prediction.attribute_scores[:, column]
        curve = metrics.precision_recall_curve(y_true, scores, photos.design.weights)
        average = metrics.average_precision(curve)
        influence = metrics.average_precision_influence(y_true, scores, photos.design.weights)
        found = influence_interval(average, influence, positives, photos.design, evaluate.confidence_level)
        figures |= show_figure("average_precision", average, found)
    return figures | {
        "support": int(is_judged.sum()),
        "positives": positives,
        "given": int((is_judged & (y_pred == 1)).sum()),
        "missing": int((is_judged & (y_pred == UNJUDGED)).sum()),
    }


def summarise_objects(photos: JudgedPhotos, evaluate: Evaluate) -> Figures:
    """Return the figures of object keys.

    - `precision`, `recall`, `f1`: hierarchical, micro-averages over all photos of the keys with all their
      ancestors (`label_arrays.with_parents`). So electronics is right about a phone.
    - `exact_precision`, `exact_recall`, `exact_f1`: the same of the most specific keys alone.
    - `top1`, `top3`: of the photos with a true object, the share whose best guess, or one of the best three,
      is a most specific true key. Guesses are ranked by `label_arrays.own_scores`.
    - `top1_given`, `top3_given`: the same among the labels that the photo got; one without any misses.
    - `top1_hierarchical`: the share whose likeliest key, which may be an ancestor, is a true key or an
      ancestor of one.
    - `coverage`: share of the true most specific keys whose label is given to any photo of the library;
      `labels_given` counts such labels, `labels_never_given` lists the others.
    - `n`: photos with a true object; `missing`: those of them without any judged object; `given`: photos
      with a predicted one.

    Rankings and coverage need scores, and are left out where there are none.
    """
    keys, labels = photos.keys.object, photos.prediction
    closed, exact = (rule(photos.truth.objects, keys) for rule in (with_parents, most_specific))
    ratios = metrics.precision_recall_f1(closed, with_parents(labels.objects, keys))
    exact_ratios = metrics.precision_recall_f1(exact, most_specific(labels.objects, keys))
    ratios |= {f"exact_{name}": ratio for name, ratio in exact_ratios.items()}
    has_truth, is_judged = (exact == 1).any(axis=1), (labels.objects != UNJUDGED).any(axis=1)
    counts: Figures = {
        "n": int(has_truth.sum()),
        "given": int((labels.objects == 1).any(axis=1).sum()),
        "missing": int((has_truth & ~is_judged).sum()),
    }
    if labels.is_scored:
        own = own_scores(labels.object_scores, keys)
        ranks = metrics.rank_of_truth(exact, own)
        given = metrics.rank_of_truth(exact, np.where(labels.objects == 1, own, np.nan))
        ratios |= {
            "top1": metrics.top_k(exact, ranks, 1),
            "top3": metrics.top_k(exact, ranks, 3),
            "top1_given": metrics.top_k(exact, given, 1),
            "top3_given": metrics.top_k(exact, given, 3),
            "top1_hierarchical": metrics.top_k(
                closed, metrics.rank_of_truth(closed, labels.object_scores), 1
            ),
            "coverage": metrics.coverage(exact, labels.gives_object),
        }
        counts["labels_given"] = int(labels.gives_object.sum())
        counts["labels_never_given"] = [keys[column] for column in np.flatnonzero(~labels.gives_object)]
    return _figures(ratios, photos.design, evaluate) | counts


def begin_figures(truth: TruthName, unscored: int = 0) -> Figures:
    """Return the metrics of a truth without records to score; `unscored` ones are kept from counting."""
    return {
        "n": 0,
        "how_to_begin": NOTHING_TO_SCORE if truth == "human" and unscored else HOW_TO_BEGIN[truth],
    }


def describe(figures: Figures, counts: Figures) -> str:
    """Return the one line that a person reads when the stage ends (only `agreement` counts `not_asked`)."""
    if not figures["n"]:
        return f"n: 0; {figures['how_to_begin']}"
    left_out = {"not in the library": counts["not_in_library"], "never asked about": counts.get("not_asked")}
    parts = [
        f"{say_count(figures['n'])} compared",
        f"the scene is right on {100 * figures['scene']['accuracy']:.1f} %"
        if figures["scene"]["support"]
        else "none has a scene",
        f"{figures['missing']} without any label count as wrong",
        *(f"left out as {why}: {say_count(count)}" for why, count in left_out.items() if count),
        *([f"counted: {counts['scored_on']}"] if "scored_on" in counts else []),
    ]
    return "; ".join(parts)


def show_figure(name: str, value: float | None, interval: Interval) -> Figures:
    """Return a figure and `<name>_interval`: both ends, or the reason why there is no interval."""
    ends = [round_metric(interval.low), round_metric(interval.high)]
    return {name: round_metric(value), f"{name}_interval": interval.reason or ends}


def explain_no_interval(reason: str) -> str:
    """Return the reason why a figure has no interval, as it stands in `metrics.json`, in plain words."""
    plain = {TOO_FEW: f"fewer than {FEWEST_CASES} photos", "one group": "all are near-duplicates"}
    return plain.get(reason, reason)


def read_interval(figures: Figures, name: str) -> Interval | None:
    """Return the interval of a figure as `show_figure` wrote it, None for a figure that never has one."""
    found = figures.get(f"{name}_interval")
    if found is None:
        return None
    return Interval(reason=found) if isinstance(found, str) else Interval(*found)


def _figures(ratios: Mapping[str, Ratio], design: Design, evaluate: Evaluate) -> Figures:
    """Return the rounded value of each ratio with its interval."""
    figures: Figures = {}
    intervals = estimate_intervals(list(ratios.values()), design, evaluate)
    for (name, ratio), interval in zip(ratios.items(), intervals, strict=True):
        figures |= show_figure(name, ratio.value(design.weights), interval)
    return figures


def _class_rows(counts: Floats, weighed: Floats, names: list[str]) -> list[Figures]:
    scores = metrics.class_scores(weighed)
    return [
        {
            "scene": name,
            **{figure: round_metric(values[i]) for figure, values in scores.items()},
            "support": int(counts[i].sum()),
        }
        for i, name in enumerate(names)
        if counts[i].any() or counts[:, i].any()
    ]


def _confusion_rows(counts: Floats, names: list[str]) -> list[Figures]:
    predicted = [*names, "missing"]
    rows: list[Figures] = [
        {"actual": names[i], "predicted": predicted[j], "photos": int(counts[i, j])}
        for i, j in np.argwhere(counts)
        if i != j
    ]
    return sorted(rows, key=lambda row: (-row["photos"], row["actual"], row["predicted"]))
