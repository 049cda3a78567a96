"""Propose a threshold for every attribute and object, where people's measured photos show that it helps.

A label's best threshold is found on the `tune` half of what people measured, and proposed where
- enough photos of it show the label, and enough lack it;
- by cross-validation inside that half (`tune_half`) it makes people's figures of this label better, and those
  of no label above it in the tree worse: where it makes no difference, the current threshold stays;
- the share of the library that would get the label lies in people's interval of the share that has it.

The teacher's answers choose no threshold: where a label is rare, too few measured photos show it to tell how
often the teacher errs about it. The `score` half decides nothing either, so its figures are unbiased.

A current threshold that was itself tuned on these photos is flattered by them, and so the harder to replace.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.classify.stage import decide_labels
from vibe_photos.human_truth.sample import NOT_DRAWN, MeasuredSample, read_measured_sample
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable, ScoreTable, read_scores
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.settings import Classify, Settings, Taxonomy
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.label_arrays import judge_photos, with_parents
from vibe_photos.statistics.metrics import Bools
from vibe_photos.thresholds.sweep import MIN_EXAMPLES, Aim, LabelScores, measure_label
from vibe_photos.thresholds.tune_half import Thresholds, TuneHalf, decide, read_tune_half

Level = Literal["attribute", "object"]
"""The heads whose labels a threshold decides."""

LEVELS: tuple[Level, ...] = ("attribute", "object")

TOO_FEW = f"fewer than {MIN_EXAMPLES} photos of the tune half show it, or lack it"


@dataclass(frozen=True, slots=True)
class Trial:
    """How the best threshold does on the tune half, and in the library.

    Attributes:
        threshold: the best on the whole tune half.
        now: scores of the current threshold.
        crossed: scores of the best one, by cross-validation.
        in_sample: its scores on the very photos that chose it.
        share: share of the library that would get the label, 0..1.
        prevalence: people's interval of the share that has it.
    """

    threshold: float
    now: LabelScores
    crossed: LabelScores
    in_sample: LabelScores
    share: float
    prevalence: Interval


@dataclass(frozen=True, slots=True)
class Choice:
    """What becomes of one label's threshold.

    Attributes:
        level: the head.
        current: the threshold in use.
        positives: how many photos of the tune half show the label.
        trial: the best threshold, if another one than the current one was found.
        reason: why there is no proposal; empty where there is one.
    """

    level: Level
    current: float
    positives: int = 0
    trial: Trial | None = None
    reason: str = ""

    @property
    def in_force(self) -> float:
        """The proposed threshold, else the current one."""
        return self.current if self.trial is None or self.reason else self.trial.threshold

    @property
    def is_new(self) -> bool:
        """Whether another threshold than the current one is proposed."""
        return self.in_force != self.current


@dataclass(frozen=True, slots=True)
class Tuning:
    """Choices by label key; each label's scores on the score half before the proposals and after them.

    `tune_photos` and `score_photos` are how many photos the halves have.
    """

    choices: dict[str, Choice]
    scored_now: dict[str, LabelScores]
    scored_then: dict[str, LabelScores]
    tune_photos: int
    score_photos: int

    def changed(self, level: Level) -> dict[str, float]:
        """Return the proposals that differ from what is in use, by short name, sorted by key."""
        return {
            label_name(key): choice.in_force
            for key, choice in sorted(self.choices.items())
            if choice.level == level and choice.is_new
        }


def tune_thresholds(settings: Settings, aim: Aim) -> Tuning:
    """Propose a threshold for each attribute and object that a threshold decides.

    Raises:
        InputError: the probabilities, the splits or people's files are missing or damaged.
        ConfigurationError: a threshold in use names a label that is not in the taxonomy.
    """
    paths, taxonomy, classify = settings.paths, settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    memberships, library = read_splits(paths.splits), read_scores(paths.probabilities)
    tune = read_measured_sample(paths.human, taxonomy, memberships, "tune")
    score = read_measured_sample(paths.human, taxonomy, memberships, "score").records
    half = read_tune_half(tune.records, library, memberships, taxonomy)
    choices = _list_choices(half, taxonomy, classify)
    judged = [key for key, choice in choices.items() if not choice.reason]
    in_force = {key: choice.current for key, choice in choices.items()}
    search = _Search(
        half=half,
        aim=aim,
        library=library,
        speaks_for=find_spoken_for(library.image_ids, memberships, tune),
        prevalence=half.estimate_prevalence(judged, settings.evaluate),
        in_force=in_force,
        by_fold=dict.fromkeys(half.folds.tolist(), in_force),
    )
    # From the leaves up: a photo with a label has all labels above it, whatever their thresholds.
    for key in sorted(judged, key=lambda key: (-key.count("."), key)):
        choices[key] = search.judge(key, choices[key])
    scores = _keep_photos(library, {record.image_id for record in score})

    def measure(rules: Classify) -> dict[str, LabelScores]:
        return score_labels(score, decide_labels(scores, taxonomy, rules), memberships, taxonomy)

    return Tuning(
        choices=choices,
        scored_now=measure(classify),
        scored_then=measure(_apply(choices, classify)),
        tune_photos=len(tune.records),
        score_photos=len(score),
    )


def score_labels(
    records: Sequence[GroundTruth],
    table: LabelTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> dict[str, LabelScores]:
    """Return the scores of every attribute and object key of a label table on measured photos.

    An object's ancestors are true with it. A photo without a label is a negative prediction.
    """
    photos = judge_photos(records, memberships, table, taxonomy)
    truth, prediction, keys = photos.truth, photos.prediction, photos.keys
    y_true = np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)])
    y_pred = np.column_stack([prediction.attributes, prediction.objects])
    return {
        key: measure_label(y_true[:, column], y_pred[:, column], photos.design.weights)
        for column, key in enumerate([*keys.attribute, *keys.object])
    }


@dataclass(slots=True)
class _Search:
    """The search for thresholds, label by label, each on top of the proposals before it.

    Attributes:
        half: the photos that decide.
        aim: what a threshold shall be best for.
        library: the scores of all photos.
        speaks_for: bool [photos], those for which the tune half speaks.
        prevalence: people's interval of the share of photos that have each label.
        in_force: the thresholds so far, proposals among them.
        by_fold: the same for each fold's photos; proposals are found again without that fold.
    """

    half: TuneHalf
    aim: Aim
    library: ScoreTable
    speaks_for: Bools
    prevalence: Mapping[str, Interval]
    in_force: Thresholds
    by_fold: Mapping[int, Thresholds]

    def judge(self, key: str, choice: Choice) -> Choice:
        """Return the choice for one label; a proposal is in force for those that follow."""
        best = self.half.find_threshold(key, self.aim, self.in_force)
        if best is None:
            return replace(choice, reason=f"no threshold reaches {self.aim}")
        if best == choice.current:
            return replace(choice, reason="the current threshold is the best")
        in_force, by_fold = {**self.in_force, key: best}, self._tune_by_fold(key, choice.current)
        is_labelled = decide(self.library.probability, self.library.keys, key, in_force)
        trial = Trial(
            threshold=best,
            now=self.half.measure(key, self.by_fold),
            crossed=self.half.measure(key, by_fold),
            in_sample=self.half.measure(key, dict.fromkeys(by_fold, in_force)),
            share=float(is_labelled[self.speaks_for].mean()),
            prevalence=self.prevalence[key],
        )
        reason = self._find_objection(key, trial, by_fold)
        if not reason:
            self.in_force, self.by_fold = in_force, by_fold
        return replace(choice, trial=trial, reason=reason)

    def _tune_by_fold(self, key: str, current: float) -> Mapping[int, Thresholds]:
        """Return thresholds with one for `key` found without each fold; where none is, it is the current."""
        found = {}
        for fold, thresholds in self.by_fold.items():
            best = self.half.find_threshold(key, self.aim, thresholds, without_fold=fold)
            found[fold] = {**thresholds, key: current if best is None else best}
        return found

    def _find_objection(self, key: str, trial: Trial, by_fold: Mapping[int, Thresholds]) -> str:
        """Return why the best threshold is not proposed; empty where nothing speaks against it."""
        figure = self.aim.format
        if self.aim.rank(trial.crossed) <= self.aim.rank(trial.now):
            return (
                f"no better in cross-validation: {self.aim.figure_name} {figure(trial.crossed)}, "
                f"with the current threshold {figure(trial.now)}"
            )
        for above in (other for other in self.in_force if key.startswith(f"{other}.")):
            now, then = self.half.measure(above, self.by_fold), self.half.measure(above, by_fold)
            if self.aim.rank(then) < self.aim.rank(now):
                return (
                    f"makes {label_name(above)} worse in cross-validation: {self.aim.figure_name} "
                    f"{figure(then)}, now {figure(now)}"
                )
        interval = trial.prevalence
        if interval.reason:
            return f"people's photos give no interval of the share that has it ({interval.reason})"
        if not self.aim.fits(trial.share, interval.low, interval.high):
            return (
                f"would label {trial.share:.1%} of the library; by what people measured "
                f"{interval.low:.1%} to {interval.high:.1%} have it"
            )
        return ""


def _list_choices(half: TuneHalf, taxonomy: Taxonomy, classify: Classify) -> dict[str, Choice]:
    """Return every label that a threshold decides, with the reason where none can be looked for."""
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


def find_spoken_for(
    image_ids: Sequence[str], memberships: Mapping[str, Membership], tune: MeasuredSample
) -> Bools:
    """Return bool [photos]: those of the library but for strata in which nothing counts yet."""
    known = (memberships.get(image_id) for image_id in image_ids)
    spoken_for = (
        one is not None and (one.stratum or NOT_DRAWN) not in tune.unmeasured_strata for one in known
    )
    return np.fromiter(spoken_for, np.bool_, len(image_ids))


def _keep_photos(scores: ScoreTable, wanted: set[str]) -> ScoreTable:
    """Return the scores of some photos: a library has many more."""
    rows = [row for row, image_id in enumerate(scores.image_ids) if image_id in wanted]
    arrays = (scores.head_logit, scores.probability, scores.prompt_margin)
    kept = [scores.image_ids[row] for row in rows]
    return ScoreTable(kept, scores.keys, *(values[rows] for values in arrays))


def _apply(choices: Mapping[str, Choice], classify: Classify) -> Classify:
    """Return the rules with every choice in force."""

    def lay_over(thresholds: dict[str, float], level: Level) -> dict[str, float]:
        mine = {label_name(key): choice.in_force for key, choice in choices.items() if choice.level == level}
        return thresholds | mine

    return msgspec.structs.replace(
        classify,
        attribute_threshold=lay_over(classify.attribute_threshold, "attribute"),
        object_threshold=lay_over(classify.object_threshold, "object"),
    )
