"""What teaching gains: suspects corrected and kept, against suspects removed, and against wholly true labels.

Photos are dealt into five parts, near-duplicates together; each part is judged by heads that learnt from the
other four. The teacher's answers are drawn anew from the truth, several times: scenes are confused,
attributes flipped, objects missed, at the rates below. In each training part the first photos of the teaching
queue (the suspects of both heads) get their true labels, as a person would say them. Without arguments it
runs on the demo; with others' photos, truth is joined by `rel_path`.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np
from benchmarks.against_sklearn import (
    DEMO,
    FOLDS,
    PARTS,
    TRAINING,
    World,
    as_taught,
    make_world,
    read_settings,
)
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.records.taxonomy import head_keys
from vibe_photos.settings import Embedder, HeadName
from vibe_photos.statistics.suspects import find_suspects
from vibe_photos.train.student import Student, fit_student
from vibe_photos.train.targets import Targets, find_targets

REDRAWS = 5
TAUGHT = 60
SCENE_CONFUSED, ATTRIBUTE_FLIPPED, OBJECT_MISSED = 0.075, 0.05, 0.14
HEADS: tuple[tuple[HeadName, str], ...] = (("scene", "softmax"), ("attribute", "sigmoid"))
BOOTSTRAPS = 2000

Bools = NDArray[np.bool_]


def draw_answers(world: World, seed: int) -> list[GroundTruth]:
    """Return what a simulated teacher says of the photos whose truth is known."""
    generator = np.random.default_rng(seed)
    scenes = head_keys(world.taxonomy, "scene")
    answers = []
    for truth in world.truth:
        scene = truth.scene
        if scene and generator.random() < SCENE_CONFUSED:
            scene = [str(generator.choice([key for key in scenes if key not in scene]))]
        flips = generator.random(len(truth.attributes)) < ATTRIBUTE_FLIPPED
        attributes = {
            key: value != bool(flip)
            for (key, value), flip in zip(truth.attributes.items(), flips, strict=True)
        }
        objects = [key for key in truth.objects if generator.random() >= OBJECT_MISSED]
        answers.append(
            GroundTruth(image_id=truth.image_id, scene=scene, attributes=attributes, objects=objects)
        )
    return answers


def fit(
    world: World, records: Sequence[GroundTruth], rows: NDArray[np.int64], head: HeadName, loss: str
) -> tuple[Student, Targets, list[str], NDArray[np.int64]]:
    """Fit one head on some photos; return it with its targets and the photos that it learnt from."""
    fold = np.array([int(unit_interval(0, "fold", world.groups[row]) * FOLDS) for row in rows])
    taught = [as_taught(records[row]) for row in rows]
    targets = find_targets(head, taught, world.taxonomy, TRAINING.min_positive)
    learnt = rows[targets.rows]
    student = fit_student(targets, world.vectors[learnt], fold[targets.rows], loss, TRAINING)  # type: ignore[arg-type]
    return student, targets, [records[row].image_id for row in learnt], learnt


def find_taught(world: World, records: Sequence[GroundTruth], rows: NDArray[np.int64]) -> set[int]:
    """Return the rows of the first `TAUGHT` photos whose labels the teacher probably got wrong."""
    suspects = []
    row_of = {records[row].image_id: int(row) for row in rows}
    for head, loss in HEADS:
        student, targets, ids, _ = fit(world, records, rows, head, loss)
        y = np.where(targets.is_judged, targets.y, -1).astype(np.int8)
        held_out = OutOfFold(ids, list(targets.labels), student.probabilities.astype(np.float32), y)
        suspects += find_suspects(held_out, head).suspects
    suspects.sort(key=lambda one: (one.teacher_probability, one.image_id))
    return set(list(dict.fromkeys(row_of[one.image_id] for one in suspects))[:TAUGHT])


def judge(
    world: World, records: Sequence[GroundTruth], train: NDArray[np.int64], test: NDArray[np.int64]
) -> Bools:
    """Return whether the scene of each test photo is right, by a head that learnt from the train photos."""
    student, targets, _, _ = fit(world, records, train, "scene", "softmax")
    logits = world.vectors[test] @ student.weight.T + student.bias
    said = [targets.labels[column] for column in logits.argmax(axis=1)]
    return np.array([[scene] == world.truth[row].scene for scene, row in zip(said, test, strict=True)])


def run_redraw(world: World, seed: int) -> dict[str, Bools]:
    """Return, for each way to train, whether each photo's scene is right."""
    answers = draw_answers(world, seed)
    n = len(answers)
    right = {
        name: np.zeros(n, bool) for name in ("as taught", "suspects removed", "suspects taught", "all true")
    }
    part = np.array([int(unit_interval(seed, "part", group) * PARTS) for group in world.groups])
    for number in range(PARTS):
        train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        taught = find_taught(world, answers, train)
        corrected = [world.truth[row] if row in taught else answers[row] for row in range(n)]
        kept = np.array([row for row in train if row not in taught])
        for name, records, rows in (
            ("as taught", answers, train),
            ("suspects removed", answers, kept),
            ("suspects taught", corrected, train),
            ("all true", world.truth, train),
        ):
            right[name][test] = judge(world, records, rows, test)
    return right


def interval(world: World, difference: Callable[[NDArray[np.int64]], float]) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of a figure over near-duplicate groups, given as rows."""
    generator = np.random.default_rng(0)
    names = sorted(set(world.groups))
    members = {name: np.flatnonzero(np.array(world.groups) == name) for name in names}
    values = [
        difference(
            np.concatenate([members[names[at]] for at in generator.integers(0, len(names), len(names))])
        )
        for _ in range(BOOTSTRAPS)
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Print the accuracies and the differences with their intervals (over groups and redraws)."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, default=DEMO / "photos", help="a folder of photos")
    parser.add_argument("--answers", type=Path, default=DEMO / "teacher_answers.simulated.jsonl")
    parser.add_argument("--truth", type=Path, default=DEMO / "truth.jsonl")
    parser.add_argument("--onnx", type=Path, help="an encoder (else HOG)")
    parser.add_argument("--redraws", type=int, default=REDRAWS)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write no timings there")
    arguments = parser.parse_args()
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.encode({"reaches": []}))
    embedder = read_settings("embedder/hog.yaml", Embedder)
    if arguments.onnx:
        onnx = read_settings("embedder/onnx.yaml", Embedder)
        embedder = msgspec.structs.replace(onnx, checkpoint=str(arguments.onnx))
    with tempfile.TemporaryDirectory() as folder:
        world = make_world(arguments.photos, arguments.answers, arguments.truth, embedder, Path(folder))
    runs = [run_redraw(world, seed) for seed in range(arguments.redraws)]
    print(f"{embedder.name}: {len(world.truth)} photos, {TAUGHT} taught, {len(runs)} redraws")
    for name in runs[0]:
        print(f"  {name:18} {np.mean([run[name].mean() for run in runs]):.3f}")
    for after, before in (
        ("suspects taught", "as taught"),
        ("suspects taught", "suspects removed"),
        ("all true", "as taught"),
    ):
        flips = np.mean([run[after].astype(float) - run[before] for run in runs], axis=0)
        low, high = interval(world, lambda rows, flips=flips: float(flips[rows].mean()))
        print(f"  {after} - {before}: {flips.mean():+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
