"""Photos that exist as vectors only: drawn from known distributions, so that what is learnable is known."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vibe_photos.heads.fit import Examples, prepare_examples
from vibe_photos.records.ground_truth import GroundTruth, TrainingRecord, write_training
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.settings import HeadName, HeadTraining, Train
from vibe_photos.storage.vectors import Embeddings, write_embeddings
from vibe_photos.teach.stage import overlay
from vibe_photos.train.targets import Targets

MODEL = "simulated-1"

TRAINING = HeadTraining(min_positive=3, l2=[0.0001, 0.001, 0.01], class_weight="none")
TRAIN = Train(seed=0, scene=TRAINING, attribute=TRAINING, object=TRAINING)


def draw_classes(
    seed: int, count: int, dim: int, shares: list[float], distance: float
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return unit-norm vectors [count, dim] around one centre a class, and each one's class."""
    generator = np.random.default_rng(seed)
    classes = generator.choice(len(shares), size=count, p=shares)
    centres = generator.standard_normal((len(shares), dim)) * distance
    vectors = centres[classes] + generator.standard_normal((count, dim)) + 2.0
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), classes


def one_hot(classes: NDArray[np.int64], count: int) -> NDArray[np.float32]:
    return np.eye(count, dtype=np.float32)[classes]


def softmax_examples(vectors: NDArray[np.float32], y: NDArray[np.float32]) -> Examples:
    return prepare_examples(vectors, y, np.ones((len(y), 1), dtype=bool), "softmax")


def sigmoid_examples(
    vectors: NDArray[np.float32], y: NDArray[np.float32], is_judged: NDArray[np.bool_] | None = None
) -> Examples:
    judged = np.ones(y.shape, dtype=bool) if is_judged is None else is_judged
    return prepare_examples(vectors, y, judged, "sigmoid")


def scene_targets(classes: NDArray[np.int64], labels: tuple[str, ...]) -> Targets:
    return Targets(
        rows=np.arange(len(classes)),
        labels=labels,
        y=one_hot(classes, len(labels)),
        is_judged=np.ones((len(classes), 1), dtype=bool),
        support={},
        not_learnable={},
    )


def write_library(
    folder: Path,
    vectors: NDArray[np.float32],
    records: list[GroundTruth],
    memberships: dict[str, Membership],
) -> None:
    """Write what the stage `train` reads: `embeddings/` and `training/`, as the stage `teach` writes it."""
    image_ids = [record.image_id for record in records]
    write_embeddings(folder / "embeddings" / "embeddings.sqlite", Embeddings(image_ids, vectors, MODEL))
    for head in HEADS:
        write_training(folder / "training", head, teach(head, records, memberships))


def teach(
    head: HeadName, records: list[GroundTruth], memberships: dict[str, Membership]
) -> list[TrainingRecord]:
    """Return what a head learns from the teacher's records."""
    return [
        overlay(head, record.image_id, memberships[record.image_id], record, None)
        for record in records
        if memberships[record.image_id].role == "train"
    ]
