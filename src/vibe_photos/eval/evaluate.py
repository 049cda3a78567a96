"""Stage `evaluate`: the labels that an app would use, held against what is true.

Against a person's truth all audited photos of the library count; a photo without a label is wrong, and
counted as missing. Once audited photos have chosen thresholds (`classify.tuned_on`), only those of the other
half count. Against the teacher's truth only the holdout counts, which no head was trained on.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from vibe_photos.errors import InputError
from vibe_photos.eval.design import read_design
from vibe_photos.eval.library_estimates import Library, estimate_library
from vibe_photos.eval.opinions import opinions_of_labels, opinions_of_records, read_keys
from vibe_photos.eval.plot_data import write_plot_data
from vibe_photos.eval.reliability import statements_of_labels, summarise_calibration
from vibe_photos.eval.summary import Comparison, Figures, summarise
from vibe_photos.heads.label_table import LabelTable, read_decisions
from vibe_photos.labels.records import GroundTruth
from vibe_photos.labels.split import Membership, read_splits
from vibe_photos.settings import Evaluate, Taxonomy, TruthName, TunedOn
from vibe_photos.storage.atomic import write_json

log = logging.getLogger(__name__)

HOW_TO_BEGIN = {
    "human": "nobody has checked a photo yet: copy data/ground_truth/to_review.json to "
    "data/human/ground_truth_human.audited.json, correct it there, and run dvc repro",
    "auto": "no photo of the holdout has teacher truth: let the teacher answer more photos, or raise "
    "split.holdout_share in params.yaml",
}

SCORE_HALF = "score half, thresholds were tuned on the other"
"""What figures say of themselves when `classify.tuned_on` keeps half of the audited photos from counting."""

NOTHING_TO_SCORE = (
    "thresholds were tuned on all photos that people checked so far: check more, and run dvc repro"
)


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
    memberships = read_memberships(splits)
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


def is_evaluated(membership: Membership, truth: TruthName, tuned_on: TunedOn = "none") -> bool:
    """Return whether a photo of the library counts against that truth."""
    if truth == "auto":
        return membership.role == "holdout"
    return tuned_on == "none" or membership.half == "score"


def compare_with_labels(
    records: Sequence[GroundTruth],
    memberships: dict[str, Membership],
    labels: LabelTable,
    taxonomy: Taxonomy,
    kept_share: float = 1.0,
) -> Comparison:
    """Put the records and what the label table says of their photos side by side.

    `kept_share` is the chance with which a photo that was drawn for review is among the records.
    """
    keys, image_ids = read_keys(taxonomy), [record.image_id for record in records]
    return Comparison(
        image_ids=image_ids,
        keys=keys,
        truth=opinions_of_records(records, keys),
        prediction=opinions_of_labels(labels, image_ids, keys),
        design=read_design(records, memberships, kept_share),
    )


def read_memberships(splits: Path) -> dict[str, Membership]:
    """Read `splits.json`.

    Raises:
        InputError: the file is missing.
    """
    try:
        return read_splits(splits)
    except FileNotFoundError:
        raise InputError(f"{splits} does not exist; `dvc repro split` makes it") from None


def begin_figures(truth: TruthName, unscored: int = 0) -> Figures:
    """Return the metrics of a truth that has no record yet, or none but `unscored` ones."""
    is_used_up = truth == "human" and unscored > 0
    return {"n": 0, "how_to_begin": NOTHING_TO_SCORE if is_used_up else HOW_TO_BEGIN[truth]}


def describe(figures: Figures, counts: Figures) -> str:
    """Return the one line that a person reads when the stage ends."""
    if not figures["n"]:
        return f"n: 0; {figures['how_to_begin']}"
    return (
        f"{figures['n']} photos {_describe_half(counts)}({figures['missing']} without labels; "
        f"{counts['not_in_library']} more records are of photos not in the library), "
        f"scene accuracy {figures['scene']['accuracy']}, macro-F1 {figures['scene']['macro_f1']}"
    )


def _describe_half(counts: Figures) -> str:
    return f"of the {counts['scored_on']} " if "scored_on" in counts else ""
