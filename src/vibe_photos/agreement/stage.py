"""Stage `agreement`: how good the teacher itself is, on the photos that a person has checked.

Its figures are those of the student, so that they are the student's ceiling one by one.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import read_splits
from vibe_photos.settings import Evaluate, Taxonomy
from vibe_photos.statistics.comparison import begin_figures, describe
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.opinions import opinions_of_records, read_keys
from vibe_photos.statistics.summary import Comparison, summarise
from vibe_photos.storage.files import write_json

log = logging.getLogger(__name__)


def measure_agreement(
    auto: Sequence[GroundTruth],
    audited: Sequence[GroundTruth],
    taxonomy: Taxonomy,
    evaluate: Evaluate,
    metric: Path,
    splits: Path | None = None,
) -> None:
    """Write the teacher's figures against the audited truth to `metric`.

    An audited photo without teacher truth is wrong and counted as `missing`; one that is not in the
    library is counted as `not_in_library`. `splits` says what is in the library and which photos are
    near-duplicates; without it all audited photos count, each for itself.

    Raises:
        InputError: `splits` does not exist, or a record's inclusion probability is impossible.
    """
    memberships, keys = read_splits(splits) if splits else {}, read_keys(taxonomy)
    records = [record for record in audited if not splits or record.image_id in memberships]
    said = {record.image_id: record for record in auto}
    comparison = Comparison(
        image_ids=[record.image_id for record in records],
        keys=keys,
        truth=opinions_of_records(records, keys),
        prediction=opinions_of_records([said.get(record.image_id) for record in records], keys),
        design=read_design(records, memberships),
    )
    counts = {"truth": "human", "not_in_library": len(audited) - len(records)}
    figures = summarise(comparison, evaluate) if records else begin_figures("human")
    write_json(metric, counts | figures)
    log.info("agreement of the teacher with people: %s", describe(figures, counts))
