"""Heads worth more: what label smoothing, the tree of objects and calibration by people's labels gain.

The teacher's answers are drawn again from the truth (`benchmarks.teaching`). Photos are split into five
parts, near-duplicates together. In turn, three parts train (with the penalty chosen by cross-validation
inside them), people measure one, and one judges, which is used for nothing else. So each photo is judged once
a redraw, against its truth. Figures are means over the redraws; differences from `now`, today's heads, are
paired, with a 95 % bootstrap interval over near-duplicate groups. Log losses are per label.

- `smoothing 0.1`: a target is 0.9 of the teacher's answer and 0.1 of all classes alike (Szegedy et al. 2016,
  "Rethinking the inception architecture for computer vision"). The calibration is to the answers themselves.
- `tree`: an object is learned from the photos that have its parent, and its probability is multiplied by the
  parent's, so it is never larger.
- `raised`: an object is at least as probable as each of its descendants.
- `temperature`: the measured part's best temperature, whether or not it helps; `proposal`: only where
  `vibe-photos calibrate` proposes it; `certain`: only where the gain's interval excludes chance, too;
  `scale and bias`: Platt scaling of attributes and of objects.

A second table has the log loss that temperatures gained in each case, one part of one redraw: the mean, the
share of the cases with a temperature other than 1, and the share that it made worse.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import numpy as np
from benchmarks.real_photos import (
    FOLDS,
    PARTS,
    REPOSITORY,
    TRAINING,
    World,
    as_taught,
    draw_answers,
    draw_parts,
    make_world,
    open_photos,
    read_settings,
    rotate_world,
    with_inner_layers,
)
from numpy.typing import NDArray

from vibe_photos.heads.calibration import activate, find_logits, fit_calibration
from vibe_photos.heads.fit import Floats
from vibe_photos.heads.linear import head_loss
from vibe_photos.heads.rounding import exact_logits, round_figures
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.photos import unit_interval
from vibe_photos.records.taxonomy import HEADS, head_keys, parent_key, with_ancestors
from vibe_photos.settings import Embedder, HeadName
from vibe_photos.statistics.design import simple_design
from vibe_photos.statistics.reliability import ScoredPredictions, calibration_error
from vibe_photos.thresholds.temperature import MeasuredLevel, judge_temperature
from vibe_photos.train.student import fit_student
from vibe_photos.train.targets import Targets, TrainingSet, find_targets

REDRAWS, BOOTSTRAPS = 5, 2000
SMOOTHINGS = (0.1, 0.2)
TEMPERATURES = ("temperature", "proposal", "certain")
SAME_LOSS = 3e-6
"""A temperature of 1 changes the log loss by less: probabilities are rounded, and scaled to a sum of 1."""
FIGURES = ("scene accuracy", "scene loss", "attribute F1", "attribute loss", "object F1", "object loss")

Rows = NDArray[np.int64]
Side = dict[HeadName, tuple[list[str], MeasuredLevel]]
"""Of each head the labels, and the truth and probabilities of some photos."""


def fit_head(
    world: World, records: Sequence[GroundTruth], rows: Rows, head: HeadName, smoothing: float, is_tree: bool
) -> tuple[list[str], Callable[[Rows], Floats]]:
    """Return the labels that a head learned from `rows`, and what gives its probabilities of other rows."""
    loss, taught = head_loss(head), [as_taught(records[row]) for row in rows]
    targets = find_targets(head, taught, world.taxonomy, TRAINING.min_positive)
    targets = judge_below_parents(targets) if is_tree else targets
    used, labels = rows[targets.rows], list(targets.labels)
    fold = np.array([int(unit_interval(7, "fold", world.groups[row]) * FOLDS) for row in used])
    classes = len(labels) if loss == "softmax" else 2
    soft = (targets.y * (1 - smoothing) + smoothing / classes).astype(np.float32)
    soft_targets, groups = replace(targets, y=soft), [world.groups[row] for row in used]
    student = fit_student(TrainingSet(soft_targets, world.vectors[used], fold, groups, loss, TRAINING))
    calibration = fit_calibration(student.validation.logits, targets.y, targets.is_judged, loss)

    def answer(asked: Rows) -> Floats:
        logits = exact_logits(world.vectors[asked], student.weight, student.bias)
        p = np.asarray(calibration.probabilities(logits, loss), np.float64)
        return multiply_along(p, labels) if is_tree else p

    return labels, answer


def judge_below_parents(targets: Targets) -> Targets:
    """Return targets that judge an object only on photos with its parent."""
    judged = targets.is_judged.copy()
    for column, key in enumerate(targets.labels):
        if parent := parent_key(key, targets.labels):
            judged[:, column] &= targets.y[:, targets.labels.index(parent)] == 1
    return replace(targets, is_judged=judged)


def multiply_along(p: Floats, labels: list[str]) -> Floats:
    """Return products along the tree of probabilities [n, labels] given the parent."""
    product = p.copy()
    for key in sorted(labels, key=lambda key: key.count(".")):
        if parent := parent_key(key, labels):
            product[:, labels.index(key)] *= product[:, labels.index(parent)]
    return product


def raise_parents(p: Floats, labels: list[str]) -> Floats:
    """Return each probability [n, labels], or that of the likeliest descendant."""
    raised = [p[:, [f"{other}.".startswith(f"{key}.") for other in labels]].max(axis=1) for key in labels]
    return np.column_stack(raised)


def look(world: World, rows: Rows, head: HeadName, labels: list[str], probability: Floats) -> MeasuredLevel:
    """Join probabilities of some photos with their truth."""
    keys = head_keys(world.taxonomy, head)
    y = np.full((len(rows), len(labels)), -1)
    for place, truth in enumerate(world.truth[row] for row in rows):
        if head == "attribute":
            y[place] = [truth.attributes.get(key, -1) for key in labels]
        else:
            present = truth.scene if head == "scene" else with_ancestors(set(truth.objects) & set(keys), keys)
            y[place] = [key in present for key in labels]
    groups = np.unique([world.groups[row] for row in rows], return_inverse=True)[1]
    return MeasuredLevel(
        head=head,
        probability=round_figures(probability).astype(np.float64),
        y=np.maximum(y, 0).astype(np.float64),
        is_judged=(y == 1).any(axis=1, keepdims=True) if head == "scene" else y >= 0,
        folds=groups % FOLDS,
        design=simple_design(groups),
    )


def scale_and_bias(level: MeasuredLevel, by: MeasuredLevel) -> Floats:
    """Return probabilities after Platt scaling of all labels together, fitted to the measured photos `by`."""
    known = by.is_judged
    logits = find_logits(by.probability, "sigmoid")[known][:, None]
    fitted = fit_calibration(logits, by.y[known][:, None], np.ones(logits.shape, np.bool_), "sigmoid")
    found = activate(
        find_logits(level.probability, "sigmoid") * fitted.scale[0] + fitted.offset[0], "sigmoid"
    )
    return np.asarray(found, np.float64)


def count(world: World, rows: Rows, side: Side) -> Floats:
    """Return what each photo adds to numerator and denominator of each of `FIGURES`: float64 [n, 6, 2]."""
    sums = np.zeros((len(rows), len(FIGURES), 2))
    for number, head in enumerate(HEADS):
        labels, level = side[head]
        p, y = level.probability, level.y * level.is_judged
        sums[:, 2 * number + 1, 0] = level.log_loss(1.0)
        sums[:, 2 * number + 1, 1] = level.is_judged.sum(axis=1)
        if head == "scene":
            sums[:, 0] = np.column_stack([y[np.arange(len(p)), p.argmax(axis=1)], np.ones(len(p))])
            continue
        # As `classify` does: a given object brings its ancestors.
        given = (raise_parents(p, labels) if head == "object" else p) >= 0.5
        keys = set(head_keys(world.taxonomy, head))
        for place, truth in enumerate(world.truth[row] for row in rows):
            present = {key for key, is_true in truth.attributes.items() if is_true}
            present = with_ancestors(set(truth.objects) & keys, keys) if head == "object" else present & keys
            hits, said = (given[place] * y[place]).sum(), (given[place] * level.is_judged[place]).sum()
            sums[place, 2 * number] = 2 * hits, said + len(present)
    return sums


def try_variants(
    world: World, answers: Sequence[GroundTruth], train: Rows, measured: Rows, judging: Rows
) -> dict[str, Side]:
    """Return the judging photos' probabilities by each variant."""

    def fit_sides(heads: Sequence[HeadName], smoothing: float = 0.0, is_tree: bool = False) -> list[Side]:
        """Return the judging and the measured part with the probabilities of heads learned on the others."""
        sides: list[Side] = [{}, {}]
        for head in heads:
            labels, answer = fit_head(world, answers, train, head, smoothing, is_tree)
            for side, rows in zip(sides, (judging, measured), strict=True):
                side[head] = labels, look(world, rows, head, labels, answer(rows))
        return sides

    now, known = fit_sides(HEADS)
    variants: dict[str, Side] = {"now": now}
    variants |= {f"smoothing {share}": fit_sides(HEADS, share)[0] for share in SMOOTHINGS}
    variants["tree"] = now | fit_sides(["object"], is_tree=True)[0]
    labels, level = now["object"]
    raised = replace(level, probability=raise_parents(level.probability, labels))
    variants["raised"] = now | {"object": (labels, raised)}
    for name in ("temperature", "proposal", "certain", "scale and bias"):
        side: Side = {}
        for head, (labels, level) in now.items():
            by = known[head][1]
            found = judge_temperature(by, 1.0, 0.95)
            temperature = found.active if name in ("proposal", "certain") else found.best or 1.0
            if name == "certain" and (found.gain is None or found.gain.low <= 0):
                temperature = 1.0
            p = level.scaled(temperature)
            if name == "scale and bias" and head != "scene":
                p = scale_and_bias(level, by)
            side[head] = labels, replace(level, probability=p)
        variants[name] = side
    return variants


