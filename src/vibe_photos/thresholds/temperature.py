"""Propose temperatures: probabilities that mean what they say on the photos that people measured.

A student that learned a teacher's errors is right more often than its probabilities say. One number for each
level divides the logits (Guo et al. 2017, "On calibration of modern neural networks"); it is fitted by
weighted log loss on the `tune` half of the measured photos, and proposed if the log loss is lower in
cross-validation inside that half (near-duplicates share a fold). The interval of the gain is shown, but may
include 0: to require that it does not would refuse most temperatures that help (docs/REAL_PHOTOS.md). The
`score` half is not used, so its calibration errors are unbiased.

A temperature keeps the order of probabilities. Thresholds move with it, so that no label changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from vibe_photos.classify.stage import list_scenes
from vibe_photos.heads.calibration import apply_temperature, find_logits, fit_scale, smooth_targets
from vibe_photos.heads.fit import cross_entropy
from vibe_photos.heads.linear import head_loss
from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.label_tables import ScoreTable, read_scores
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import HEADS, head_keys, label_name
from vibe_photos.settings import Classify, HeadName, Settings
from vibe_photos.statistics.design import Design, strata_of_groups
from vibe_photos.statistics.intervals import FEWEST_CASES, Interval, linearised_variance, student_t
from vibe_photos.statistics.metrics import UNJUDGED, Bools, Floats, Indices
from vibe_photos.statistics.reliability import ScoredPredictions, calibration_error
from vibe_photos.thresholds.measured_half import MeasuredHalf, read_measured_half

HARMS = "it makes the log loss larger on photos that it was not fitted to"


@dataclass(frozen=True, slots=True)
class MeasuredLevel:
    """People's truth and the student's probabilities of one level on n photos.

    Attributes:
        head: the level.
        probability: float64 [n, labels], without temperature.
        y: 0 or 1 [n, labels]; one-hot for scenes.
        is_judged: bool [n, labels], [n, 1] for scenes: where both are known.
        folds: int64 [n], of cross-validation.
        design: how the photos were drawn.
    """

    head: HeadName
    probability: Floats
    y: Floats
    is_judged: Bools
    folds: Indices
    design: Design

    def fit(self, rows: Bools) -> float:
        """Return the temperature of least weighted log loss on some photos, bool [n]; three decimals.

        The targets of attributes and objects are Platt's, so that a few photos that are all right by chance
        do not give a temperature near 0. They count the photos of all labels together.
        """
        loss, y, is_judged = head_loss(self.head), self.y[rows], self.is_judged[rows]
        if self.head != "scene":
            y = smooth_targets(y.reshape(-1, 1), is_judged.reshape(-1, 1)).reshape(y.shape)
        weights = self.design.weights[rows, None] * is_judged
        logits = find_logits(self.probability[rows], loss)
        return round(1.0 / fit_scale(logits, y, weights, loss), 3)

    def log_loss(self, temperature: float) -> Floats:
        """Return each photo's log loss, summed over its judged labels: float64 [n]."""
        loss = head_loss(self.head)
        entropy, _ = cross_entropy(find_logits(self.probability, loss) / temperature, self.y, loss)
        return np.asarray((entropy * self.is_judged).sum(axis=1))

    def calibration_error(self, temperature: float) -> float | None:
        """Return how far probabilities are from frequencies, 0 to 1: of the best scene, or of all labels."""
        return calibration_error(replace(self, probability=self.scaled(temperature)).list_predictions())

    def scaled(self, temperature: float) -> Floats:
        """Return the probabilities [n, labels] with a temperature."""
        return apply_temperature(self.probability, temperature, head_loss(self.head))

    def list_predictions(self) -> ScoredPredictions:
        """Return the judged predictions: of scenes only the likeliest one."""
        rows, columns = np.nonzero(self.is_judged)
        if self.head == "scene":
            columns = self.probability[rows].argmax(axis=1)
        return ScoredPredictions(
            probability=self.probability[rows, columns],
            is_true=self.y[rows, columns] == 1,
            weights=self.design.weights[rows],
            together=self.design.groups[rows],
        )


@dataclass(frozen=True, slots=True)
class Proposal:
    """The temperature of one level that fits the tune half best, and what it gains.

    Attributes:
        current: the current temperature.
        photos: those of the tune half that were used.
        best: the best temperature; None where there is none to fit.
        loss_now: mean log loss of a label on the tune half with the current temperature.
        loss_then: the same with temperatures that were fitted without the photo's fold.
        gain: the interval of `loss_now - loss_then`.
        reason: why it is not proposed; empty for a proposal.
    """

    current: float
    photos: int
    best: float | None = None
    loss_now: float = float("nan")
    loss_then: float = float("nan")
    gain: Interval | None = None
    reason: str = ""

    @property
    def active(self) -> float:
        """The proposed temperature, else the current one."""
        return self.current if self.best is None or self.reason else self.best


