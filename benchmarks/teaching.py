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
    rotate_world,
)
from numpy.typing import NDArray

from vibe_photos.heads.out_of_fold import OutOfFold
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.statistics.suspects import find_suspects

REDRAWS = 5
TAUGHT = 60
BOOTSTRAPS = 2000

Rows = NDArray[np.int64]
Scenes = NDArray[np.object_]
Figure = Callable[[Scenes, Scenes], float]


def find_taught(world: World, records: Sequence[GroundTruth], rows: Rows) -> set[int]:
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


def predict_scenes(world: World, records: Sequence[GroundTruth], train: Rows, test: Rows) -> list[str]:
    """Return the scene of each test photo, by a head that learned from the train photos."""
    scene = learn(world, records, np.sort(train), "scene")
    logits = world.vectors[test] @ scene.student.weight.T + scene.student.bias
    return [scene.targets.labels[column] for column in logits.argmax(axis=1)]


def run_redraw(world: World, seed: int) -> dict[str, Scenes]:
    """Return, for each way to train, each photo's scene."""
    answers = draw_answers(world, seed)
    n = len(answers)
    names = ("as taught", "suspects removed", "suspects taught", "all true")
    said = {name: np.empty(n, dtype=object) for name in names}
    part = draw_parts(world, "part", seed, PARTS)
    for number in range(PARTS):
        train, test = np.flatnonzero(part != number), np.flatnonzero(part == number)
        taught = find_taught(world, answers, train)
        corrected = [world.truth[row] if row in taught else answers[row] for row in range(n)]
        kept = np.array([row for row in train if row not in taught])
        cases = ((answers, train), (answers, kept), (corrected, train), (world.truth, train))
        for name, (records, rows) in zip(names, cases, strict=True):
            said[name][test] = predict_scenes(world, records, rows, test)
    return said


def measure_accuracy(truth: Scenes, said: Scenes) -> float:
    """Return the share of photos whose scene is right."""
    return float((truth == said).mean())


def measure_macro_f1(truth: Scenes, said: Scenes) -> float:
    """Return the mean F1 of the scenes that the photos have."""
    is_right = truth == said
    f1 = [
        2 * (is_right & (truth == scene)).sum() / ((truth == scene).sum() + (said == scene).sum())
        for scene in set(truth)
    ]
    return float(np.mean(f1))


def interval(world: World, runs: int, gain: Callable[[Rows, Rows], float]) -> tuple[float, float]:
    """Return the 95 % interval of a gain by bootstrap: near-duplicate groups and redraws are drawn anew.

    Args:
        world: the photos.
        runs: the number of redraws.
        gain: gives the gain on photos, as rows, and redraws, as numbers from 0; both may repeat.
    """
    generator = np.random.default_rng(0)
    _, group = np.unique(world.groups, return_inverse=True)
    members = [np.flatnonzero(group == number) for number in range(group.max() + 1)]
    values = [
        gain(
            np.concatenate([members[at] for at in generator.integers(0, len(members), len(members))]),
            generator.integers(0, runs, runs),
        )
        for _ in range(BOOTSTRAPS)
    ]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Print the figures and their differences with their intervals (over groups and redraws)."""
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        embedder = arguments.embedders[-1]
        world = rotate_world(make_world(arguments, embedder))
    runs = [run_redraw(world, seed) for seed in range(arguments.redraws)]
    print(f"{embedder.name}: {len(world.truth)} photos, {TAUGHT} taught, {len(runs)} redraws")
    truth = np.array([(record.scene or [""])[0] for record in world.truth], dtype=object)
    for title, figure in (("accuracy", measure_accuracy), ("macro-F1", measure_macro_f1)):
        print(title)
        for name in runs[0]:
            print(f"  {name:18} {np.mean([figure(truth, run[name]) for run in runs]):.3f}")
        for after, before in (
            ("suspects taught", "as taught"),
            ("suspects taught", "suspects removed"),
            ("all true", "as taught"),
        ):

            def gain(
                rows: Rows, redraws: Rows, one: str = after, other: str = before, of: Figure = figure
            ) -> float:
                pairs = ((runs[redraw][one][rows], runs[redraw][other][rows]) for redraw in redraws)
                return float(np.mean([of(truth[rows], x) - of(truth[rows], y) for x, y in pairs]))

            found = gain(np.arange(len(truth)), np.arange(len(runs)))
            low, high = interval(world, len(runs), gain)
            print(f"  {after} - {before}: {found:+.3f} ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
