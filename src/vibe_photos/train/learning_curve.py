"""Learning curves: how good a head is with part of its answers, with all, and with twice as many.

The parts are eighths, quarters and halves, each within the next. Each near-duplicate group gets its own
random number for this purpose. The review sample's numbers cannot be used: the sample takes the lowest
numbers of each scene, so the training photos of a rare scene have only high numbers. The L2 penalty of a part
is that of the head divided by the part's share. Each fit is cross-validated and calibrated as the head is,
and predicts all photos, in the part or not, out of fold. Only its calibration has seen all folds: without the
photo's own, the F1 of simulated photos was further from that of unseen ones. Up to
`MOST_PHOTOS_FOR_ALL_PARTS` photos, all parts of a size that have photos of each fold are fitted and averaged;
above, only the first.

The figure is F1 = 2 hits / (given + true) at probability 0.5, for each label and over all labels of the head
(for scenes this is accuracy). The truth is the training labels, mostly the teacher's, so the figure says how
well the head imitates them.

With n answers the error 1 - F1 is about c + a * n**-b, an inverse power law (Cortes et al. 1993, "Learning
curves: asymptotic values and rate of convergence"), here with a, c >= 0 and b within `EXPONENTS`. It is
fitted by least squares, weighted by the number of answers (Figueroa et al. 2012, "Predicting
sample size required for classification performance"). Labels that few photos show, or whose F1 is
still too low for this law, are not extrapolated.

Intervals are percentiles over bootstrap repetitions: near-duplicate groups and parts are drawn with
replacement, and the curve is fitted again. There is only one set of all answers, so its random error is drawn
with the standard deviation of the smallest parts, divided by the root of the number of parts. With 200
simulated photos, the interval of the gain covered the real gain in 75 to 90 % of the cases (the real gain has
the random error of two draws), and that of the F1 with twice as many answers in 95 %. With 100 answers about
real photos, the real gain was larger than predicted (docs/REAL_PHOTOS.md).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.fit import Coordinates, Examples, Floats, find_coordinates
from vibe_photos.heads.rounding import exact_logits, round_figures, round_head
from vibe_photos.records.photos import unit_interval
from vibe_photos.storage.files import round_metric
from vibe_photos.train.student import Student, cross_validate
from vibe_photos.train.targets import TrainingSet

DIVISORS = (8, 4, 2)
"""The sizes of the parts as divisors of all answers; all answers are the last size."""
MOST_PHOTOS_FOR_ALL_PARTS = 1_000
EXPONENTS = np.linspace(0.25, 1.5, 26)
FEWEST_SIZES, FEWEST_CASES, FOUND_TOO_RARELY = 3, 20, 0.5
"""Fewer sizes, fewer photos that show a label, or a lower F1 with all answers are not extrapolated."""

CONFIDENCE_LEVEL = 0.95
"""Of the intervals."""
_REPETITIONS, _MOST_BLOCKS = 1000, 500
RANDOM_SEED = 0
"""Fixed, so that only the data change a figure."""

Bools = NDArray[np.bool_]


def measure_learning_curve(training_set: TrainingSet, student: Student, seed: int) -> dict[str, Any] | None:
    """Return the learning curve of a fitted head, for `train_<head>.json`; None if nothing can be compared.

    `answers`: photos that a fit learned from, at each size; `twice`: twice the present answers. `rows`: one
    for the head (`label` is "all") and one for each label, with `f1` and `f1_interval` at each size, `twice`
    (the F1 with twice as many answers) and `gain` (the rise from now to `twice`). The last two are None, with
    a reason as interval, if not extrapolated. A label of fewer than `FEWEST_CASES` photos has just that.
    """
    if student.validation.loss is None or not training_set.targets.labels:
        return None
    numbers = np.array([unit_interval(seed, "learning curve", group) for group in training_set.groups])
    folds = len(np.unique(training_set.folds))
    sizes, hits_by_size, coordinates = [], [], find_coordinates(training_set.vectors)
    for divisor in DIVISORS:
        used = range(divisor if len(numbers) <= MOST_PHOTOS_FOR_ALL_PARTS else 1)
        chosen = [np.floor(numbers * divisor) == part for part in used]
        chosen = [rows for rows in chosen if len(np.unique(training_set.folds[rows])) == folds]
        if chosen:
            l2 = (student.validation.l2 or 0.0) * divisor
            sizes.append(float(np.mean([rows.sum() for rows in chosen])))
            hits_by_size.append(
                [flag_hits(training_set, predict_all(training_set, coordinates, rows, l2)) for rows in chosen]
            )
    sizes.append(float(len(numbers)))
    probabilities = student.calibration.probabilities(student.validation.logits, training_set.loss)
    hits_by_size.append([flag_hits(training_set, probabilities)])
    errors = _resample(hits_by_size, np.array(sizes), numbers)
    learned_from, wanted = (1 - 1 / folds) * np.array(sizes), np.array([1.0, 2.0]) * sizes[-1]
    # Fits without one fold learn from fewer answers than the head, so its own error is extrapolated too.
    predicted = fit_power_law(np.moveaxis(errors, 0, -1), learned_from, wanted)
    cases = (training_set.targets.y * training_set.targets.is_judged).sum(axis=0)
    labels = [("all", float(cases.sum())), *zip(training_set.targets.labels, cases.tolist(), strict=True)]
    return {
        "answers": [round(size) for size in learned_from],
        "twice": round(wanted[-1]),
        "rows": [
            {"label": label} | _make_row(errors[..., column], predicted[:, column], count)
            for column, (label, count) in enumerate(labels)
        ],
    }


def fit_power_law(errors: Floats, sizes: Floats, wanted: Floats) -> Floats:
    """Return the errors [..., wanted] of the curves that fit `errors` [..., sizes] best.

    `sizes` and `wanted` are numbers of answers.
    """
    weights = sizes / sizes.sum()
    mean = errors @ weights
    best = np.full(mean.shape, np.inf)
    found = np.zeros((*mean.shape, len(wanted)))
    for exponent in EXPONENTS:
        basis = sizes**-exponent
        apart = basis - basis @ weights
        slope = np.maximum(errors @ (weights * apart) / (weights @ apart**2), 0.0)
        floor = mean - slope * (basis @ weights)
        slope = np.where(floor < 0, errors @ (weights * basis) / (weights @ basis**2), slope)
        floor = np.maximum(floor, 0.0)
        residual = (errors - floor[..., None] - slope[..., None] * basis) ** 2 @ weights
        is_better = residual < best - 1e-12  # of equal ones the first, whatever the last bits are
        best = np.where(is_better, residual, best)
        curve = floor[..., None] + slope[..., None] * wanted**-exponent
        found = np.where(is_better[..., None], curve, found)
    return found


def predict_all(training_set: TrainingSet, coordinates: Coordinates, rows: Bools, l2: float) -> Floats:
    """Return out-of-fold probabilities [n, labels] of all photos, by fits to `rows`.

    `coordinates` are those of all vectors, so that a penalty means the same for each part.
    """
    targets, folds = training_set.targets, training_set.folds
    with threadpool_limits(limits=1, user_api="blas"):
        examples = Examples(
            training_set.vectors[rows],
            coordinates,
            targets.y[rows],
            targets.is_judged[rows],
            training_set.loss,
        )
        found = cross_validate(examples, folds[rows], [l2], training_set.options.class_weight)
    logits = np.empty(targets.y.shape)
    for fold, table in zip(np.unique(folds), found.tables, strict=True):
        head = round_head(*examples.coordinates.unscale(table))
        logits[folds == fold] = round_figures(exact_logits(training_set.vectors[folds == fold], *head))
    calibration = fit_calibration(found.logits, examples.y, examples.is_judged, training_set.loss)
    return calibration.probabilities(logits, training_set.loss)


def flag_hits(training_set: TrainingSet, probabilities: Floats) -> Bools:
    """Return where labels are hit, given, true: bool [3, n, labels]; False where the truth is unknown."""
    y, is_judged = training_set.targets.y > 0, training_set.targets.is_judged
    given = probabilities >= 0.5
    if training_set.loss == "softmax":
        given = np.arange(y.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return np.array([y & given & is_judged, given & is_judged, y & is_judged])


def _resample(hits_by_size: Sequence[Sequence[Bools]], sizes: Floats, numbers: Floats) -> Floats:
    """Return errors [sizes, 1 + repetitions, 1 + labels]: without resampling, then each repetition.

    `hits_by_size` has what `flag_hits` returns, for each part of each size. `numbers` [n] are the photos'
    random numbers, one for each near-duplicate group.
    """
    generator = np.random.default_rng(RANDOM_SEED)
    blocks = assign_blocks(numbers)
    # The same groups are drawn for all sizes, so that their differences are paired.
    draw_counts = draw_with_replacement(generator, int(blocks.max()) + 1)
    errors, deviations = [], []
    for hits_of_parts in hits_by_size:
        parts = [draw_counts @ sum_blocks(hits, blocks) for hits in hits_of_parts]
        part_counts = draw_with_replacement(generator, len(parts))
        errors.append(
            1.0 - find_f1(sum(n[:, None] * part for n, part in zip(part_counts.T, parts, strict=True)))
        )
        deviations.append(np.std([1.0 - find_f1(part[:, 0]) for part in parts], axis=0))
    # All answers exist only once, so their random error is estimated from the smallest parts.
    deviation = deviations[0] * np.sqrt(sizes[0] / sizes[-1])
    errors[-1][1:] += deviation * generator.standard_normal(errors[-1][1:].shape)
    return np.array(errors)


def assign_blocks(groups: Any) -> NDArray[np.int64]:
    """Return the bootstrap blocks of photos, int64 [n]: their groups; of very many, several are one block."""
    return np.asarray(np.unique(groups, return_inverse=True)[1] % _MOST_BLOCKS, dtype=np.int64)


def draw_with_replacement(generator: np.random.Generator, count: int) -> Floats:
    """Return how often each of `count` things is drawn [1 + repetitions, count]; first once each."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), _REPETITIONS)
    return np.vstack([np.ones((1, count)), drawn])


