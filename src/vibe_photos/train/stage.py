"""Stage `train`: fit one calibrated linear head to the training labels and vectors.

The training labels (stage `teach`) contain only photos that may train, each with its fold. Near-duplicates
share a fold, so out-of-fold results are for photos that are new to the head.
"""

import logging
from collections.abc import Mapping

import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.heads.linear import LinearHead, head_loss, head_path, save_head
from vibe_photos.heads.out_of_fold import write_out_of_fold
from vibe_photos.records.ground_truth import read_training
from vibe_photos.settings import HeadTraining, Settings
from vibe_photos.storage.files import write_json
from vibe_photos.storage.vectors import Embeddings, read_embeddings, read_image_ids
from vibe_photos.train.error_budget import find_better_models, measure_error_budget
from vibe_photos.train.learning_curve import measure_learning_curve
from vibe_photos.train.student import fit_student, summarize_validation
from vibe_photos.train.targets import Targets, TrainingSet, find_people_labels, find_targets

log = logging.getLogger(__name__)

BETTER_MODELS = {
    "neighbours": "the labels of the nearest photos are right more often",
    "probe": "a small non-linear model is right more often",
}


def train_head(settings: Settings) -> None:
    """Fit one linear head (`head=scene`, `attribute` or `object`) on the training labels.

    Raises:
        InputError: a file is missing or malformed.
    """
    head, paths = settings.head, settings.paths
    options: HeadTraining = getattr(settings.train, head)
    truth_of = {record.image_id: record for record in read_training(paths.training, head)}
    database = paths.embeddings / "embeddings.sqlite"
    records = [truth_of[image_id] for image_id in read_image_ids(database) if image_id in truth_of]

    targets = find_targets(head, records, settings.taxonomy, options.min_positive)
    image_ids = [records[row].image_id for row in targets.rows]
    embeddings = read_embeddings(database, set(image_ids))
    folds = np.array([truth_of[image_id].fold for image_id in image_ids], dtype=np.int64)
    size = (head, len(image_ids), len(targets.labels))
    log.info("train@%s: begins with %d photos and %d labels; many of both take minutes", *size)
    groups = [truth_of[image_id].group for image_id in image_ids]
    training_set = TrainingSet(targets, embeddings.vectors, folds, groups, head_loss(head), options)
    student = fit_student(training_set)

    fitted = LinearHead(
        level=head,
        labels=targets.labels,
        weight=student.weight,
        bias=student.bias,
        calibration=student.calibration,
        embedder=embeddings.model,
        seed=settings.train.seed,
        created_from=_hash_inputs(targets, folds, embeddings),
    )
    save_head(fitted, head_path(paths.models, head))
    judged = np.where(targets.is_judged, targets.y, -1).astype(np.int8)
    logits, probabilities = student.validation.logits, student.probabilities
    by_people = find_people_labels(head, [records[row] for row in targets.rows], targets.labels)
    write_out_of_fold(paths.models, head, image_ids, targets.labels, judged, by_people, logits, probabilities)
    budget = measure_error_budget(training_set, student, settings.train.seed)
    metric: dict[str, object] = {
        "n_train": len(targets.rows),
        "labels_by_people": sum(len(truth_of[image_id].by_people) for image_id in image_ids),
        "without_embedding": len(truth_of) - len(records),
        "labels_learnt": len(targets.support),
        "labels_not_learnable": len(targets.not_learnable),
        "learnt": _count_rows(targets.support),
        "not_learnable": _count_rows(targets.not_learnable),
        **summarize_validation(student, training_set),
        "learning_curve": measure_learning_curve(training_set, student, settings.train.seed),
        "error_budget": budget,
    }
    write_json(paths.eval / f"train_{head}.json", metric)
    if not targets.labels:
        log.warning(
            "train@%s: nothing is learnable yet, so the head has no labels: the teacher has answered too few "
            "photos that may train",
            head,
        )
    elif student.validation.loss is None:
        log.warning("train@%s: all photos are in one fold, so nothing is cross-validated or calibrated", head)
    for model in find_better_models(budget):
        log.warning(
            "train@%s: %s than the linear head, which cannot use all the information in this encoder's "
            "vectors: try another encoder (use.embedder)",
            *(head, BETTER_MODELS[model]),
        )
    log.info(
        "train@%s: %d photos, %d labels learned, %d not learnable yet, l2 %s, %d photos without an embedding",
        head,
        metric["n_train"],
        metric["labels_learnt"],
        metric["labels_not_learnable"],
        metric["l2"],
        metric["without_embedding"],
    )


def _hash_inputs(targets: Targets, folds: NDArray[np.int64], embeddings: Embeddings) -> dict[str, str]:
    """Return hashes of exactly the training data, so that nothing else changes the head's bytes."""
    examples = xxhash.xxh3_128("\n".join([*targets.labels, "", *embeddings.image_ids]).encode())
    for array in (targets.y, targets.is_judged, folds):
        examples.update(np.ascontiguousarray(array).tobytes())
    return {
        "examples": examples.hexdigest(),
        "vectors": xxhash.xxh3_128_hexdigest(np.ascontiguousarray(embeddings.vectors).data),
    }


def _count_rows(count_of: Mapping[str, int]) -> list[dict[str, object]]:
    """Return one row per label, as a list, because DVC's metric tables skip lists."""
    return [{"label": key, "photos": count} for key, count in count_of.items()]
