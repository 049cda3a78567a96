"""Our heads against scikit-learn's LogisticRegression, on photos that neither has seen.

Photos are dealt into five parts, near-duplicates together. Each part is judged by heads that were fitted,
tuned and calibrated on the teacher's answers for the other four; both choose their penalty on the same folds
of these by held-out cross-entropy. So every photo is judged once by each, against its truth, and differences
are paired. Without arguments it runs on the demo; with others' photos, answers and truth are joined by
`rel_path`.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from benchmarks.real_photos import (
    FOLDS,
    LOSSES,
    PARTS,
    TRAINING,
    Indices,
    Vectors,
    World,
    as_taught,
    draw_parts,
    make_world,
    open_photos,
)
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.fit import Loss, find_coordinates
from vibe_photos.records.splits import Membership
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.settings import Evaluate
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import group_photos, simple_design
from vibe_photos.statistics.paired import PairedRatio, simultaneous_intervals
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import Targets, TrainingSet, find_targets

EVALUATE = Evaluate(confidence_level=0.95, bootstrap_repetitions=2000, seed=0)
ATTRIBUTES = ("has_person", "has_text", "has_animal")

Predict = Callable[[Targets, Vectors, Indices, Loss, Vectors], NDArray[np.floating[Any]]]
"""From targets, vectors and folds to learn from, and vectors to judge: probabilities [n, labels] of these."""


def predict_ours(
    targets: Targets, vectors: Vectors, folds: Indices, loss: Loss, new: Vectors
) -> NDArray[np.floating[Any]]:
    """Fit, tune and calibrate as `train` does."""
    student = fit_student(TrainingSet(targets, vectors, folds, [], loss, TRAINING))
    return student.calibration.probabilities(new @ student.weight.T + student.bias, loss)


def predict_scikit_learn(
    targets: Targets, vectors: Vectors, folds: Indices, loss: Loss, new: Vectors
) -> NDArray[np.floating[Any]]:
    """Fit one LogisticRegression for scenes, and one for each attribute where it is judged."""
    if loss == "softmax":
        return tune_scikit_learn(targets.y.argmax(axis=1), vectors, folds, new, len(targets.labels))
    columns = []
    for y, is_judged in zip(targets.y.T, targets.is_judged.T, strict=True):
        judged = y[is_judged].astype(np.int64), vectors[is_judged], folds[is_judged]
        columns.append(tune_scikit_learn(*judged, new, 2)[:, 1])
    return np.column_stack(columns)


def tune_scikit_learn(
    classes: Indices, vectors: Vectors, folds: Indices, new: Vectors, count: int
) -> NDArray[np.floating[Any]]:
    """Return the probabilities [n, count] of new photos with the penalty of least held-out cross-entropy.

    The vectors are centred and scaled as ours are, so that a penalty means the same.
    """
    from sklearn.linear_model import LogisticRegression

    here = find_coordinates(vectors)
    x, judged = ((each - here.mean) / here.length for each in (vectors, new))

    def fit(l2: float, rows: NDArray[np.bool_], asked: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
        model = LogisticRegression(C=1 / (rows.sum() * l2), max_iter=2000).fit(x[rows], classes[rows])
        probabilities = np.full((len(asked), count), 1e-9)
        probabilities[:, model.classes_] = model.predict_proba(asked)
        return probabilities

    def held_out_loss(l2: float) -> float:
        held = [folds == fold for fold in np.unique(folds)]
        return sum(
            float(-np.log(fit(l2, ~rows, x[rows])[np.arange(rows.sum()), classes[rows]]).sum())
            for rows in held
        )

    with threadpool_limits(limits=1):
        best = min(TRAINING.l2, key=held_out_loss)
        return fit(best, np.ones(len(classes), dtype=bool), judged)


def judge_all(world: World, predict: Predict) -> tuple[Indices, dict[str, metrics.Flags]]:
    """Return scene columns [n] and each attribute's 0 or 1 [n], each photo by heads that did not see it."""
    n = len(world.truth)
    scene_keys = head_keys(world.taxonomy, "scene")
    scenes = np.full(n, -1)
    attributes = {name: np.zeros(n, np.int8) for name in ATTRIBUTES}
    part, fold = draw_parts(world, "part", 0, PARTS), draw_parts(world, "fold", 0, FOLDS)
    for number in range(PARTS):
        train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        for head, loss in LOSSES.items():
            targets = find_targets(head, [as_taught(world.taught[row]) for row in train], world.taxonomy, 5)
            rows = train[targets.rows]
            found = predict(targets, world.vectors[rows], fold[rows], loss, world.vectors[test])
            if head == "scene":
                column = np.array([scene_keys.index(key) for key in targets.labels])
                scenes[test] = column[found.argmax(axis=1)]
            else:
                names = [label_name(key) for key in targets.labels]
                for name in set(names) & set(ATTRIBUTES):
                    attributes[name][test] = found[:, names.index(name)] >= 0.5
    return scenes, attributes


def truth_columns(world: World) -> tuple[Indices, dict[str, metrics.Flags]]:
    """Return the truth in the form of `judge_all`; -1 where it says nothing."""
    keys = head_keys(world.taxonomy, "scene")
    scenes = np.array([keys.index(r.scene[0]) if r.scene and r.scene[0] in keys else -1 for r in world.truth])
    attributes = {
        name: np.array([r.attributes.get(f"attr.{name}", -1) for r in world.truth], np.int8)
        for name in ATTRIBUTES
    }
    return scenes, attributes


def print_differences(world: World, names: Sequence[str], candidates: Sequence[Predict]) -> None:
    """Print each figure of both, their paired difference (first minus second) and its interval."""
    ours, theirs = (judge_all(world, predict) for predict in candidates)
    scenes, attributes = truth_columns(world)
    members = {group: Membership(group=group, fold=0, role="holdout", number=0.0) for group in world.groups}
    design = simple_design(group_photos(world.groups, members))
    pairs = {
        "scene accuracy": PairedRatio(metrics.accuracy(scenes, theirs[0]), metrics.accuracy(scenes, ours[0]))
    }
    for name, y_true in attributes.items():
        before, after = metrics.f1(y_true, theirs[1][name]), metrics.f1(y_true, ours[1][name])
        pairs[f"{name} F1"] = PairedRatio(before, after, worth=2.0)
    intervals = simultaneous_intervals(list(pairs.values()), design, EVALUATE.confidence_level)
    print(f"{'':16} {names[0]:>8} {names[1]:>12}   difference (95 %, all at once)")
    for (name, pair), interval in zip(pairs.items(), intervals, strict=True):
        first, second = pair.after.value(design.weights), pair.before.value(design.weights)
        if first is not None and second is not None:
            span = interval.reason or f"{interval.low:+.3f} to {interval.high:+.3f}"
            print(f"{name:16} {first:8.3f} {second:12.3f}   {first - second:+.3f} ({span})")
    count = len(head_keys(world.taxonomy, "scene"))
    macro = [metrics.macro_f1(metrics.confusion_matrix(scenes, side[0], count)) for side in (ours, theirs)]
    print(f"{'scene macro-F1':16} {macro[0]:8.3f} {macro[1]:12.3f}")


def main() -> None:
    """Print a table for each encoder."""
    with open_photos(__doc__ or "") as arguments:
        for embedder in arguments.embedders:
            world = make_world(arguments, embedder)
            print(f"\n{embedder.name}: {len(world.truth)} photos, each judged by heads that did not see it")
            print_differences(world, ("ours", "scikit-learn"), (predict_ours, predict_scikit_learn))


if __name__ == "__main__":
    main()
