"""Stage `agreement`: how good the teacher itself is, on the photos that people have checked."""

import logging
from collections.abc import Mapping, Sequence

from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, arrays_of_records, read_keys
from vibe_photos.statistics.summary import begin_figures, describe, summarise
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


def measure_agreement(settings: Settings) -> None:
    """Measure the teacher against what people audited: how good are the labels that the heads learn from?

    The figures are those of the student, so that the teacher's are the student's ceiling one by one. An
    audited photo without an answer of the teacher is wrong and counted as `missing`; one that is not in the
    library is counted as `not_in_library`.

    Raises:
        InputError: a file is missing or malformed, or a record's inclusion probability is impossible.
    """
    paths = settings.paths
    answers = list(read_jsonl(paths.auto / ALL_LABELS, GroundTruth))
    memberships = read_splits(paths.splits)
    sample = read_measured_sample(paths.human, settings.taxonomy, memberships)
    photos = judge_teacher(sample.records, answers, memberships, settings.taxonomy)
    counts = {"truth": "human", "not_in_library": sample.not_in_library}
    figures = summarise(photos, settings.evaluate) if sample.records else begin_figures("human")
    write_json(paths.eval / "teacher" / "metrics.json", counts | figures)
    log.info("agreement of the teacher with people: %s", describe(figures, counts))


def judge_teacher(
    audited: Sequence[GroundTruth],
    answers: Sequence[GroundTruth],
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> JudgedPhotos:
    """Join people's records with the teacher's of the same photos; without memberships photos are alone."""
    keys, answer_of = read_keys(taxonomy), {answer.image_id: answer for answer in answers}
    return JudgedPhotos(
        image_ids=[record.image_id for record in audited],
        keys=keys,
        truth=arrays_of_records(audited, keys),
        prediction=arrays_of_records([answer_of.get(record.image_id) for record in audited], keys),
        design=read_design(audited, memberships),
    )
