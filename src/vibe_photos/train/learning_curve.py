"""Learning curves: how good a head is with part of its answers, with all, and with twice as many.

The parts are eighths, quarters and halves. Near-duplicate groups are dealt to them by a permanent random
number of their own. The sample's numbers would not do: it takes the lowest of each scene, so what is left of
a rare scene has only high ones. The eighths are parts of the quarters, these of the halves. The penalty of a
part is that of the head divided by the part's share, so that it weighs the same against one answer. Each fit
is cross-validated and calibrated as the head itself is, and each photo, in the part or not, is judged by the
fit without its fold. With up to `MOST_PHOTOS_FOR_ALL_PARTS` photos all parts of a size are fitted and
averaged (but for those without a photo of some fold), with more only the first.

The figure is F1 = 2 hits / (given + true) at probability 0.5, over all labels of the head (for scenes this is
the share of right scenes) and for each label. The truth is the training labels, mostly the teacher's: the
figure says how well the head imitates them.

With n answers the error 1 - F1 is about c + a * n**-b, an inverse power law (Cortes et al. 1993, "Learning
curves: asymptotic values and rate of convergence"), here with a, c >= 0 and b within `EXPONENTS`. It is
fitted by least squares in which a size weighs as much as it has answers (Figueroa et al. 2012, "Predicting
sample size required for classification performance"). A label that few photos show, or that is found too
rarely as yet for this law, is not extrapolated.

Intervals are percentiles over bootstrap repetitions, each with near-duplicate groups and parts drawn with
replacement and the curve fitted again. There is only one set of all answers, so its chance error is drawn
from the deviation of the smallest parts, divided by the root of how many of them it holds. Of 200 simulated
photos, the interval of the gain held what twice as many then gave in 75 to 90 % of the cases, because the
realised gain has the luck of both draws in it; that of the F1 with twice as many in 95 %. On real photos it
did worse: of 100 answers, twice as many gained more than predicted (docs/REAL_PHOTOS.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from vibe_photos.heads.calibration import fit_calibration
from vibe_photos.heads.fit import ClassWeight, Coordinates, Examples, Floats, Loss, find_coordinates
from vibe_photos.heads.rounding import exact_logits, round_figures, round_head
from vibe_photos.records.keyed_hash import unit_interval
from vibe_photos.train.student import Student, cross_validate
from vibe_photos.train.targets import Targets

PARTS = (8, 4, 2)
"""A size is one part of so many; the last size is all answers."""
MOST_PHOTOS_FOR_ALL_PARTS = 1_000
EXPONENTS = np.linspace(0.25, 1.5, 26)
FEWEST_SIZES, FEWEST_CASES, FOUND_TOO_RARELY = 3, 20, 0.5
"""With fewer sizes, fewer photos that show a label, or a lower F1 at the last, nothing is extrapolated."""

LEVEL = 0.95
"""Of the intervals."""
_REPETITIONS, _MOST_BLOCKS = 1000, 500

Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Learning:
    """What a head learns from, and how its photos belong together.

    `vectors` float32 [n, dim]; `folds` int64 [n]; `groups` names each photo's near-duplicate group, which is
    within one fold.
    """

    targets: Targets
    vectors: NDArray[np.float32]
    folds: NDArray[np.int64]
    groups: Sequence[str]
    loss: Loss
    class_weight: ClassWeight


def measure_learning_curve(learning: Learning, student: Student, seed: int) -> dict[str, Any] | None:
    """Return the learning curve of a fitted head, for `train_<head>.json`; None if nothing can be compared.

    `answers`: photos that a fit learned from, at each size; `twice`: twice the present answers. `rows`:
    one for the whole head (`label` is "all") and one for each label, with `f1` and `f1_interval` at each
    size; `twice`, the F1 with twice as many answers, and `gain`, by how much that is more than the F1 of the
    head with its present answers; both are None, with a reason as interval, where nothing is extrapolated. A
    label that fewer than `FEWEST_CASES` photos show has only the reason.
    """
    if student.validation.loss is None or not learning.targets.labels:
        return None
    places = np.array([unit_interval(seed, "learning curve", group) for group in learning.groups])
    folds = len(np.unique(learning.folds))
    sizes, counts, coordinates = [], [], find_coordinates(learning.vectors)
    for parts in PARTS:
        used = range(parts if len(places) <= MOST_PHOTOS_FOR_ALL_PARTS else 1)
        chosen = [np.floor(places * parts) == part for part in used]
        chosen = [rows for rows in chosen if len(np.unique(learning.folds[rows])) == folds]
        if chosen:
            l2 = (student.validation.l2 or 0.0) * parts
            sizes.append(float(np.mean([rows.sum() for rows in chosen])))
            counts.append(
                [count_hits(learning, judge_all(learning, coordinates, rows, l2)) for rows in chosen]
            )
    sizes.append(float(len(places)))
    said = student.calibration.probabilities(student.validation.logits, learning.loss)
    counts.append([count_hits(learning, said)])
    errors = _resample(counts, np.array(sizes), places)
    taught, wanted = (1 - 1 / folds) * np.array(sizes), np.array([1.0, 2.0]) * sizes[-1]
    # A fit without one fold learns from fewer answers than the head, whose error is extrapolated as well.
    ahead = fit_power_law(np.moveaxis(errors, 0, -1), taught, wanted)
    cases = (learning.targets.y * learning.targets.is_judged).sum(axis=0)
    labels = [("all", float(cases.sum())), *zip(learning.targets.labels, cases.tolist(), strict=True)]
    return {
        "answers": [round(size) for size in taught],
        "twice": round(wanted[-1]),
        "rows": [
            {"label": label} | _show(errors[..., column], ahead[:, column], of_label)
            for column, (label, of_label) in enumerate(labels)
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


def judge_all(learning: Learning, coordinates: Coordinates, rows: Bools, l2: float) -> Floats:
    """Return probabilities [n, labels] of all photos, by fits to `rows` without the photo's fold.

    `coordinates` are those of all vectors: a penalty then means the same for each part.
    """
    targets, folds = learning.targets, learning.folds
    with threadpool_limits(limits=1, user_api="blas"):
        examples = Examples(
            learning.vectors[rows], coordinates, targets.y[rows], targets.is_judged[rows], learning.loss
        )
        found = cross_validate(examples, folds[rows], [l2], learning.class_weight)
    logits = np.empty(targets.y.shape)
    for fold, table in zip(np.unique(folds), found.tables, strict=True):
        head = round_head(*examples.coordinates.unscale(table))
        logits[folds == fold] = round_figures(exact_logits(learning.vectors[folds == fold], *head))
    calibration = fit_calibration(found.logits, examples.y, examples.is_judged, learning.loss)
    return calibration.probabilities(logits, learning.loss)


def count_hits(learning: Learning, probabilities: Floats) -> Bools:
    """Return whether each label is hit, given, true: bool [3, n, labels]; False where it was not judged."""
    y, is_judged = learning.targets.y > 0, learning.targets.is_judged
    given = probabilities >= 0.5
    if learning.loss == "softmax":
        given = np.arange(y.shape[1]) == probabilities.argmax(axis=1)[:, None]
    return np.array([y & given & is_judged, given & is_judged, y & is_judged])


def _resample(counts: Sequence[Sequence[Bools]], sizes: Floats, places: Floats) -> Floats:
    """Return errors [sizes, 1 + repetitions, 1 + labels], first as they are and then resampled.

    `counts` has what `_count` returns, for each part of each size.
    """
    generator = np.random.default_rng(0)
    blocks = deal_blocks(places)
    # All sizes get the same draws of groups, so that differences between them are paired.
    times = draw_with_replacement(generator, int(blocks.max()) + 1)
    errors, chance = [], np.zeros(0)
    for parts in counts:
        by_part = [np.array([times @ sum_blocks(flags, blocks) for flags in part]) for part in parts]
        drawn = draw_with_replacement(generator, len(parts))
        errors.append(find_error(sum(n[:, None] * part for n, part in zip(drawn.T, by_part, strict=True))))
        if not chance.size:
            chance = np.std([find_error(part[:, 0]) for part in by_part], axis=0)
    errors[-1][1:] += chance * np.sqrt(sizes[0] / sizes[-1]) * generator.standard_normal(errors[-1][1:].shape)
    return np.array(errors)


def deal_blocks(names: Any) -> NDArray[np.int64]:
    """Return what is resampled together, int64 [n]: near-duplicates; very many groups, several together."""
    return np.asarray(np.unique(names, return_inverse=True)[1] % _MOST_BLOCKS, dtype=np.int64)


def draw_with_replacement(generator: np.random.Generator, count: int) -> Floats:
    """Return how often each of `count` things is drawn, first once each: [1 + repetitions, count]."""
    drawn = generator.multinomial(count, np.full(count, 1 / count), _REPETITIONS)
    return np.vstack([np.ones((1, count)), drawn])


def sum_blocks(flags: Bools, blocks: NDArray[np.int64]) -> Floats:
    """Return the sums of `flags` [n, labels] over each block: [blocks, 1 + labels], first over all labels."""
    sums = np.column_stack([np.bincount(blocks, column) for column in flags.T])
    return np.column_stack([sums.sum(axis=1), sums])


def find_error(totals: Any) -> Floats:
    """Return 1 - F1 of hit, given, true [3, ...]."""
    hit, given, true = totals
    return np.asarray(1.0 - 2.0 * hit / np.maximum(given + true, 1.0))


def _show(errors: Floats, ahead: Floats, cases: float) -> dict[str, Any]:
    """Return a row's figures from its errors [sizes, 1 + repetitions] and [1 + repetitions, (now, twice)]."""
    if cases < FEWEST_CASES:
        return {"gain": None, "gain_interval": f"n < {FEWEST_CASES}"}
    f1 = 1.0 - errors
    row: dict[str, Any] = {
        "f1": [round_share(size[0]) for size in f1],
        "f1_interval": [find_ends(size[1:]) for size in f1],
    }
    reason = "too few photos" if len(errors) < FEWEST_SIZES else ""
    if f1[-1, 0] < FOUND_TOO_RARELY:
        reason = "found too rarely yet"
    for name, values in (("twice", 1.0 - ahead[:, 1]), ("gain", ahead[:, 0] - ahead[:, 1])):
        row[name] = None if reason else round_share(values[0])
        row[f"{name}_interval"] = reason or find_ends(values[1:])
    return row


def find_ends(values: Floats) -> list[float]:
    """Return the ends of the percentile interval of the repetitions."""
    return [round_share(end) for end in np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])]


def round_share(value: float) -> float:
    """Round as other metrics; first to 12 decimals, so that a half is rounded alike on every processor.

    A zero has no sign: its sign would be that of the last bits.
    """
    return round(round(float(value), 12), 4) + 0.0
