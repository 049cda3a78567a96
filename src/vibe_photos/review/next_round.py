"""What the student says of photos that it has not learnt from, of all photos alike.

A head knows its training photos by heart. Who asks where the student is unsure, or contradicts the teacher,
would find that only among the other photos; so training photos have the labels of the fits that had not seen
them. With all photos judged alike, whether a photo was audited before changes nothing in how likely it is to
be asked about next, which the weights of several rounds rest on.

The next round of review: which photos a person's eyes are worth most on, by what the student now says.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.classify.stage import decide_labels
from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import OutOfFold, read_out_of_fold
from vibe_photos.human_truth.audited import read_audited
from vibe_photos.human_truth.rounds import (
    Candidates,
    Round,
    build_round,
    draw_round,
    read_rounds,
    write_round,
)
from vibe_photos.human_truth.sample_design import name_stratum
from vibe_photos.records.ground_truth import ALL_LABELS, GroundTruth
from vibe_photos.records.label_tables import LabelTable, ScoreTable, read_scores
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.review.review_reasons import (
    Reason,
    explain,
    find_reasons,
    measure_worth,
    read_library,
)
from vibe_photos.settings import Settings
from vibe_photos.statistics.label_arrays import read_keys
from vibe_photos.storage.jsonl import read_jsonl


def read_unseen_labels(settings: Settings) -> LabelTable:
    """Return the student's labels by `classify`'s thresholds and rules.

    Raises:
        InputError: stage `train` or `score` has not run.
    """
    scores = read_scores(settings.paths.probabilities)
    held_out = [read_out_of_fold(settings.paths.models, head) for head in HEADS]
    unseen = replace_seen(scores, held_out)
    return decide_labels(unseen, settings.taxonomy, settings.classify)


def replace_seen(scores: ScoreTable, held_out: list[OutOfFold]) -> ScoreTable:
    """Return the scores with those of training photos replaced, where there are such fits."""
    probability = scores.probability.copy()
    row_of = {image_id: row for row, image_id in enumerate(scores.image_ids)}
    column_of = {key: column for column, key in enumerate(scores.keys)}
    for head in held_out:
        known = [i for i, image_id in enumerate(head.image_ids) if image_id in row_of]
        rows = np.array([row_of[head.image_ids[i]] for i in known], dtype=np.int64)
        for place, key in enumerate(head.labels):
            if key in column_of:
                _put(probability[:, column_of[key]], rows, head.probabilities[known, place])
    return replace(scores, probability=probability)


def _put(column: NDArray[np.float64], rows: NDArray[np.int64], values: NDArray[np.float32]) -> None:
    is_known = ~np.isnan(values)
    column[rows[is_known]] = values[is_known]


DEFAULT_SIZE = 100
"""Photos that a person looks at in ten minutes."""

AT_RANDOM = "drawn at random from the library"


def refresh_round(settings: Settings, size: int) -> str:
    """Draw the next round, write its file, and return what a person is told.

    The round asks about `size` photos that nobody has audited yet; photos that the teacher has not answered
    do not take part.

    Raises:
        InputError: `size` is not positive, a stage has not run, or nothing is left to audit.
    """
    if size < 1:
        raise InputError(f"--size is {size}: a round asks about one photo at least")
    human = settings.paths.human
    audited = {record.image_id for record in read_audited(human)}
    records = _read_candidates(settings)
    if audited.issuperset(record.image_id for record in records):
        raise InputError(
            f"all {len(records)} photos that the teacher has answered are audited: nothing is left"
        )
    reasons = find_reasons(read_library(records, read_unseen_labels(settings), read_keys(settings.taxonomy)))
    number = max((drawn.head.number for drawn in read_rounds(human)), default=0) + 1
    drawn = choose_round(records, reasons, number, settings.sample.seed, size, audited)
    path = write_round(human, drawn)
    return describe_round(drawn, reasons, [record.image_id for record in records], audited, path)


def choose_round(
    records: Sequence[GroundTruth],
    reasons: Sequence[Reason],
    number: int,
    seed: int,
    size: int,
    audited: set[str],
) -> Round:
    """Return a round drawn from the photos of `records` by their reasons, bool [len(records)] each."""
    candidates = Candidates(
        image_ids=[record.image_id for record in records],
        strata=[name_stratum(record.scene) for record in records],
        size_measures=measure_worth(reasons, len(records)),
    )
    head, order = draw_round(candidates, number, seed, size, audited)
    sentences = {candidates.image_ids[row]: explain(reasons, row) or [AT_RANDOM] for row in order}
    return build_round(head, order, candidates, sentences)


def describe_round(
    drawn: Round, reasons: Sequence[Reason], image_ids: Sequence[str], audited: set[str], path: Path
) -> str:
    """Return what a round asks for and why, for a terminal."""
    row_of = {image_id: row for row, image_id in enumerate(image_ids)}
    asked = [photo.image_id for photo in drawn.asked if photo.image_id not in audited]
    kinds = Counter(
        kind
        for image_id in asked
        for kind in {reason.kind for reason in reasons if reason.holds[row_of[image_id]]} or {"at random"}
    )
    lines = [f"{count:>5}  {kind}" for kind, count in sorted(kinds.items(), key=lambda item: -item[1])]
    return "\n".join(
        [
            f"round {drawn.head.number}: {len(asked)} of {drawn.head.photos} photos to look at",
            *lines,
            f"written to {path}; commit it with what you audit. `vibe-photos review` opens the queue.",
        ]
    )


def _read_candidates(settings: Settings) -> list[GroundTruth]:
    memberships = read_splits(settings.paths.splits)
    answered = read_jsonl(settings.paths.auto / ALL_LABELS, GroundTruth)
    return sorted(
        (record for record in answered if record.image_id in memberships), key=lambda record: record.image_id
    )
