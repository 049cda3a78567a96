"""Carry out each step that the report ranks, and compare its real gain with the predicted one.

From a budget of answers, chosen by permanent random numbers, people measure a part, and the others train. The
teacher's answers are drawn again from the truth (`benchmarks.real_photos`). Then, one at a time: twice as
many answers are learned, suspects get their true labels, thresholds are chosen on half of the measured
photos, and the encoder is used that a trial recommends, if it is better beyond chance. Gains are of the
mean of scene accuracy and the attributes' F1, against the truth of photos that no head has learned from.
They are paired, with a bootstrap over near-duplicate groups. With others' photos, truth is joined by
`rel_path`; `--onnx` is SqueezeNet as in conf/embedder/onnx.yaml.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from benchmarks.real_photos import (
    LOSSES,
    TRAINING,
    Indices,
    Learned,
    World,
    draw_answers,
    learn,
    make_world,
    open_photos,
    rotate_world,
    with_inner_layers,
)
from numpy.typing import NDArray

from vibe_photos.encoder_trial.trial import MARGIN, REPEATS
from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.photos import unit_interval
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.report.next_steps import Estimate, find_teacher_errors, rank_steps, scale_to_truth
from vibe_photos.settings import Evaluate, HeadName
from vibe_photos.statistics.design import simple_design
from vibe_photos.statistics.label_arrays import JudgedPhotos, arrays_of_records, read_keys
from vibe_photos.statistics.summary import summarise
from vibe_photos.statistics.suspects import find_suspects
from vibe_photos.thresholds.sweep import Aim, find_threshold, sweep_thresholds
from vibe_photos.train.error_budget import measure_error_budget
from vibe_photos.train.learning_curve import measure_learning_curve
from vibe_photos.train.targets import TrainingSet

BUDGET, MEASURED, REDRAWS, BOOTSTRAPS = 150, 50, 5, 1000
NEAR = 0.01
"""A first step counts as right if its real gain is within this of the best."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Photos:
    """Which photos of a world are measured, which train, and which are kept to judge, in two halves."""

    measured: Indices
    train: Indices
    unseen: tuple[Indices, Indices]


def deal(world: World, seed: int) -> Photos:
    """Deal near-duplicate groups by their permanent random numbers."""
    number = np.array([unit_interval(seed, "budget", group) for group in world.groups])
    order = np.argsort(number, kind="stable")
    ends = [int(np.searchsorted(number[order], number[order][at])) for at in (MEASURED, BUDGET)]
    rest = order[ends[1] :]
    side = np.array([unit_interval(seed, "side", world.groups[row]) < 0.5 for row in rest])
    return Photos(order[: ends[0]], order[ends[0] : ends[1]], (rest[side], rest[~side]))


def learn_both(
    world: World, records: list[GroundTruth], rows: Indices, fold_seed: int = 7
) -> dict[HeadName, Learned]:
    """Fit both heads to some photos."""
    return {head: learn(world, records, rows, head, fold_seed) for head in LOSSES}


def judge(one: Learned, head: HeadName, vectors: NDArray[np.float32]) -> Floats:
    """Return probabilities [n, labels]."""
    logits = exact_logits(vectors, one.student.weight, one.student.bias)
    return np.asarray(one.student.calibration.probabilities(logits, LOSSES[head]), np.float64)


def count(
    world: World, learned: dict[HeadName, Learned], rows: Indices, thresholds: dict[str, float] | None = None
) -> Floats:
    """Return for each photo scene right, judged; attributes hit, given, true: float64 [n, 5]."""
    scene, attribute = learned["scene"], learned["attribute"]
    said = judge(scene, "scene", world.vectors[rows]).argmax(axis=1)
    sums = np.zeros((len(rows), 5))
    for place, row in enumerate(rows):
        sums[place, :2] = [scene.targets.labels[said[place]]] == world.truth[row].scene, 1
    given = judge(attribute, "attribute", world.vectors[rows])
    for key in head_keys(world.taxonomy, "attribute"):
        column = attribute.targets.labels.index(key) if key in attribute.targets.labels else None
        least = (thresholds or {}).get(key, 0.5)
        is_given = given[:, column] >= least if column is not None else np.zeros(len(rows), bool)
        for place, row in enumerate(rows):
            if key in world.truth[row].attributes:
                true = world.truth[row].attributes[key]
                sums[place, 2:] += [true and is_given[place], is_given[place], true]
    return sums


def quality(sums: Floats) -> Floats:
    """Return the mean of scene accuracy and F1 from totals [..., 5]."""
    right, photos, hits, given, true = np.moveaxis(sums, -1, 0)
    return np.asarray((right / photos + 2 * hits / np.maximum(given + true, 1)) / 2)


