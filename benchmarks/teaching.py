"""What teaching gains: suspects corrected and kept, against suspects removed, and against wholly true labels.

Photos are dealt into five parts, near-duplicates together; each part is judged by heads that learned from the
other four. The teacher's answers are drawn again from the truth, several times: scenes are confused,
attributes flipped, objects missed, at the rates of
`benchmarks.real_photos`. In each training part the first photos of the teaching
queue (the suspects of both heads) get their true labels, as a person would say them. Without arguments it
runs on the demo; with others' photos, truth is joined by `rel_path`.
"""

from collections.abc import Callable, Sequence

import numpy as np
from benchmarks.real_photos import (
    LOSSES,
    PARTS,
    World,
    draw_answers,
    draw_parts,
    learn,
    make_world,
    open_photos,
)
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.statistics.suspects import find_suspects

REDRAWS = 5
TAUGHT = 60
BOOTSTRAPS = 2000

Bools = NDArray[np.bool_]


def find_taught(world: World, records: Sequence[GroundTruth], rows: NDArray[np.int64]) -> set[int]:
    """Return the rows of the first `TAUGHT` photos whose labels the teacher probably got wrong."""
    suspects = []
    row_of = {records[row].image_id: int(row) for row in rows}
    for head in LOSSES:
        one = learn(world, records, rows, head)
        y = np.where(one.targets.is_judged, one.targets.y, -1).astype(np.int8)
        ids = [records[row].image_id for row in one.rows]
        probabilities, labels = one.student.probabilities.astype(np.float32), list(one.targets.labels)
        held_out = OutOfFold(ids, labels, probabilities, y, np.zeros(y.shape, bool))
        suspects += find_suspects(held_out, head).suspects
    suspects.sort(key=lambda one: (one.teacher_probability, one.image_id))
    return set(list(dict.fromkeys(row_of[one.image_id] for one in suspects))[:TAUGHT])


def judge(
    world: World, records: Sequence[GroundTruth], train: NDArray[np.int64], test: NDArray[np.int64]
) -> Bools:
    """Return whether the scene of each test photo is right, by a head that learned from the train photos."""
    scene = learn(world, records, train, "scene")
    logits = world.vectors[test] @ scene.student.weight.T + scene.student.bias
    said = [scene.targets.labels[column] for column in logits.argmax(axis=1)]
    return np.array([[scene] == world.truth[row].scene for scene, row in zip(said, test, strict=True)])


def run_redraw(world: World, seed: int) -> dict[str, Bools]:
    """Return, for each way to train, whether each photo's scene is right."""
    answers = draw_answers(world, seed)
    n = len(answers)
    right = {
        name: np.zeros(n, bool) for name in ("as taught", "suspects removed", "suspects taught", "all true")
    }
    part = draw_parts(world, "part", seed, PARTS)
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
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        embedder = arguments.embedders[-1]
        world = make_world(arguments, embedder)
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
