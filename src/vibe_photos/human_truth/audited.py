"""The audited truth: what a person's file says, overridden by what the review page recorded.

`data/human/` is written by people and never by a stage. Both sources are derived from when read.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from vibe_photos.human_truth.inclusion import split_by_hand, weigh_audited
from vibe_photos.human_truth.rounds import read_rounds
from vibe_photos.records.ground_truth import Decision, GroundTruth, fit_keys, parse_truth, read_truth_file
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)

AUDITED_FILE = "ground_truth_human.audited.json"
DECISIONS_FOLDER = "decisions"


def read_audited_truth(human: Path, taxonomy: Taxonomy) -> list[GroundTruth]:
    """Return what figures are reckoned from: audited records in keys of the taxonomy, sorted by `image_id`.

    Records say in `extra` how likely their photos were to be audited (`inclusion.weigh_audited`). Where some
    do, those that were picked by hand are left out: nobody knows for which photos they would speak.

    Raises:
        InputError: a record is malformed, given twice, or has a label key that fits nowhere.
    """
    has_decisions = any((human / DECISIONS_FOLDER).glob("*.jsonl"))
    records = fit_keys(read_audited(human), taxonomy, human if has_decisions else human / AUDITED_FILE)
    drawn, by_hand = split_by_hand(weigh_audited(records, read_rounds(human)))
    if by_hand:
        log.info("%d audited photos were picked by hand: truth, but in no figure", len(by_hand))
    return drawn


def read_audited(human: Path) -> list[GroundTruth]:
    """Return the audited records as people wrote them, sorted by `image_id`; none where nobody audited yet.

    Fields that mean nothing here are in `extra`; records copied from `to_review.json` have `stratum` and
    `inclusion_probability` there, and a decision keeps them.

    Raises:
        InputError: a record is malformed or given twice.
    """
    path = human / AUDITED_FILE
    audited = {record.image_id: record for record in read_truth_file(path)} if path.exists() else {}
    for decision, place in _latest_decisions(human / DECISIONS_FOLDER).values():
        if decision.after is None:
            audited.pop(decision.image_id, None)
            continue
        kept = audited[decision.image_id].extra if decision.image_id in audited else {}
        value = {**kept, **decision.after, "image_id": decision.image_id}
        audited[decision.image_id] = parse_truth(value, str(place))
    return [audited[image_id] for image_id in sorted(audited)]


def standing_lines(log: Sequence[Decision]) -> list[Decision]:
    """Return the lines of one reviewer's log that were not taken back, without those that take back."""
    undone = {line.undoes for line in log}
    return [line for line in log if line.undoes is None and line.decided_at not in undone]


def _latest_decisions(folder: Path) -> dict[str, tuple[Decision, Path]]:
    """Return the latest decision of each photo over all reviewers, with the log it stands in."""
    latest: dict[str, tuple[Decision, Path]] = {}
    for log in sorted(folder.glob("*.jsonl")):
        for decision in standing_lines(list(read_jsonl(log, Decision))):
            known = latest.get(decision.image_id)
            is_later = known is None or decision.decided_at >= known[0].decided_at
            if is_later and decision.kind == "decision":
                latest[decision.image_id] = (decision, log)
    return latest
