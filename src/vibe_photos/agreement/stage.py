"""Stage `agreement`: measure the teacher against the photos that people have checked."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from vibe_photos.agreement.anchoring import measure_anchoring
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.failures import NEVER_SENT, read_failures
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.splits import Membership, find_current_ids, read_splits
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, arrays_of_records, read_keys
from vibe_photos.statistics.summary import begin_figures, describe, summarise
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


NOTHING_ASKED = (
    "the teacher was not asked about any photo that people checked: raise annotate.budget in "
    "params.yaml, or configure a server, then `dvc repro`"
)


def measure_agreement(settings: Settings) -> None:
    """Measure the teacher against human labels: how good are the labels that the heads learn from?

    The figures are defined as for the student. A photo whose requests all failed is wrong, and counted as
    `missing`. A photo that was never sent to the teacher is left out, and counted as `not_asked`. One that
    is not in the library is counted as `not_in_library`. `anchoring` says how much the teacher's labels
    influenced people, if some photos were judged without them.

    Raises:
        InputError: a file is missing or malformed, or a record's inclusion probability is impossible.
    """
    paths = settings.paths
    answers = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    memberships = read_splits(paths.splits)
    sample = read_measured_sample(paths.human, settings.taxonomy, memberships)
    asked = {answer.image_id for answer in answers} | _find_failed(paths.raw_annotations)
    records = [record for record in sample.records if record.image_id in asked]
    counts = {
        "truth": "human",
        "not_in_library": sample.not_in_library,
        "not_asked": len(sample.records) - len(records),
    }
    if records:
        photos = judge_teacher(records, answers, memberships, settings.taxonomy)
        assisted = read_human_truth(paths.human, find_current_ids(memberships)).assisted
        figures = summarise(photos, settings.evaluate)
        figures |= measure_anchoring(photos, assisted, settings.evaluate)
    else:
        figures = {"n": 0, "how_to_begin": NOTHING_ASKED} if sample.records else begin_figures("human")
    write_json(paths.eval / "teacher" / "metrics.json", counts | figures)
    log.info("agreement of the teacher with people: %s", describe(figures, counts))


def _find_failed(raw_annotations: Path) -> set[str]:
    """Return the ids of photos whose requests to the teacher failed."""
    failures = read_failures(raw_annotations).values()
    return {failure.image_id for failure in failures if failure.kind not in NEVER_SENT}


def judge_teacher(
    audited: Sequence[GroundTruth],
    answers: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> JudgedPhotos:
    """Join human records with the teacher's of the same photos; no membership: not a near-duplicate."""
    keys, answer_of = read_keys(taxonomy), {answer.image_id: answer for answer in answers}
    return JudgedPhotos(
        image_ids=[record.image_id for record in audited],
        keys=keys,
        truth=arrays_of_records(audited, keys),
        prediction=arrays_of_records([answer_of.get(record.image_id) for record in audited], keys),
        design=read_design(audited, memberships),
    )
