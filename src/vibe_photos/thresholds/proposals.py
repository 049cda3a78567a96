"""Propose a threshold for every attribute and object, and measure it on audited photos.

A label's threshold is tuned on the `tune` half of the audited photos, or, where too few of them show it, on
the teacher's labels of the training photos. Its precision, recall and F1 are shown for both halves of the
audited photos; the `score` half decides nothing here, so its figures are unbiased.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.classify.stage import decide_labels
from vibe_photos.heads.out_of_fold import read_out_of_fold
from vibe_photos.human_truth.sample import read_measured_sample
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable, ScoreTable, read_scores
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.records.taxonomy_check import check_names
from vibe_photos.settings import Classify, Settings, Taxonomy
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.label_arrays import (
    arrays_of_records,
    find_rows,
    judge_photos,
    read_keys,
    take_columns,
    with_parents,
)
from vibe_photos.statistics.metrics import Flags, Floats, precision_recall_f1
from vibe_photos.thresholds.sweep import MIN_EXAMPLES, Aim, count_examples, find_threshold, sweep_thresholds

ExamplesName = Literal["people", "teacher"]
"""`people`: the tune half of the audited photos. `teacher`: its labels of the training photos."""

Level = Literal["attribute", "object"]
"""The heads whose labels a threshold decides."""

LEVELS: tuple[Level, ...] = ("attribute", "object")


@dataclass(frozen=True, slots=True)
class Examples:
    """Truth and scores of n photos on which thresholds are tuned.

    Attributes:
        name: whose truth it is, and of which photos.
        keys: attribute and object keys, the columns.
        y_true: int8 [n, keys]: 1, 0, or -1 for not judged; an object's ancestors are true with it.
        y_score: float64 [n, keys] in 0..1, NaN where there is no score.
        weights: float64 [n].
    """

    name: ExamplesName
    keys: list[str]
    y_true: Flags
    y_score: Floats
    weights: Floats

    def count(self, key: str) -> tuple[int, int]:
        """Return the number of scored photos on which the label is true, and on which it is false."""
        if key not in self.keys:
            return 0, 0
        column = self.keys.index(key)
        return count_examples(self.y_true[:, column], self.y_score[:, column])

    def find_threshold(self, key: str, aim: Aim, thresholds: Mapping[str, float]) -> float | None:
        """Return the best threshold for one label, None where no threshold reaches the aim.

        `thresholds` are those of the labels below it in the tree, by key: a photo that has one of these has
        the label as well, whatever its own score.
        """
        column = self.keys.index(key)
        score = self.y_score[:, column].copy()
        for below, threshold in thresholds.items():
            if below.startswith(f"{key}.") and below in self.keys:
                score[self.y_score[:, self.keys.index(below)] >= threshold] = 1.0
        return find_threshold(sweep_thresholds(self.y_true[:, column], score, self.weights), aim)


@dataclass(frozen=True, slots=True)
class LabelScores:
    """Precision, recall and F1 of one label in 0..1, as `evaluate` defines them; None over nothing."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The proposal for one label: a threshold, or None and the `reason`.

    `current` is the threshold in use. `source` is what the new one was tuned on, and `positives` how many
    photos of it show the label; without a source, the most that any has.
    """

    level: Level
    current: float
    threshold: float | None = None
    source: ExamplesName | None = None
    positives: int = 0
    reason: str = ""

    @property
    def in_force(self) -> float:
        """The proposed threshold, else the current one."""
        return self.current if self.threshold is None else self.threshold

    @property
    def is_new(self) -> bool:
        """Whether another threshold than the current one is proposed."""
        return self.in_force != self.current


@dataclass(frozen=True, slots=True)
class Tuning:
    """Choices by label key, and each label's scores on audited photos.

    `before` and `after` the proposals on the tune half (`tune_photos` of them), `scored` after them on the
    score half (`score_photos`).
    """

    choices: dict[str, Choice]
    before: dict[str, LabelScores]
    after: dict[str, LabelScores]
    scored: dict[str, LabelScores]
    tune_photos: int
    score_photos: int

    @property
    def is_decided_by_people(self) -> bool:
        """Whether audited photos decided a threshold that differs from the one in use."""
        return any(choice.is_new and choice.source == "people" for choice in self.choices.values())

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
        InputError: the probabilities, the splits or an out-of-fold file are missing or damaged.
        ConfigurationError: a threshold in use names a label that is not in the taxonomy.
    """
    paths, taxonomy, classify = settings.paths, settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    memberships = read_splits(paths.splits)
    tune, score = (
        read_measured_sample(paths.human, taxonomy, memberships, half).records for half in ("tune", "score")
    )
    measured = {record.image_id for record in (*tune, *score)}
    scores = _keep_photos(read_scores(paths.probabilities), measured)
    people = _examples_of_people(tune, scores, memberships, taxonomy)
    choices: dict[str, Choice] = {}
    for level in LEVELS:
        out_of_fold = read_out_of_fold(paths.models, level)
        teacher = Examples(
            name="teacher",
            keys=out_of_fold.labels,
            y_true=out_of_fold.y,
            y_score=out_of_fold.probabilities.astype(np.float64),
            weights=np.ones(len(out_of_fold.image_ids)),
        )
        choices |= _choose(level, [people, teacher], taxonomy, classify, aim)

    def measure(records: Sequence[GroundTruth], rules: Classify) -> dict[str, LabelScores]:
        return score_labels(records, decide_labels(scores, taxonomy, rules), memberships, taxonomy)

    tuned = _apply(choices, classify)
    return Tuning(
        choices=choices,
        before=measure(tune, classify),
        after=measure(tune, tuned),
        scored=measure(score, tuned),
        tune_photos=len(tune),
        score_photos=len(score),
    )


