"""Stage `evaluate`: measure the labels against ground truth.

With truth=human, the photos of the measured sample are used; if thresholds were tuned on half of them
(`classify.tuned_on`), only the other half. With truth=auto, the teacher's answers are the truth, and the
photos on which no head was trained are used. A photo without a label is wrong, and counted as missing.
"""

import csv
import io
import logging
from collections.abc import Iterable, Mapping, Set
from dataclasses import replace
from pathlib import Path

import numpy as np

from vibe_photos.evaluate.library_estimates import MeasuredPhotos, estimate_library
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample, weigh_untrained
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.records.photos import say_count
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Settings, TruthName
from vibe_photos.statistics.design import simple_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, judge_photos
from vibe_photos.statistics.metrics import Curve, precision_recall_curve
from vibe_photos.statistics.reliability import (
    ScoredPredictions,
    predictions_of_labels,
    reliability_points,
    summarise_calibration,
)
from vibe_photos.statistics.summary import (
    SCORE_HALF,
    Figures,
    begin_figures,
    describe,
    summarise,
)
from vibe_photos.storage.files import round_metric, write_bytes, write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)

MOST_CURVE_POINTS = 500
"""Maximum points of a plotted curve; longer curves are thinned evenly."""


HOW_TO_COVER_ALL: dict[TruthName, str] = {
    "human": "run dvc repro and vibe-photos review, which shows photos of each of these",
    "auto": "raise split.holdout_share in params.yaml, so that some photos of each of these do not train",
}


def evaluate_labels(settings: Settings) -> None:
    """Measure the labels against human labels (`truth=human`) or the teacher's (`truth=auto`).

    Writes `metrics.json` and `plots/`. With no record to evaluate `metrics.json` says how to begin. A record
    of a photo that is not in the library is counted as `not_in_library`. If thresholds were tuned on half
    of the measured photos, `scored_on` says that only the other half counts. `speaks_for` is the number of
    photos that the figures represent, `about` says of which library. With human labels there is also
    `prediction_powered`: estimates for the library from human and teacher labels. Its shares of photos use
    both halves, because thresholds do not change human labels.

    Raises:
        InputError: a file is missing or malformed, or a record's inclusion probability is impossible.
    """
    paths, truth, taxonomy = settings.paths, settings.truth, settings.taxonomy
    half = settings.classify.scored_half if truth == "human" else None
    teacher = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    memberships, labels = read_splits(paths.splits), read_decisions(paths.labels)
    if truth == "human":
        sample = read_measured_sample(paths.human, taxonomy, memberships, half)
    else:
        sample = weigh_untrained(teacher, memberships)
    photos = judge_photos(sample.records, memberships, labels, taxonomy)
    predictions = predictions_of_labels(photos)
    answered = {record.image_id for record in teacher}
    counts = {"truth": truth, **count_sample(sample, memberships, truth, answered)}
    if half:
        counts["scored_on"] = SCORE_HALF
    if sample.records:
        figures = summarise(photos, settings.evaluate)
        if truth == "human" and teacher:
            everyone = sample if half is None else read_measured_sample(paths.human, taxonomy, memberships)
            figures["prediction_powered"] = estimate_library(
                MeasuredPhotos(photos, sample),
                MeasuredPhotos(judge_photos(everyone.records, memberships, labels, taxonomy), everyone),
                *(teacher, labels, memberships, settings.evaluate),
            )
        figures |= summarise_calibration(predictions, settings.evaluate.seed)
    else:
        figures = begin_figures(truth, sample.left_out)
    if sample.own_set:
        own = judge_photos(sample.own_set, memberships, labels, taxonomy)
        # Nobody knows how these photos were drawn, so they all count the same.
        own = replace(own, design=simple_design(own.design.groups))
        figures["own_set"] = summarise(own, settings.evaluate)
    out = paths.eval / truth
    write_json(out / "metrics.json", counts | figures)
    write_plots(out / "plots", photos, predictions, settings.evaluate.confidence_level)
    log.info("evaluate@%s: %s", truth, describe(figures, counts))


def count_sample(
    sample: MeasuredSample, memberships: Mapping[str, Membership], truth: TruthName, answered: Set[str]
) -> Figures:
    """Return how many records count, and how many photos of the library the figures represent.

    `trained_on` counts photos used for training: they have that role, and the teacher `answered`.
    `unmeasured_strata` are the strata in which no photo counts yet, with their sizes, and `to_speak_for_all`
    says what to do about it; both are left out if there are none. `skipped` counts photos that reviewers
    skipped.
    """
    counts: Figures = {
        "not_in_library": sample.not_in_library,
        "trained_on": sum(
            memberships[record.image_id].role == "train" and record.image_id in answered
            for record in sample.records
        ),
        "library": len(memberships),
        "about": sample.about,
        "speaks_for": sample.speaks_for,
        "skipped": sample.skipped,
        "waiting": len(sample.waiting),
    }
    if unmeasured := sample.unmeasured_strata:
        names = ", ".join(f"{label_name(name)} ({say_count(count)})" for name, count in unmeasured.items())
        counts["unmeasured_strata"] = unmeasured
        counts["to_speak_for_all"] = f"{HOW_TO_COVER_ALL[truth]}: {names}"
    return counts


def write_plots(
    folder: Path, photos: JudgedPhotos, predictions: dict[str, ScoredPredictions], level: float
) -> None:
    """Write `confusion.csv`, `precision_recall/<attribute>.csv` and `calibration/<name>.csv`.

    For `dvc plots`, the report and other tools. `confusion.csv` has one line for each photo with a true
    scene. Each attribute has its own file, so that curves are not joined; with nothing to plot it has only a
    header.
    """
    names = [*(label_name(key) for key in photos.keys.scene), "missing"]
    pairs = zip(photos.truth.scene.tolist(), photos.prediction.scene.tolist(), strict=True)
    confusion = [(names[actual], names[predicted]) for actual, predicted in pairs if actual >= 0]
    _write_csv(folder / "confusion.csv", ("actual", "predicted"), confusion)
    for column, key in enumerate(photos.keys.attribute):
        curve = precision_recall_curve(
            photos.truth.attributes[:, column],
            photos.prediction.attribute_scores[:, column],
            photos.design.weights,
        )
        path = folder / "precision_recall" / f"{label_name(key)}.csv"
        _write_csv(path, ("recall", "precision", "threshold"), thin_curve(curve))
    for name, scored in predictions.items():
        points = [
            (p.probability, p.frequency, p.interval.low, p.interval.high, p.statements)
            for p in reliability_points(scored, level)
        ]
        columns = ("probability", "frequency", "low", "high", "statements")
        _write_csv(folder / "calibration" / f"{name}.csv", columns, points)


def thin_curve(curve: Curve) -> list[tuple[float, float, float]]:
    """Return at most `MOST_CURVE_POINTS` points (recall, precision, threshold), including both ends.

    A curve without true positives has no points.
    """
    if not len(curve.recall) or curve.recall[-1] == 0:
        return []
    count = min(len(curve.recall), MOST_CURVE_POINTS)
    chosen = np.linspace(0, len(curve.recall) - 1, count).round().astype(np.int64)
    columns = (column[chosen].tolist() for column in (curve.recall, curve.precision, curve.threshold))
    return list(zip(*columns, strict=True))


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str | float, ...]]) -> None:
    """Write a CSV file; a float has 4 decimals, rounded as in `metrics.json`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(
        [f"{round_metric(cell):.4f}" if isinstance(cell, float) else cell for cell in row] for row in rows
    )
    write_bytes(path, text.getvalue().encode())
