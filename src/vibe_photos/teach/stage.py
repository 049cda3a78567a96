"""Stage `teach`: the training labels: the teacher's, overridden by people's corrections.

They contain only photos with the role `train`, each with its fold and group. So measuring a photo of the
sample changes no byte here and retrains nothing; a taught photo retrains only heads whose labels it changes.
"""

import logging
from collections.abc import Mapping
from typing import Any

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import HEAD_FILES, GroundTruth, TrainingRecord, fit_keys, write_training
from vibe_photos.records.splits import Membership, find_current_ids, read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName, Settings
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


def compile_training_truth(settings: Settings) -> None:
    """Write one training file per head, and the metric `teach.json`.

    Raises:
        InputError: a file is missing or malformed, or people used a label key that is not in the taxonomy.
    """
    paths, taxonomy = settings.paths, settings.taxonomy
    memberships = read_splits(paths.splits)
    refuse_nothing_to_train_on(memberships)
    all_taught = (
        read_human_truth(paths.human, find_current_ids(memberships)).fit(taxonomy, paths.human).taught
    )
    taught = {i: record for i, record in all_taught.items() if _trains(memberships, i)}
    counts: dict[str, Any] = {
        "photos_taught": len(taught),
        "not_training": sum(i in memberships for i in all_taught) - len(taught),
        "not_in_library": sum(i not in memberships for i in all_taught),
    }
    for head in HEADS:
        file = paths.auto / HEAD_FILES[head]
        auto = {record.image_id: record for record in fit_keys(read_jsonl(file, GroundTruth), taxonomy, file)}
        # Of a photo without the teacher's answer, an empty list of objects would say that there are none.
        judged = {i for i, person in taught.items() if head != "object" or person.objects is not None}
        records = [
            overlay(head, image_id, membership, auto.get(image_id), taught.get(image_id))
            for image_id, membership in memberships.items()
            if membership.role == "train" and (image_id in auto or image_id in judged)
        ]
        write_training(paths.training, head, records)
        counts[head] = {
            "photos": len(records),
            "labels_by_people": sum(len(record.by_people) for record in records),
            "labels_changed": sum(_count_changed(record, auto.get(record.image_id)) for record in records),
        }
    write_json(paths.eval / "teach.json", counts)
    log.info(
        "teach: %d photos to learn from, %d of them taught by people", counts["scene"]["photos"], len(taught)
    )


def refuse_nothing_to_train_on(memberships: Mapping[str, Membership]) -> None:
    """Stop if no photo is left for training.

    Raises:
        InputError: says which keys to lower.
    """
    reserved = sum(membership.role == "reserved" for membership in memberships.values())
    if reserved and not any(membership.role == "train" for membership in memberships.values()):
        raise InputError(
            f"of {len(memberships)} photos {reserved} are kept for people to check, with near-duplicates, "
            f"and {len(memberships) - reserved} for the holdout: sample.size leaves nothing to train on; "
            "lower sample.size (or split.holdout_share) in params.yaml, or add photos"
        )


def overlay(
    head: HeadName,
    image_id: str,
    membership: Membership,
    teacher: GroundTruth | None,
    person: GroundTruth | None,
) -> TrainingRecord:
    """Return one photo's training record: the person's labels, else the teacher's.

    A person's list of objects is complete. What the person did not judge is the teacher's.
    """
    base = teacher or GroundTruth(image_id=image_id)
    labels: dict[str, Any]
    if head == "scene":
        has_scene = person is not None and bool(person.scene)
        labels = {"scene": person.scene if person and has_scene else base.scene}
        by_people = ["scene"] if has_scene else []
    elif head == "object":
        has_objects = person is not None and person.objects is not None
        labels = {"objects": (person.objects if person and has_objects else base.objects) or []}
        by_people = ["objects"] if has_objects else []
    else:
        judged = person.attributes if person else {}
        labels = {"attributes": {**base.attributes, **judged}}
        by_people = sorted(judged)
    return TrainingRecord(
        image_id=image_id, group=membership.group, fold=membership.fold, by_people=by_people, **labels
    )


def _trains(memberships: Mapping[str, Membership], image_id: str) -> bool:
    return image_id in memberships and memberships[image_id].role == "train"


def _count_changed(record: TrainingRecord, teacher: GroundTruth | None) -> int:
    """Count the person's labels that differ from the teacher's."""
    auto = teacher or GroundTruth(image_id=record.image_id)
    differs = {
        "scene": record.scene != auto.scene,
        "objects": set(record.objects) != set(auto.objects or []),
        **{key: auto.attributes.get(key) is not value for key, value in record.attributes.items()},
    }
    return sum(differs[name] for name in record.by_people)
