"""What each label is worth on audited photos, one by one: precision, recall and F1.

Which thresholds to take: proposals for every attribute and object, and what each is worth.

A label's threshold is tuned on the `tune` half of the audited photos, or, where too few of them show it, on
what the teacher says of the training photos. What it is worth is told for both halves of the audited photos;
the `score` half decides nothing here, so its figures are honest.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from vibe_photos.classify.stage import check_names, decide_labels
from vibe_photos.human_truth.audited import read_audited_truth
from vibe_photos.records.ground_truth import GroundTruth
from vibe_photos.records.label_tables import LabelTable, ScoreTable, read_scores
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.records.taxonomy import head_keys, label_name
from vibe_photos.settings import Classify, Settings, Taxonomy
from vibe_photos.statistics import metrics
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.opinions import opinions_of_labels, opinions_of_records, read_keys, with_parents
from vibe_photos.thresholds.evidence import (
    OF_PEOPLE,
    Evidence,
    EvidenceName,
    evidence_of_people,
    evidence_of_teacher,
    take_half,
)
from vibe_photos.thresholds.sweep import MIN_EXAMPLES, Aim, find_threshold, sweep_thresholds


@dataclass(frozen=True, slots=True)
class Worth:
    """Precision, recall and F1 of one label in 0..1, by the definitions of evaluation; None over nothing."""

    precision: float | None
    recall: float | None
    f1: float | None


def measure_worth(
    records: Sequence[GroundTruth],
    table: LabelTable,
    memberships: Mapping[str, Membership],
    taxonomy: Taxonomy,
) -> dict[str, Worth]:
    """Return the worth of every attribute and object key of a label table on audited photos.

    An object's ancestors are true with it. A photo without a judgement asserts nothing.
    """
    keys = read_keys(taxonomy)
    truth = opinions_of_records(records, keys)
    said = opinions_of_labels(table, [record.image_id for record in records], keys)
    weights = read_design(records, memberships).weights
    y_true = np.column_stack([truth.attributes, with_parents(truth.objects, keys.object)])
    y_pred = np.column_stack([said.attributes, said.objects])
    figures = (metrics.precision, metrics.recall, metrics.f1)
    return {
        key: Worth(*(figure(y_true[:, column], y_pred[:, column]).value(weights) for figure in figures))
        for column, key in enumerate([*keys.attribute, *keys.object])
    }


def keep_photos(scores: ScoreTable, records: Sequence[GroundTruth]) -> ScoreTable:
    """Return the scores of these records' photos alone: a library has many more."""
    wanted = {record.image_id for record in records}
    rows = [row for row, image_id in enumerate(scores.image_ids) if image_id in wanted]
    return ScoreTable(
        [scores.image_ids[row] for row in rows],
        scores.keys,
        *(values[rows] for values in (scores.head_logit, scores.probability, scores.prompt_margin)),
    )


Level = Literal["attribute", "object"]
"""The heads whose labels a threshold decides."""

LEVELS: tuple[Level, ...] = ("attribute", "object")


@dataclass(frozen=True, slots=True)
class Choice:
    """What is proposed for one label: a threshold, or None and the `reason`.

    `current` is the threshold in use. `source` is what the new one was tuned on, and `positives` how many
    photos of it show the label; without a source, the most that any has.
    """

    level: Level
    current: float
    threshold: float | None = None
    source: EvidenceName | None = None
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
    """Choices by label key, and each label's worth on audited photos.

    `before` and `after` the proposals on the tune half (`tune_photos` of them), `scored` after them on the
    score half (`score_photos`).
    """

    choices: dict[str, Choice]
    before: dict[str, Worth]
    after: dict[str, Worth]
    scored: dict[str, Worth]
    tune_photos: int
    score_photos: int

    @property
    def is_decided_by_people(self) -> bool:
        """Whether audited photos decided a threshold that differs from the one in use."""
        return any(choice.is_new and choice.source == OF_PEOPLE for choice in self.choices.values())


def tune_thresholds(settings: Settings, aim: Aim) -> Tuning:
    """Propose a threshold for each attribute and object that a threshold decides.

    Raises:
        InputError: the probabilities, the splits or an out-of-fold file are missing or damaged.
        ConfigurationError: a threshold in use names a label that is not in the taxonomy.
    """
    paths, taxonomy, classify = settings.paths, settings.taxonomy, settings.classify
    check_names(taxonomy, classify)
    memberships = read_splits(paths.splits)
    audited = read_audited_truth(paths.human, taxonomy)
    scores = keep_photos(read_scores(paths.probabilities), audited)
    tune, score = (take_half(audited, memberships, half) for half in ("tune", "score"))
    people = evidence_of_people(tune, scores, memberships, taxonomy)
    choices: dict[str, Choice] = {}
    for level in LEVELS:
        sources = [people, evidence_of_teacher(paths.models, level)]
        choices |= _choose(level, sources, taxonomy, classify, aim)

    def measure(records: Sequence[GroundTruth], rules: Classify) -> dict[str, Worth]:
        return measure_worth(records, decide_labels(scores, taxonomy, rules), memberships, taxonomy)

    tuned = _adopt(choices, classify)
    return Tuning(
        choices=choices,
        before=measure(tune, classify),
        after=measure(tune, tuned),
        scored=measure(score, tuned),
        tune_photos=len(tune),
        score_photos=len(score),
    )


def changed_thresholds(tuning: Tuning, level: Level) -> dict[str, float]:
    """Return the proposals that differ from what is in use, by short name, sorted."""
    return {
        label_name(key): choice.in_force
        for key, choice in sorted(tuning.choices.items())
        if choice.level == level and choice.is_new
    }


def _choose(
    level: Level, sources: Sequence[Evidence], taxonomy: Taxonomy, classify: Classify, aim: Aim
) -> dict[str, Choice]:
    """Choose from the leaves up: a label above others is asserted with them, whatever its own threshold."""
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
    key: str, current: Choice, sources: Sequence[Evidence], in_force: Mapping[str, float], aim: Aim
) -> Choice:
    examples = {source.name: source.examples(key) for source in sources}
    evidence = next((source for source in sources if min(examples[source.name]) >= MIN_EXAMPLES), None)
    if evidence is None:
        most = max(positives for positives, _ in examples.values())
        return replace(
            current, positives=most, reason=f"fewer than {MIN_EXAMPLES} photos show it, or lack it"
        )
    found = find_threshold(sweep_thresholds(*evidence.column(key, in_force)), aim)
    return replace(
        current,
        threshold=found,
        source=evidence.name,
        positives=examples[evidence.name][0],
        reason=f"no threshold reaches {aim}" if found is None else "",
    )


def _adopt(choices: Mapping[str, Choice], classify: Classify) -> Classify:
    """Return the rules with every choice in force."""

    def lay_over(thresholds: dict[str, float], level: Level) -> dict[str, float]:
        mine = {label_name(key): choice.in_force for key, choice in choices.items() if choice.level == level}
        return thresholds | mine

    return msgspec.structs.replace(
        classify,
        attribute_threshold=lay_over(classify.attribute_threshold, "attribute"),
        object_threshold=lay_over(classify.object_threshold, "object"),
    )
