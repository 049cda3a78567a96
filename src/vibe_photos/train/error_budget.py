"""What a head's errors are made of: by how much its F1 changes if only one thing is changed.

Everything is measured out of fold against the training labels, as the learning curve is, on at most
`MOST_PHOTOS` photos, a random part where there are more (there noise harms more than it does with all).

- `threshold`: each fold's photos get a label by the threshold of best F1 in the other folds, not by 0.5.
- `neighbours`: a photo gets the labels of most of its nearest photos in the other folds (by cosine).
- `probe`: a head of the same kind that has random Fourier features beside the vector (Rahimi and Recht 2007,
  "Random features for large-scale kernel machines"), so that it need not be linear. If neither gains, a
  linear head is not the limit.
- `confused`, `missed`, `invented`: what is lost if a share `NOISE` of the labels is made wrong as well:
  scenes replaced, labels taken away, labels given wrongly (a share of those that are true). From it, the
  teacher's measured error rate gives what right answers would gain: simulation and extrapolation, linear
  (SIMEX: Cook and Stefanski 1994, "Simulation-extrapolation estimation in parametric measurement
  error models"; for labels Küchenhoff, Mwalili and Lesaffre 2006, "A general method for dealing with
  misclassification in regression: the misclassification SIMEX"). It holds for errors that have no pattern:
  a mistake that the teacher makes again and again is learned, and no figure here shows it.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.fit import Coordinates, Floats, find_coordinates, prepare_examples
from vibe_photos.heads.rounding import exact_logits
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.settings import HeadTraining
from vibe_photos.train.learning_curve import (
    FEWEST_CASES,
    Bools,
    Learning,
    count_hits,
    deal_blocks,
    draw_with_replacement,
    find_ends,
    find_error,
    judge_all,
    round_share,
    sum_blocks,
)
from vibe_photos.train.student import Student, cross_validate, fit_student
from vibe_photos.train.targets import Targets

MOST_PHOTOS = 5_000
NEIGHBOURS = 10
NOISE = 0.1
_NOISE_DRAWS = 3
_FEATURES = 128


def measure_error_budget(
    learning: Learning, student: Student, options: HeadTraining, seed: int
) -> dict[str, Any] | None:
    """Return the gains and losses of F1, for `train_<head>.json`; None if nothing can be compared.

    `photos`: on how many it was measured. `rows`: one for the whole head (`label` is "all") and one for each
    label, with intervals; none for those that fewer than `FEWEST_CASES` photos show.
    """
    if student.validation.loss is None or not learning.targets.labels:
        return None
    if len(learning.groups) > MOST_PHOTOS:
        part = MOST_PHOTOS / len(learning.groups)
        places = [unit_interval(seed, "error budget", group) for group in learning.groups]
        learning = _take(learning, np.flatnonzero(np.array(places) < part))
        student = fit_student(learning.targets, learning.vectors, learning.folds, learning.loss, options)
    blocks = deal_blocks(list(learning.groups))
    times = draw_with_replacement(np.random.default_rng(0), int(blocks.max()) + 1)

    def error(*said: Bools) -> Floats:
        """Return errors [1 + repetitions, 1 + labels] of one prediction, or on average of several."""
        totals = sum(np.array([times @ sum_blocks(flags, blocks) for flags in one]) for one in said)
        return find_error(totals)

    now = error(count_hits(learning, student.probabilities))
    changes = {
        "neighbours": now - error(count_hits(learning, ask_neighbours(learning))),
        "probe": now - error(count_hits(learning, ask_probe(learning, options))),
    }
    kinds = ("confused",) if learning.loss == "softmax" else ("missed", "invented")
    if learning.loss == "sigmoid":
        changes["threshold"] = now - error(count_hits(learning, _move_thresholds(learning, student)))
    coordinates = find_coordinates(learning.vectors)
    for kind in kinds:
        said = (_learn_noise(learning, coordinates, student, kind, draw) for draw in range(_NOISE_DRAWS))
        changes[kind] = now - error(*(count_hits(learning, each) for each in said))
    cases = (learning.targets.y * learning.targets.is_judged).sum(axis=0)
    return {
        "photos": len(learning.groups),
        "rows": [
            {"label": label, "f1": round_share(1.0 - now[0, column])}
            | _show({name: change[:, column] for name, change in changes.items()})
            for column, (label, of_label) in enumerate(
                zip(["all", *learning.targets.labels], [cases.sum(), *cases], strict=True)
            )
            if of_label >= FEWEST_CASES
        ],
    }


def _show(changes: dict[str, Floats]) -> dict[str, Any]:
    return {
        name: value
        for kind, change in changes.items()
        for name, value in ((kind, round_share(change[0])), (f"{kind}_interval", find_ends(change[1:])))
    }


def _take(learning: Learning, rows: NDArray[np.int64]) -> Learning:
    targets: Targets = replace(
        learning.targets, y=learning.targets.y[rows], is_judged=learning.targets.is_judged[rows]
    )
    return replace(
        learning,
        targets=targets,
        vectors=learning.vectors[rows],
        folds=learning.folds[rows],
        groups=[learning.groups[row] for row in rows],
    )


def _move_thresholds(learning: Learning, student: Student) -> Floats:
    """Return 1 where the probability reaches the threshold of the other folds, else 0: [n, labels]."""
    said = np.zeros(student.probabilities.shape)
    for fold in np.unique(learning.folds):
        held = learning.folds == fold
        for column, p in enumerate(student.probabilities.T):
            known = ~held & learning.targets.is_judged[:, column]
            said[held, column] = p[held] >= _best_threshold(p[known], learning.targets.y[known, column])
    return said


def _best_threshold(probabilities: Floats, y: Floats) -> float:
    """Return the probability of best F1 if given from there on; 0.5 if nothing is true."""
    if not y.any():
        return 0.5
    order = np.argsort(-probabilities, kind="stable")
    hits, given = np.cumsum(y[order], dtype=np.float64), np.arange(1, len(y) + 1)
    ends = np.append(probabilities[order][1:] != probabilities[order][:-1], True)
    f1 = np.where(ends, hits / (given + y.sum(dtype=np.float64)), -1.0)
    return float(probabilities[order][f1.argmax()])


def ask_neighbours(learning: Learning) -> Floats:
    """Return the share of the nearest photos of the other folds that have each label: [n, labels]."""
    targets, folds = learning.targets, learning.folds
    share = np.zeros(targets.y.shape)
    for fold in np.unique(folds):
        held, others = folds == fold, np.flatnonzero(folds != fold)
        known = learning.vectors[others]
        likeness = exact_logits(learning.vectors[held], known, np.zeros(len(known), dtype=np.float32))
        nearest = others[np.argsort(-likeness, axis=1, kind="stable")[:, :NEIGHBOURS]]
        is_judged = np.broadcast_to(targets.is_judged, targets.y.shape)[nearest]
        votes = (targets.y[nearest] * is_judged).sum(axis=1)
        share[held] = votes / np.maximum(is_judged.sum(axis=1), 1)
    return share


def ask_probe(learning: Learning, options: HeadTraining) -> Floats:
    """Return out-of-fold probabilities [n, labels] of a head that has random Fourier features as well."""
    generator = np.random.default_rng(0)
    mean = learning.vectors.mean(axis=0, dtype=np.float64)
    spread = np.sqrt(np.square(learning.vectors - mean).sum(axis=1).mean()) or 1.0
    turns = generator.standard_normal((learning.vectors.shape[1], _FEATURES)) / spread
    waves = np.cos((learning.vectors - mean) @ turns + generator.uniform(0, 2 * np.pi, _FEATURES))
    # Both parts together are no longer than 1, as `exact_logits` needs.
    waves = np.rint(waves * 2.0**20) / 2.0**20 * np.sqrt(0.5 / _FEATURES)
    both = np.hstack([learning.vectors * np.sqrt(0.5), waves]).astype(np.float32)
    targets = learning.targets
    with threadpool_limits(limits=1, user_api="blas"):
        examples = prepare_examples(both, targets.y, targets.is_judged, learning.loss)
        found = cross_validate(examples, learning.folds, options.l2, options.class_weight)
    calibration = fit_calibration(found.logits, targets.y, targets.is_judged, learning.loss)
    return calibration.probabilities(found.logits, learning.loss)


def _learn_noise(
    learning: Learning, coordinates: Coordinates, student: Student, kind: str, draw: int
) -> Floats:
    """Return out-of-fold probabilities [n, labels] after learning from labels with added errors."""
    y = _add_noise(learning.targets.y, learning.targets.is_judged, kind, draw)
    noisy = replace(learning, targets=replace(learning.targets, y=y))
    return judge_all(noisy, coordinates, np.ones(len(y), dtype=bool), student.validation.l2 or 0.0)


def _add_noise(y: Floats, is_judged: Bools, kind: str, draw: int) -> NDArray[np.float32]:
    """Return targets of which a share `NOISE` is wrong; see the module."""
    generator = np.random.default_rng(draw)
    noisy = y.astype(np.float32).copy()
    chance = generator.random(y.shape)
    if kind == "confused":
        classes = y.argmax(axis=1)
        for row in np.flatnonzero(chance[:, 0] < NOISE):
            others = np.flatnonzero(classes != classes[row])
            if len(others):
                noisy[row] = y[generator.choice(others)]
    elif kind == "missed":
        noisy[(y > 0) & (chance < NOISE)] = 0.0
    else:
        true, absent = (y * is_judged).sum(axis=0), ((1 - y) * is_judged).sum(axis=0)
        noisy[(y == 0) & (chance < NOISE * true / np.maximum(absent, 1))] = 1.0
    return noisy


def find_better_limits(budget: dict[str, Any] | None) -> list[str]:
    """Return which of "neighbours" and "probe" are better than the whole head, beyond chance."""
    rows = budget["rows"] if budget else []
    return [
        limit
        for limit in ("neighbours", "probe")
        if any(row["label"] == "all" and row[f"{limit}_interval"][0] > 0 for row in rows)
    ]