@dataclass(frozen=True, slots=True)
class TemperatureTuning:
    """Proposals by level, and calibration errors of the score half: with the current temperature, the best.

    `tune_photos` and `score_photos` are the sizes of the halves.
    """

    proposals: dict[HeadName, Proposal]
    errors: dict[HeadName, tuple[float | None, float | None]]
    tune_photos: int
    score_photos: int

    def list_changes(self, classify: Classify) -> dict[str, dict[str, float]]:
        """Return new values of `classify` by section: temperatures, and thresholds that move with them."""
        changes: dict[str, dict[str, float]] = {"temperature": {}}
        for head, proposal in self.proposals.items():
            if proposal.active == proposal.current:
                continue
            changes["temperature"][head] = proposal.active
            now: Mapping[str, float] = getattr(classify, f"{head}_threshold", {})
            ratio = proposal.active / proposal.current
            moved = apply_temperature(np.array([[*now.values()]]), ratio, "sigmoid")[0].tolist()
            pairs = zip(now.items(), moved, strict=True)
            changes[f"{head}_threshold"] = {name: new for (name, old), new in pairs if new != old}
        return changes


def propose_temperatures(settings: Settings) -> TemperatureTuning:
    """Propose a temperature for each level.

    Raises:
        InputError: the probabilities, the splits or people's files are missing or damaged.
    """
    paths, taxonomy, classify = settings.paths, settings.taxonomy, settings.classify
    memberships, scores = read_splits(paths.splits), read_scores(paths.probabilities)
    samples = [read_measured_sample(paths.human, taxonomy, memberships, half) for half in ("tune", "score")]
    halves = [read_measured_half(sample.records, scores, memberships, taxonomy) for sample in samples]
    proposals: dict[HeadName, Proposal] = {}
    errors: dict[HeadName, tuple[float | None, float | None]] = {}
    for head in HEADS:
        tune, score = (read_level(head, half, scores, settings) for half in halves)
        current: float = getattr(classify.temperature, head)
        proposals[head] = judge_temperature(tune, current, settings.evaluate.confidence_level)
        best = proposals[head].best or current
        errors[head] = score.calibration_error(current), score.calibration_error(best)
    return TemperatureTuning(proposals, errors, *(len(half.folds) for half in halves))


def judge_temperature(level: MeasuredLevel, current: float, confidence: float) -> Proposal:
    """Return the best temperature of one level, and the reason if it is not to be used."""
    is_used: Bools = np.asarray(level.is_judged.any(axis=1))
    proposal = Proposal(current, int(is_used.sum()))
    folds = np.unique(level.folds[is_used])
    if proposal.photos < FEWEST_CASES:
        return replace(proposal, reason=f"fewer than {FEWEST_CASES} photos of the tune half have both labels")
    if len(folds) < 2:
        return replace(proposal, reason="all photos of the tune half are in one fold")
    best, then = level.fit(is_used), np.zeros(len(is_used))
    for fold in folds:
        in_fold = level.folds == fold
        then[in_fold] = level.log_loss(level.fit(~in_fold))[in_fold]
    now, weights = level.log_loss(current), level.design.weights
    labels = level.is_judged.sum(axis=1)
    total = float((weights * labels).sum())
    gain = float((weights * (now - then)).sum()) / total
    spread = np.sqrt(linearised_variance((now - then - gain * labels) / total, level.design))
    strata = strata_of_groups(level.design)
    freedom = len(strata) - len(np.unique(strata))
    reach = student_t(confidence, freedom) * float(spread) if freedom > 0 else float("inf")
    proposal = replace(
        proposal,
        best=best,
        loss_now=float((weights * now).sum()) / total,
        loss_then=float((weights * then).sum()) / total,
        gain=Interval(gain - reach, gain + reach),
    )
    return proposal if gain > 0 else replace(proposal, reason=HARMS)


def read_level(head: HeadName, half: MeasuredHalf, scores: ScoreTable, settings: Settings) -> MeasuredLevel:
    """Return one level of measured photos, with the labels that have a probability.

    Left out are attributes that follow the scene, and photos whose scene has no probability.
    """
    keys, by_rule = head_keys(settings.taxonomy, head), settings.classify.attribute_from_scene
    labels = list_scenes(scores, keys) if head == "scene" else [key for key in keys if key in scores.keys]
    if head == "attribute":
        labels = [key for key in labels if label_name(key) not in by_rule]
    columns = [half.keys.index(key) for key in labels]
    y, probability = half.y_true[:, columns], half.y_score[:, columns]
    is_judged = (y == 1).any(axis=1, keepdims=True) if head == "scene" else y != UNJUDGED
    return MeasuredLevel(
        head=head,
        probability=np.nan_to_num(probability, nan=0.5),
        y=np.maximum(y, 0).astype(np.float64),
        is_judged=is_judged & ~np.isnan(probability).any(axis=1, keepdims=True),
        folds=half.folds,
        design=half.design,
    )
