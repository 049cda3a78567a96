"""Stage `evaluate`: the labels that an app would use, held against what is true.

Against a person's truth all audited photos of the library count; a photo without a label is wrong, and
counted as missing. Once audited photos have chosen thresholds (`classify.tuned_on`), only those of the other
half count. Against the teacher's truth only the holdout counts, which no head was trained on.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from vibe_photos.evaluate.library_estimates import Library, estimate_library
from vibe_photos.evaluate.plot_data import write_plot_data
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.records.splits import read_splits
from vibe_photos.settings import Evaluate, Taxonomy, TruthName, TunedOn
from vibe_photos.statistics.comparison import (
    SCORE_HALF,
    begin_figures,
    compare_with_labels,
    describe,
    is_evaluated,
)
from vibe_photos.statistics.reliability import statements_of_labels, summarise_calibration
from vibe_photos.statistics.summary import Figures, summarise
from vibe_photos.storage.files import write_json

log = logging.getLogger(__name__)


def evaluate_labels(
    truth: TruthName,
    truth_records: Sequence[GroundTruth],
    labels: Path,
    splits: Path,
    taxonomy: Taxonomy,
    evaluate: Evaluate,
    out_folder: Path,
    tuned_on: TunedOn = "none",
    teacher_records: Sequence[GroundTruth] = (),
) -> None:
    """Write `metrics.json`, and beside it in `plots/` what `plot_data` makes of it.

    With no record to evaluate `metrics.json` says how to begin. A record of a photo that is not in the
    library (not in `splits`) is counted as `not_in_library`. Where thresholds were tuned on half of the
    audited photos, only the other half counts, and `scored_on` says so. With `teacher_records` the human
    truth also gets `prediction_powered`: what people and the teacher together say of the whole library.

    Raises:
        InputError: `splits` or `labels` is missing, or a record's inclusion probability is impossible.
    """
    memberships = read_splits(splits)
    in_library = [record for record in truth_records if record.image_id in memberships]
    records = [r for r in in_library if is_evaluated(memberships[r.image_id], truth, tuned_on)]
    is_half = truth == "human" and tuned_on != "none"
    table = read_decisions(labels)
    comparison = compare_with_labels(records, memberships, table, taxonomy, 0.5 if is_half else 1.0)
    counts: Figures = {
        "truth": truth,
        "not_in_library": len(truth_records) - len(in_library),
        "trained_on": sum(memberships[record.image_id].role == "train" for record in records),
    }
    if is_half:
        counts["scored_on"] = SCORE_HALF
    figures = summarise(comparison, evaluate) if records else begin_figures(truth, len(in_library))
    if records and teacher_records:
        answers = {record.image_id: record for record in teacher_records}
        library = Library(answers, table, memberships)
        figures["prediction_powered"] = estimate_library(comparison, library, evaluate)
    statements = statements_of_labels(comparison)
    if records:
        figures["calibration_error"] = summarise_calibration(statements)
    write_json(out_folder / "metrics.json", counts | figures)
    write_plot_data(out_folder / "plots", comparison, statements, evaluate.confidence_level)
    log.info("evaluate@%s: %s", truth, describe(figures, counts))