def real_gain(world: World, rows: Indices, before: Floats, after: Floats) -> Estimate:
    """Return the paired gain with its 95 % interval over near-duplicate groups."""
    _, group = np.unique([world.groups[row] for row in rows], return_inverse=True)
    many = int(group.max()) + 1
    times = np.random.default_rng(0).multinomial(many, np.full(many, 1 / many), BOOTSTRAPS)
    weights = np.vstack([np.ones(len(rows)), times[:, group]])
    gains = quality(weights @ after) - quality(weights @ before)
    return Estimate(float(gains[0]), *(float(end) for end in np.quantile(gains[1:], [0.025, 0.975])))


def predict(
    world: World, photos: Photos, answers: list[GroundTruth], learned: dict[HeadName, Learned]
) -> tuple[dict[str, Estimate], set[int], tuple[float, ...]]:
    """Return what the report predicts for each step, the suspects, and both heads' mean `scale_to_truth`."""
    trained: dict[HeadName, Any] = {}
    suspects: dict[HeadName, int] = {}
    suspected: set[int] = set()
    row_of = {answers[row].image_id: int(row) for row in photos.train}
    for head, one in learned.items():
        groups = [world.groups[row] for row in one.rows]
        vectors = world.vectors[one.rows]
        training_set = TrainingSet(one.targets, vectors, one.fold, groups, LOSSES[head], TRAINING)
        budget = measure_error_budget(training_set, one.student, 0)
        trained[head] = {
            "n_train": len(one.rows),
            "learnt": [{"label": key, "photos": n} for key, n in one.targets.support.items()],
            "not_learnable": [{"label": key, "photos": n} for key, n in one.targets.not_learnable.items()],
            "learning_curve": measure_learning_curve(training_set, one.student, 0),
            "error_budget": budget,
        }
        y = np.where(one.targets.is_judged, one.targets.y, -1).astype(np.int8)
        ids = [answers[row].image_id for row in one.rows]
        probabilities, labels = one.student.probabilities.astype(np.float32), list(one.targets.labels)
        held = OutOfFold(ids, labels, probabilities, y, np.zeros(y.shape, bool))
        found = {row_of[suspect.image_id] for suspect in find_suspects(held, head).suspects}
        suspects[head] = len(found)
        suspected |= found
    keys = read_keys(world.taxonomy)
    measured = JudgedPhotos(
        [world.truth[row].image_id for row in photos.measured],
        keys,
        arrays_of_records([world.truth[row] for row in photos.measured], keys),
        arrays_of_records([answers[row] for row in photos.measured], keys),
        simple_design(np.arange(len(photos.measured))),
    )
    teacher = summarise(measured, Evaluate(confidence_level=0.95, bootstrap_repetitions=500, seed=0))
    errors = find_teacher_errors(teacher, [label_name(key) for key in keys.attribute])
    steps = rank_steps(trained, errors, suspects, "", thresholds_are_tuned=False, is_all_answered=False)
    scales = zip(*(scale_to_truth(head, trained[head], errors[head]) for head in trained), strict=True)
    return {step.name: step.gain for step in steps}, suspected, tuple(sum(pair) / 2 for pair in scales)


def choose_thresholds(world: World, learned: dict[HeadName, Learned], rows: Indices) -> dict[str, float]:
    """Return the thresholds of best F1 on measured photos."""
    one = learned["attribute"]
    scores = judge(one, "attribute", world.vectors[rows])
    found = {}
    for column, key in enumerate(one.targets.labels):
        truth = np.array([world.truth[row].attributes.get(key, -1) for row in rows], np.int8)
        sweep = sweep_thresholds(truth, scores[:, column], np.ones(len(rows)))
        best = find_threshold(sweep, Aim("f1")) if (truth == 1).any() else None
        found[key] = 0.5 if best is None else best
    return found