def run_redraw(world: World, seed: int) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Return, by variant, `count` of all photos, and the calibration error of each head: float64 [3]."""
    answers, n = draw_answers(world, seed), len(world.truth)
    part = draw_parts(world, "part", seed, PARTS)
    counts: dict[str, Floats] = {}
    levels: dict[str, dict[HeadName, list[MeasuredLevel]]] = {}
    for number in range(PARTS):
        judging, measured = (np.flatnonzero(part == (number + more) % PARTS) for more in (0, 1))
        train = np.flatnonzero((part != number) & (part != (number + 1) % PARTS))
        variants = try_variants(world, answers, train, measured, judging)
        for name, side in variants.items():
            counts.setdefault(name, np.zeros((n, len(FIGURES), 2)))[judging] = count(world, judging, side)
            for head, (_, level) in side.items():
                levels.setdefault(name, {}).setdefault(head, []).append(level)
    errors = {name: np.array([pool_error(one[head]) for head in HEADS]) for name, one in levels.items()}
    return counts, errors


def pool_error(levels: Sequence[MeasuredLevel]) -> float:
    """Return the calibration error of all parts together."""
    said = [one.list_predictions() for one in levels]
    fields = ("probability", "is_true", "weights", "together")
    together = ScoredPredictions(*(np.concatenate([getattr(one, name) for one in said]) for name in fields))
    return calibration_error(together) or 0.0


def show(world: World, counts: list[dict[str, Floats]], errors: list[dict[str, Floats]]) -> None:
    """Print a row for each variant."""
    _, group = np.unique(world.groups, return_inverse=True)
    many = int(group.max()) + 1
    times = np.random.default_rng(0).multinomial(many, np.full(many, 1 / many), BOOTSTRAPS)
    weights = np.vstack([np.ones(len(group)), times[:, group]])

    def figures(name: str) -> Floats:
        """Return [1 + repetitions, figures], the mean over the redraws."""
        totals = [np.einsum("rn,nfs->rfs", weights, one[name]) for one in counts]
        return np.mean([total[..., 0] / np.maximum(total[..., 1], 1e-9) for total in totals], axis=0)

    base = figures("now")
    print("| | " + " | ".join(FIGURES) + " | calibration error: scene, attribute, object |")
    print("|---" * (len(FIGURES) + 2) + "|")
    for name in counts[0]:
        change = figures(name) - base
        low, high = np.quantile(change[1:], [0.025, 0.975], axis=0)
        cells = [f"{value:.3f}" for value in base[0]]
        if name != "now":
            cells = [
                f"{c:+.3f} ({a:+.3f} to {b:+.3f})" if c or a or b else "same"
                for c, a, b in zip(change[0], low, high, strict=True)
            ]
        gap = ", ".join(f"{e:.3f}" for e in np.mean([one[name] for one in errors], axis=0))
        print(f"| {name} | {' | '.join(cells)} | {gap} |", flush=True)


def show_cases(world: World, counts: list[dict[str, Floats]]) -> None:
    """Print what temperatures gained in each case; `counts`: those of the redraws with the seeds 0, 1, ..."""
    print(f"\n| gained log loss (share with a temperature, share made worse) | {' | '.join(TEMPERATURES)} |")
    print("|---" * (len(TEMPERATURES) + 1) + "|")
    cases = [
        (one, rows == number)
        for seed, one in enumerate(counts)
        for rows in [draw_parts(world, "part", seed, PARTS)]
        for number in range(PARTS)
    ]
    for column, head in enumerate(HEADS):
        cells = []
        for name in TEMPERATURES:
            sums = np.array(
                [[one[key][rows, 2 * column + 1].sum(axis=0) for key in ("now", name)] for one, rows in cases]
            )
            loss = sums[..., 0] / np.maximum(sums[..., 1], 1e-9)
            gain = loss[:, 0] - loss[:, 1]
            used, worse = np.mean(np.abs(gain) > SAME_LOSS), np.mean(gain < -SAME_LOSS)
            cells.append(f"{gain.mean():+.3f} ({used:.2f}, {worse:.2f}); worst {gain.min():+.3f}")
        print(f"| {head}, {len(cases)} cases | {' | '.join(cells)} |", flush=True)


def main() -> None:
    """Print two tables for each encoder."""
    with open_photos(__doc__ or "", REDRAWS) as arguments:
        embedders = with_inner_layers(arguments.embedders)
        if not arguments.onnx:
            miniature = read_settings("embedder/demo_siglip.yaml", Embedder)
            place = f"local-dir:{REPOSITORY / 'data' / 'demo' / 'siglip'}"
            embedders.append(msgspec.structs.replace(miniature, checkpoint=place))
        for embedder in embedders:
            world = rotate_world(make_world(arguments, embedder))
            runs = [run_redraw(world, seed) for seed in range(arguments.redraws)]
            print(f"\n{embedder.name}: {len(world.truth)} photos, {len(runs)} redraws\n")
            show(world, [counts for counts, _ in runs], [errors for _, errors in runs])
            show_cases(world, [counts for counts, _ in runs])


if __name__ == "__main__":
    main()