def sum_blocks(hits: Bools, blocks: NDArray[np.int64]) -> Floats:
    """Sum what `flag_hits` returns over each block: [3, blocks, 1 + labels], first over all labels."""
    sums = np.array([[np.bincount(blocks, column) for column in flags.T] for flags in hits])
    return np.concatenate([sums.sum(axis=1, keepdims=True), sums], axis=1).swapaxes(1, 2)


def find_f1(counts: Any) -> Floats:
    """Return the F1 of counts of labels that are hit, given, true: [3, ...]."""
    hit, given, true = counts
    return np.asarray(2.0 * hit / np.maximum(given + true, 1.0))


def _make_row(errors: Floats, predicted: Floats, cases: float) -> dict[str, Any]:
    """Return a row's figures from its errors [sizes, 1 + repetitions] and [1 + repetitions, (now, twice)]."""
    if cases < FEWEST_CASES:
        return {"gain": None, "gain_interval": f"n < {FEWEST_CASES}"}
    f1 = 1.0 - errors
    row: dict[str, Any] = {
        "f1": [round_metric(size[0]) for size in f1],
        "f1_interval": [percentile_interval(size[1:]) for size in f1],
    }
    reason = "too few photos" if len(errors) < FEWEST_SIZES else ""
    if f1[-1, 0] < FOUND_TOO_RARELY:
        reason = "found too rarely yet"
    for name, values in (("twice", 1.0 - predicted[:, 1]), ("gain", predicted[:, 0] - predicted[:, 1])):
        row[name] = None if reason else round_metric(values[0])
        row[f"{name}_interval"] = reason or percentile_interval(values[1:])
    return row


def percentile_interval(values: Floats) -> list[Any]:
    """Return the percentile interval of the repetitions."""
    return [
        round_metric(end)
        for end in np.quantile(values, [(1 - CONFIDENCE_LEVEL) / 2, (1 + CONFIDENCE_LEVEL) / 2])
    ]
