"""Stage `teach`: the training truth, the teacher's labels with people's teaching laid over them.

Only photos of the role `train` are in it, each with its fold and group. So measuring a photo of the sample
changes no byte here and retrains nothing, and a taught photo retrains only the heads whose labels it changes.
"""

import logging
from collections.abc import Mapping
from typing import Any

from vibe_photos.errors import InputError
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.records.ground_truth import HEAD_FILES, GroundTruth, fit_keys
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.records.training import TrainingRecord, write_training
from vibe_photos.settings import HeadName, Settings
from vibe_photos.storage.files import write_json
from vibe_photos.storage.jsonl import read_jsonl

log = logging.getLogger(__name__)


def compile_training_truth(settings: Settings) -> None:
    """Write one training file a head, and the metric `teach.json`.

    Raises:
        InputError: a file is missing or malformed, or people used a label key that the taxonomy lacks.
    """
    paths, taxonomy = settings.paths, settings.taxonomy
    memberships = read_splits(paths.splits)
    refuse_nothing_to_train_on(memberships)
    everything = read_human_truth(paths.human).fit(taxonomy, paths.human).taught
    taught = {i: record for i, record in everything.items() if _trains(memberships, i)}
    counts: dict[str, Any] = {
        "photos_taught": len(taught),
        "not_training": sum(i in memberships for i in everything) - len(taught),
        "not_in_library": sum(i not in memberships for i in everything),
    }
    for head in HEADS:
        file = paths.auto / HEAD_FILES[head]
        said = {record.image_id: record for record in fit_keys(read_jsonl(file, GroundTruth), taxonomy, file)}
        records = [
            overlay(head, image_id, membership, said.get(image_id), taught.get(image_id))
            for image_id, membership in memberships.items()
            if membership.role == "train" and (image_id in said or image_id in taught)
        ]
        write_training(paths.training, head, records)
        counts[head] = {
            "photos": len(records),
            "labels_by_people": sum(len(record.by_people) for record in records),
            "labels_changed": sum(_count_changed(record, said.get(record.image_id)) for record in records),
        }
    write_json(paths.eval / "teach.json", counts)
    log.info(
        "teach: %d photos to learn from, %d of them taught by people", counts["scene"]["photos"], len(taught)
    )


def refuse_nothing_to_train_on(memberships: Mapping[str, Membership]) -> None:
    """Stop where there are photos, and people or the holdout keep all of them.

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
    """Return what one photo teaches a head: what the person says, and the teacher where the person is silent.

    A person's objects are all objects of the photo; an attribute that the person did not judge is silence.
    """
    base = teacher or GroundTruth(image_id=image_id)
    own: dict[str, Any]
    if head == "scene":
        is_said = person is not None and bool(person.scene)
        own = {"scene": person.scene if person and is_said else base.scene}
        by_people = ["scene"] if is_said else []
    elif head == "object":
        own = {"objects": person.objects if person else base.objects}
        by_people = ["objects"] if person else []
    else:
        judged = person.attributes if person else {}
        own = {"attributes": {**base.attributes, **judged}}
        by_people = sorted(judged)
    return TrainingRecord(
        image_id=image_id, group=membership.group, fold=membership.fold, by_people=by_people, **own
    )


def _trains(memberships: Mapping[str, Membership], image_id: str) -> bool:
    return image_id in memberships and memberships[image_id].role == "train"


def _count_changed(record: TrainingRecord, teacher: GroundTruth | None) -> int:
    """Count the labels on which the person and the teacher differ."""
    said = teacher or GroundTruth(image_id=record.image_id)
    differs = {
        "scene": record.scene != said.scene,
        "objects": set(record.objects) != set(said.objects),
        **{key: said.attributes.get(key) is not value for key, value in record.attributes.items()},
    }
    return sum(differs[name] for name in record.by_people)
