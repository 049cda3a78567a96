"""Photos that exist as vectors only: drawn from known distributions, so that what is learnable is known."""

import json
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray
from tests.conftest import REPOSITORY

from vibe_photos.configuration import read_resolved
from vibe_photos.heads.fit import Examples, prepare_examples
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import HEADS
from vibe_photos.records.training import TrainingRecord, write_training
from vibe_photos.settings import HeadName, HeadTraining, Taxonomy, Train
from vibe_photos.storage.vectors import Embeddings, write_embeddings
from vibe_photos.teach.stage import overlay
from vibe_photos.train.stage import train_head
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
    folds: dict[str, int],
) -> None:
    """Write what the stage `train` reads: `embeddings/` and `training/`.

    Photos whose id is not in `folds` do not train.
    """
    image_ids = [record.image_id for record in records]
    write_embeddings(folder / "embeddings" / "embeddings.sqlite", Embeddings(image_ids, vectors, MODEL))
    for head in HEADS:
        write_training(folder / "training", head, teach(head, records, folds))


def teach(head: HeadName, records: list[GroundTruth], folds: dict[str, int]) -> list[TrainingRecord]:
    """Return what a head learns from the teacher's records, as the stage `teach` writes it."""
    return [
        overlay(
            head,
            record.image_id,
            Membership(group=record.image_id, fold=folds[record.image_id], role="train", number=0.9),
            record,
            None,
        )
        for record in records
        if record.image_id in folds
    ]


def train(
    folder: Path, taxonomy: Taxonomy, head: HeadName = "scene", training: HeadTraining = TRAINING
) -> dict:
    """Run the stage in a folder that `write_library` filled; return its metric."""
    base = read_resolved(REPOSITORY)
    places = {name: folder / name for name in ("training", "embeddings", "models", "eval")}
    settings = msgspec.structs.replace(
        base,
        taxonomy=taxonomy,
        head=head,
        train=Train(seed=0, scene=training, attribute=training, object=training),
        paths=msgspec.structs.replace(base.paths, **places),
    )
    train_head(settings)
    metric: dict = json.loads((folder / "eval" / f"train_{head}.json").read_text())
    return metric
