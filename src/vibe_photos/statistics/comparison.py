"""A truth and what the label table says of the same photos, side by side, and which photos count."""

from collections.abc import Sequence

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable
from vibe_photos.records.splits import Membership
from vibe_photos.settings import Taxonomy, TruthName, TunedOn
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.opinions import opinions_of_labels, opinions_of_records, read_keys
from vibe_photos.statistics.summary import Comparison, Figures

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
