"""Stage `train`: from the training truth and vectors to one calibrated linear head.

The training truth (`teach`) holds only photos that may train, each with its fold. Near-duplicates share a
fold, so that out-of-fold figures are of photos that are new to the head.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import xxhash
from numpy.typing import NDArray

from vibe_photos.heads.linear import LinearHead, head_loss, head_path, save_head
from vibe_photos.heads.out_of_fold import out_of_fold_path
from vibe_photos.records.training import read_training
from vibe_photos.settings import HeadName, HeadTraining, Settings
from vibe_photos.storage.files import write_arrays, write_json
from vibe_photos.storage.vectors import Embeddings, read_embeddings, read_image_ids
from vibe_photos.train.student import Student, examine, fit_student
from vibe_photos.train.targets import Targets, find_targets

log = logging.getLogger(__name__)


def train_head(settings: Settings) -> None:
    """Fit the head `settings.head`; write its file, `<head>_out_of_fold.npz` beside it, and the metric.

    Raises:
        InputError: a file is missing or malformed.
    """
    paths, head, train = settings.paths, settings.head, settings.train
    options: HeadTraining = getattr(train, head)
    mine = {record.image_id: record for record in read_training(paths.training, head)}
    database = paths.embeddings / "embeddings.sqlite"
    records = [mine[image_id] for image_id in read_image_ids(database) if image_id in mine]
    without_vector = len(mine) - len(records)

    targets = find_targets(head, records, settings.taxonomy, options.min_positive)
    image_ids = [records[row].image_id for row in targets.rows]
    examples = read_embeddings(database, set(image_ids))
    folds = np.array([mine[image_id].fold for image_id in image_ids], dtype=np.int64)
    student = fit_student(targets, examples.vectors, folds, head_loss(head), options)

    fitted = LinearHead(
        kind=head,
        labels=targets.labels,
        weight=student.weight,
        bias=student.bias,
        calibration=student.calibration,
        embedder=examples.model,
        seed=train.seed,
        created_from=_hash_inputs(targets, folds, examples),
    )
    save_head(fitted, head_path(paths.models, head))
    _write_out_of_fold(out_of_fold_path(paths.models, head), image_ids, targets, student, head)
    summary = _summarise(head, targets, student, without_vector)
    by_people = sum(len(mine[image_id].by_people) for image_id in image_ids)
    write_json(paths.eval / f"train_{head}.json", {"labels_by_people": by_people, **summary})
    _report(head, targets, student, without_vector)


def _hash_inputs(targets: Targets, folds: NDArray[np.int64], photos: Embeddings) -> dict[str, str]:
    """Return hashes of exactly what was learnt from, so that nothing else changes the head's bytes."""
    examples = xxhash.xxh3_128("\n".join([*targets.labels, "", *photos.image_ids]).encode())
    for array in (targets.y, targets.is_judged, folds):
        examples.update(np.ascontiguousarray(array).tobytes())
    return {
        "examples": examples.hexdigest(),
        "vectors": xxhash.xxh3_128_hexdigest(np.ascontiguousarray(photos.vectors).data),
    }


def _write_out_of_fold(
    path: Path, image_ids: Sequence[str], targets: Targets, student: Student, head: HeadName
) -> None:
    """Write what the head says of photos that it did not learn from, for review of suspected errors.

    `y` is the index of the photo's label (scene), or [n, labels] of 1, 0 and -1 for not judged.
    """
    judged = np.where(targets.is_judged, targets.y, -1).astype(np.int8)
    arrays = {
        "image_ids": np.array(image_ids, dtype=np.str_),
        "labels": np.array(targets.labels, dtype=np.str_),
        "logits": student.validation.logits,
        "probabilities": student.probabilities,
        "y": targets.y.argmax(axis=1) if head == "scene" and targets.labels else judged,
    }
    write_arrays(path, arrays)


def _summarise(head: HeadName, targets: Targets, student: Student, without_vector: int) -> dict[str, object]:
    return {
        "n_train": len(targets.rows),
        "without_embedding": without_vector,
        "labels_learnt": len(targets.support),
        "labels_not_learnable": len(targets.not_learnable),
        "learnt": _count_rows(targets.support),
        "not_learnable": _count_rows(targets.not_learnable),
        **examine(student, targets, head_loss(head)),
    }


def _count_rows(photos: Mapping[str, int]) -> list[dict[str, object]]:
    """Return a row a label; DVC's tables of metrics pass over a list."""
    return [{"label": key, "photos": count} for key, count in photos.items()]


def _report(head: HeadName, targets: Targets, student: Student, without_vector: int) -> None:
    if not targets.labels:
        log.warning(
            "train@%s: nothing is learnable yet, the head has no labels: the teacher has answered too few "
            "photos that may train",
            head,
        )
    elif student.validation.loss is None:
        log.warning("train@%s: all photos are in one fold, so nothing is cross-validated or calibrated", head)
    log.info(
        "train@%s: %d photos, %d labels learnt, %d not learnable yet, l2 %s, %d photos without an embedding",
        head,
        len(targets.rows),
        len(targets.labels),
        len(targets.not_learnable),
        student.validation.l2,
        without_vector,
    )
