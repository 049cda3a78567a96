"""What an import would change of the audited truth, before it is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.human_truth.said import DECISIONS_FOLDER
from vibe_photos.records.ground_truth import Decision
from vibe_photos.review.ledger import Ledger
from vibe_photos.review.truth_difference import describe_difference, describe_labels
from vibe_photos.settings import Taxonomy


@dataclass(frozen=True, slots=True)
class Differences:
    """One line for each photo: whose truth changes, whose stays in spite of a new line, who disagrees."""

    changes: list[str]
    unchanged_by_later: list[str]
    disagreements: list[str]


def find_differences(human: Path, taxonomy: Taxonomy, lines: Mapping[str, list[Decision]]) -> Differences:
    """Compare the audited truth with what it would be with these lines, by reviewer, in the logs.

    Raises:
        InputError: a log or the edited file is damaged.
    """
    ledger = Ledger(human, taxonomy)
    photos = sorted({line.image_id for new in lines.values() for line in new if line.kind == "decision"})
    before = {image_id: ledger.state(image_id) for image_id in photos}
    for reviewer, new in lines.items():
        ledger.add(human / DECISIONS_FOLDER / f"{reviewer}.jsonl", new)
    changes, later, disagreements = [], [], []
    for image_id in photos:
        state = ledger.state(image_id)
        difference = describe_difference(before[image_id].truth, state.truth)
        if difference:
            changes.append(f"{image_id}: {difference}")
        if state.decided_by not in lines:
            later.append(f"{image_id}: what {state.decided_by} decided later stands")
        if state.opinions:
            said = [f"{opinion.reviewer} says {describe_labels(opinion.truth)}" for opinion in state.opinions]
            disagreements.append(f"{image_id}: {'; '.join(said)}")
    return Differences(changes, later, disagreements)