def score_labels(
    records: Sequence[GroundTruth],
    table: LabelTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> dict[str, LabelScores]:
    """Return the scores of every attribute and object key of a label table on audited photos.

    An object's ancestors are true with it. A photo without a label is a negative prediction.
    """
    photos = judge_photos(records, memberships, table, taxonomy)
    truth, prediction, keys = photos.truth, photos.prediction, photos.keys
    y_true = np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)])
    y_pred = np.column_stack([prediction.attributes, prediction.objects])
    found = {}
    for column, key in enumerate([*keys.attribute, *keys.object]):
        ratios = precision_recall_f1(y_true[:, column], y_pred[:, column])
        found[key] = LabelScores(**{name: r.value(photos.design.weights) for name, r in ratios.items()})
    return found


def _keep_photos(scores: ScoreTable, wanted: set[str]) -> ScoreTable:
    """Return the scores of some photos: a library has many more."""
    rows = [row for row, image_id in enumerate(scores.image_ids) if image_id in wanted]
    arrays = (scores.head_logit, scores.probability, scores.prompt_margin)
    kept = [scores.image_ids[row] for row in rows]
    return ScoreTable(kept, scores.keys, *(values[rows] for values in arrays))


def _examples_of_people(
    records: Sequence[GroundTruth],
    scores: ScoreTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> Examples:
    """Join audited records with the scores of their photos; photos weigh as in evaluation."""
    keys = read_keys(taxonomy)
    truth, columns = arrays_of_records(records, keys), [*keys.attribute, *keys.object]
    rows = find_rows(scores.image_ids, [record.image_id for record in records])
    return Examples(
        name="people",
        keys=columns,
        y_true=np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)]),
        y_score=take_columns(scores.probability, scores.keys, rows, columns, np.float64(np.nan)),
        weights=read_design(records, memberships).weights,
    )


def _choose(
    level: Level, sources: Sequence[Examples], taxonomy: Taxonomy, classify: Classify, aim: Aim
) -> dict[str, Choice]:
    """Choose from the leaves up: a photo with a label has all labels above it, whatever their thresholds."""
    thresholds = classify.attribute_threshold if level == "attribute" else classify.object_threshold
    keys = head_keys(taxonomy, level)
    names = Counter(map(label_name, keys))
    choices: dict[str, Choice] = {}
    for key in sorted(keys, key=lambda key: (-key.count("."), key)):
        name = label_name(key)
        if level == "attribute" and name in classify.attribute_from_scene:
            continue
        current = Choice(level, thresholds.get(name, thresholds["default"]))
        in_force = {other: choice.in_force for other, choice in choices.items()}
        choices[key] = (
            _choose_one(key, current, sources, in_force, aim)
            if names[name] == 1
            else replace(current, reason=f"another label is called {name} too, and shares its threshold")
        )
    return dict(sorted(choices.items()))


def _choose_one(
    key: str, current: Choice, sources: Sequence[Examples], in_force: Mapping[str, float], aim: Aim
) -> Choice:
    counts = {source.name: source.count(key) for source in sources}
    examples = next((source for source in sources if min(counts[source.name]) >= MIN_EXAMPLES), None)
    if examples is None:
        most = max(positives for positives, _ in counts.values())
        reason = f"fewer than {MIN_EXAMPLES} photos show it, or lack it"
        return replace(current, positives=most, reason=reason)
    found = examples.find_threshold(key, aim, in_force)
    return replace(
        current,
        threshold=found,
        source=examples.name,
        positives=counts[examples.name][0],
        reason=f"no threshold reaches {aim}" if found is None else "",
    )


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
