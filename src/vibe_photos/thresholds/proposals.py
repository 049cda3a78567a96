"""Propose thresholds for attributes and objects, if people's measured photos show that they help.

A label's best threshold is found on the `tune` half of the measured photos, and proposed if
- enough photos of that half have the label, and enough do not;
- in cross-validation inside that half (`measured_half`) it improves the label's figures, and makes those of
  no ancestor worse; without a difference, the current threshold stays;
- the share of the library that would get the label is inside people's interval for that share.

The teacher's answers are not used: for a rare label, too few measured photos have it to estimate the
teacher's error rate. The `score` half is not used either, so its figures are unbiased.

A current threshold that was tuned on the same photos looks better on them than it is, and is harder to beat.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.classify.stage import apply_temperatures, decide_labels
from vibe_photos.human_truth.sample import NOT_DRAWN, MeasuredSample, read_measured_sample
from vibe_photos.records.label_tables import ScoreTable, read_scores
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.settings import Classify, Settings, Taxonomy
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.label_arrays import find_rows, take_columns
from vibe_photos.statistics.metrics import UNJUDGED, Bools
from vibe_photos.thresholds.measured_half import MeasuredHalf, Thresholds, decide, read_measured_half
from vibe_photos.thresholds.sweep import MIN_EXAMPLES, Aim, LabelScores

Level = Literal["attribute", "object"]
"""The heads with thresholds."""

LEVELS: tuple[Level, ...] = ("attribute", "object")

TOO_FEW = f"fewer than {MIN_EXAMPLES} photos of the tune half have it, or do not have it"


@dataclass(frozen=True, slots=True)
class Trial:
    """The results of the best threshold on the tune half, and in the library.

    Attributes:
        threshold: the best on the whole tune half.
        now: scores of the current threshold.
        cross_validated: scores of the best one in cross-validation.
        in_sample: its scores on the photos on which it was tuned.
        share: the share of the library that would get the label, 0..1.
        prevalence: people's interval of the share that has the label.
    """

    threshold: float
    now: LabelScores
    cross_validated: LabelScores
    in_sample: LabelScores
    share: float
    prevalence: Interval


@dataclass(frozen=True, slots=True)
class Choice:
    """The decision about one label's threshold.

    Attributes:
        level: the head.
        current: the current threshold.
        positives: how many photos of the tune half have the label.
        trial: the best threshold, if it differs from the current one.
        reason: why it is not proposed; empty for a proposal.
    """

    level: Level
    current: float
    positives: int = 0
    trial: Trial | None = None
    reason: str = ""

    @property
    def active(self) -> float:
        """The proposed threshold, else the current one."""
        return self.current if self.trial is None or self.reason else self.trial.threshold

    @property
    def is_new(self) -> bool:
        """Whether a new threshold is proposed."""
        return self.active != self.current


@dataclass(frozen=True, slots=True)
class Tuning:
    """Choices by label key; each label's scores on the score half without and with the proposals.

    `tune_photos` and `score_photos` are the sizes of the halves.
    """

    choices: dict[str, Choice]
    scored_now: dict[str, LabelScores]
    scored_then: dict[str, LabelScores]
    tune_photos: int
    score_photos: int

    def list_changes(self) -> dict[str, dict[str, float]]:
        """Return new thresholds by section of `classify` and short name, sorted by key."""
        changes: dict[str, dict[str, float]] = {f"{level}_threshold": {} for level in LEVELS}
        for key, choice in sorted(self.choices.items()):
            if choice.is_new:
                changes[f"{choice.level}_threshold"][label_name(key)] = choice.active
        return changes


def tune_thresholds(settings: Settings, aim: Aim) -> Tuning:
    """Propose a threshold for each attribute and object, except those that follow a rule.

    Raises:
        InputError: the probabilities, the splits or people's files are missing or damaged.
        ConfigurationError: a current threshold names a label that is not in the taxonomy.
    """
    paths, taxonomy, classify = settings.paths, settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    memberships, scores = read_splits(paths.splits), read_scores(paths.probabilities)
    library = apply_temperatures(scores, taxonomy, classify.temperature)
    tune = read_measured_sample(paths.human, taxonomy, memberships, "tune")
    score = read_measured_sample(paths.human, taxonomy, memberships, "score").records
    half = read_measured_half(tune.records, library, memberships, taxonomy)
    choices = _list_choices(half, taxonomy, classify)
    judged = [key for key, choice in choices.items() if not choice.reason]
    active = {key: choice.current for key, choice in choices.items()}
    search = _Search(
        half=half,
        aim=aim,
        library=library,
        is_covered=find_covered(library.image_ids, memberships, tune),
        prevalence=half.estimate_prevalence(judged, settings.evaluate),
        active=active,
        by_fold=dict.fromkeys(half.folds.tolist(), active),
    )
    # From the leaves up, because a label implies all its ancestors regardless of their thresholds.
    for key in sorted(judged, key=lambda key: (-key.count("."), key)):
        choices[key] = search.judge(key, choices[key])
    scored = read_measured_half(score, library, memberships, taxonomy)
    ids = [record.image_id for record in score]

    def measure(rules: Classify) -> dict[str, LabelScores]:
        table = decide_labels(scores, taxonomy, rules)
        rows, keys = find_rows(table.image_ids, ids), [*choices]
        values = take_columns(table.value, table.keys, rows, keys, np.int8(UNJUDGED))
        return {
            key: scored.measure_decisions(key, column) for key, column in zip(keys, values.T, strict=True)
        }

    return Tuning(
        choices=choices,
        scored_now=measure(classify),
        scored_then=measure(_apply(choices, classify)),
        tune_photos=len(tune.records),
        score_photos=len(score),
    )


@dataclass(slots=True)
class _Search:
    """The search for thresholds, label by label; each uses the earlier proposals.

    Attributes:
        half: the photos for tuning.
        aim: what a threshold is optimised for.
        library: the scores of all photos.
        is_covered: bool [photos], those that the tune half represents.
        prevalence: people's interval of the share of photos that have each label.
        active: the thresholds so far, including proposals.
        by_fold: the same for each fold's photos; proposals are tuned without that fold.
    """

    half: MeasuredHalf
    aim: Aim
    library: ScoreTable
    is_covered: Bools
    prevalence: Mapping[str, Interval]
    active: Thresholds
    by_fold: Mapping[int, Thresholds]

    def judge(self, key: str, choice: Choice) -> Choice:
        """Return the choice for one label; a proposal is used for the following labels."""
        best = self.half.find_threshold(key, self.aim, self.active)
        if best is None:
            return replace(choice, reason=f"no threshold reaches {self.aim}")
        if best == choice.current:
            return replace(choice, reason="the current threshold is the best")
        active, by_fold = {**self.active, key: best}, self._tune_by_fold(key, choice.current)
        is_labelled = decide(self.library.probability, self.library.keys, key, active)
        trial = Trial(
            threshold=best,
            now=self.half.measure(key, self.by_fold),
            cross_validated=self.half.measure(key, by_fold),
            in_sample=self.half.measure(key, dict.fromkeys(by_fold, active)),
            share=float(is_labelled[self.is_covered].mean()),
            prevalence=self.prevalence[key],
        )
        reason = self._find_reason_against(key, trial, by_fold)
        if not reason:
            self.active, self.by_fold = active, by_fold
        return replace(choice, trial=trial, reason=reason)

    def _tune_by_fold(self, key: str, current: float) -> Mapping[int, Thresholds]:
        """Return thresholds by fold, with that of `key` tuned without the fold (else the current one)."""
        found = {}
        for fold, thresholds in self.by_fold.items():
            best = self.half.find_threshold(key, self.aim, thresholds, without_fold=fold)
            found[fold] = {**thresholds, key: current if best is None else best}
        return found

    def _find_reason_against(self, key: str, trial: Trial, by_fold: Mapping[int, Thresholds]) -> str:
        """Return why the best threshold is not proposed; empty if it is."""
        figure = self.aim.format
        if self.aim.rank(trial.cross_validated) <= self.aim.rank(trial.now):
            return (
                f"no better in cross-validation: {self.aim.figure_name} {figure(trial.cross_validated)}, "
                f"with the current threshold {figure(trial.now)}"
            )
        for above in (other for other in self.active if key.startswith(f"{other}.")):
            now, then = self.half.measure(above, self.by_fold), self.half.measure(above, by_fold)
            if self.aim.rank(then) < self.aim.rank(now):
                return (
                    f"makes {label_name(above)} worse in cross-validation: {self.aim.figure_name} "
                    f"{figure(then)}, now {figure(now)}"
                )
        interval = trial.prevalence
        if interval.reason:
            return f"people's measurements give no interval of the share that has it ({interval.reason})"
        if not self.aim.fits(trial.share, interval.low, interval.high):
            return (
                f"would label {trial.share:.1%} of the library, but by people's measurements "
                f"{interval.low:.1%} to {interval.high:.1%} have it"
            )
        return ""


def _list_choices(half: MeasuredHalf, taxonomy: Taxonomy, classify: Classify) -> dict[str, Choice]:
    """Return every label that a threshold decides, with the reason if no better one can be searched."""
    choices = {}
    for level in LEVELS:
        thresholds = classify.attribute_threshold if level == "attribute" else classify.object_threshold
        keys = head_keys(taxonomy, level)
        names = Counter(map(label_name, keys))
        for key in keys:
            name = label_name(key)
            if level == "attribute" and name in classify.attribute_from_scene:
                continue
            positives, negatives = half.count(key)
            reason = ""
            if names[name] > 1:
                reason = f"another label is called {name} too, and shares its threshold"
            elif min(positives, negatives) < MIN_EXAMPLES:
                reason = TOO_FEW
            current = thresholds.get(name, thresholds["default"])
            choices[key] = Choice(level, current, positives, reason=reason)
    return choices


def find_covered(
    image_ids: Sequence[str], memberships: Mapping[str, Membership], tune: MeasuredSample
) -> Bools:
    """Return bool [photos]: those in strata from which at least one photo of the tune half counts."""
    known = (memberships.get(image_id) for image_id in image_ids)
    is_covered = (
        one is not None and (one.stratum or NOT_DRAWN) not in tune.unmeasured_strata for one in known
    )
    return np.fromiter(is_covered, np.bool_, len(image_ids))


def _apply(choices: Mapping[str, Choice], classify: Classify) -> Classify:
    """Return the configuration with every choice applied."""

    def override(thresholds: dict[str, float], level: Level) -> dict[str, float]:
        mine = {label_name(key): choice.active for key, choice in choices.items() if choice.level == level}
        return thresholds | mine

    return msgspec.structs.replace(
        classify,
        attribute_threshold=override(classify.attribute_threshold, "attribute"),
        object_threshold=override(classify.object_threshold, "object"),
    )