def run_case(worlds: dict[str, World], dims: dict[str, int], name: str, seed: int) -> dict[str, Any]:
    """Return predicted and real gain of every step with one encoder and one redraw of the teacher."""
    world = worlds[name]
    answers, photos = draw_answers(world, seed), deal(world, seed)
    learned = learn_both(world, answers, photos.train)
    predicted, suspected, scale = predict(world, photos, answers, learned)
    first, second = photos.unseen
    rows = np.concatenate([first, second, photos.measured])
    base = count(world, learned, rows)
    real: dict[str, Estimate] = {}
    more = [learn_both(world, answers, np.concatenate([photos.train, side])) for side in (second, first)]
    both = [count(world, one, side) for one, side in zip(more, photos.unseen, strict=True)]
    both.append(np.mean([count(world, one, photos.measured) for one in more], axis=0))
    names = list(predicted)
    ask, teach, move = (next(n for n in names if word in n) for word in ("twice", "Correct", "threshold"))
    real[ask] = real_gain(world, rows, base, np.concatenate(both))
    corrected = [world.truth[row] if row in suspected else answers[row] for row in range(len(answers))]
    real[teach] = real_gain(world, rows, base, count(world, learn_both(world, corrected, photos.train), rows))
    half = photos.measured[::2]
    scored = np.setdiff1d(rows, half)
    tuned = choose_thresholds(world, learned, half)
    before, after = (count(world, learned, scored, chosen) for chosen in (None, tuned))
    real[move] = real_gain(world, scored, before, after)
    hits = {other: count_out_of_fold(there, answers, photos.train) for other, there in worlds.items()}
    recommended = recommend(hits, dims)
    for other, there in worlds.items():
        if other == name:
            continue
        step, tried = f"Use {other}", learn_both(there, answers, photos.train)
        real[step] = real_gain(world, rows, base, count(there, tried, rows))
        better = real_gain(world, photos.train, hits[name], hits[other]).times(*scale)
        if other == recommended and better.low > 0:
            predicted[step] = better
    wrong = [row for row in suspected if not is_right(answers[row], world.truth[row])]
    return {
        "encoder": name,
        "seed": seed,
        "quality": float(quality(base.sum(axis=0))),
        "train": len(photos.train),
        "more": float(np.mean([len(side) for side in photos.unseen])),
        "suspects": len(suspected),
        "suspects_wrong": len(wrong),
        "wrong": sum(not is_right(answers[row], world.truth[row]) for row in photos.train),
        "predicted": {n: (g.value, g.low, g.high) for n, g in predicted.items()},
        "real": {n: (g.value, g.low, g.high) for n, g in real.items()},
    }


def is_right(answer: GroundTruth, truth: GroundTruth) -> bool:
    """Return whether scene and attributes are those of the truth."""
    return answer.scene == truth.scene and answer.attributes == truth.attributes


def count_out_of_fold(world: World, answers: list[GroundTruth], rows: Indices) -> Floats:
    """Return what `count` does against the teacher, out of fold: the mean of `REPEATS` deals of the folds."""
    total = np.zeros((len(world.truth), 5))
    for repeat in range(REPEATS):
        learned = learn_both(world, answers, rows, fold_seed=7 + repeat)
        scene, attribute = learned["scene"], learned["attribute"]
        hit = scene.student.probabilities.argmax(axis=1) == scene.targets.y.argmax(axis=1)
        total[scene.rows, :2] += np.column_stack([hit, np.ones(len(hit))])
        y, judged = attribute.targets.y > 0, attribute.targets.is_judged
        given = (attribute.student.probabilities >= 0.5) & judged
        counts = [(y & given).sum(axis=1), given.sum(axis=1), (y & judged).sum(axis=1)]
        total[attribute.rows, 2:] += np.column_stack(counts)
    return total[rows] / REPEATS


def recommend(hits: dict[str, Floats], dims: dict[str, int]) -> str:
    """Return the encoder that `vibe-photos try-encoders` recommends: the smallest one near the best."""
    found = {name: float(quality(one.sum(axis=0))) for name, one in hits.items()}
    near = [name for name, value in found.items() if value >= max(found.values()) - MARGIN]
    return min(near, key=lambda name: dims[name])


def show(case: dict[str, Any]) -> tuple[bool, bool, bool]:
    """Print a case; return whether the first step is near the best, holds its gain, and overlaps with it."""
    print(f"\n{case['encoder']}, redraw {case['seed']}: quality {case['quality']:.3f}, {case['train']} train")
    print(
        f"  {case['suspects']} suspects, {case['suspects_wrong']} of them among {case['wrong']} wrong answers"
    )
    for name, (value, low, high) in sorted(case["predicted"].items(), key=lambda one: -one[1][0]):
        real = case["real"][name]
        print(
            f"  {name:45} {value:+.3f} ({low:+.3f} to {high:+.3f})  "
            f"{real[0]:+.3f} ({real[1]:+.3f} to {real[2]:+.3f})"
        )
    first = max(case["predicted"], key=lambda name: case["predicted"][name][0])
    _, low, high = case["predicted"][first]
    real, worst, best = case["real"][first]
    is_near = real >= max(value for value, _, _ in case["real"].values()) - NEAR
    return is_near, low <= real <= high, low <= best and worst <= high


def main() -> None:
    """Print every case, then how often the first step is right and its interval holds the real gain."""
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        embedders = with_inner_layers(arguments.embedders)
        worlds = {one.name: make_world(arguments, one) for one in embedders}
    dims = {name: world.vectors.shape[1] for name, world in worlds.items()}
    worlds = {name: rotate_world(world) for name, world in worlds.items()}
    found = []
    for seed in range(arguments.redraws):
        for name in worlds:
            case = run_case(worlds, dims, name, seed)
            found.append(show(case))
            print(f"  first step: near the best, held, held within the noise: {found[-1]}", flush=True)
    near, held, loosely = (sum(column) for column in zip(*found, strict=True))
    both = sum(one and two for one, two, _ in found)
    print(f"\nof {len(found)}: near the best {near}, interval holds the real gain {held}, both {both},")
    print(f"interval and real interval overlap {loosely}")


if __name__ == "__main__":
    main()
