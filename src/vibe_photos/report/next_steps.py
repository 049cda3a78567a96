"""What would help most: the next steps by expected gain, the causes of errors, and learning curves.

Gains are of F1 (for scenes: of the share that is right), measured out of fold against the teacher's answers
by stage `train`: its learning curves, and its error budget (by how much F1 changes if one thing does). The
loss from added errors and the teacher's measured error rate give the gain from right answers (linear SIMEX).
In the ranked steps, gains are against the truth (`scale_to_truth`). Each is for one change: gains overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log

from vibe_photos.records.photos import say_count
from vibe_photos.records.taxonomy import head_keys, label_name, show_name
from vibe_photos.report.sources import Sources
from vibe_photos.report.tables import Cell, Row, format_share
from vibe_photos.settings import HeadName, Taxonomy
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.summary import Figures, explain_no_interval, read_interval
from vibe_photos.statistics.suspects import find_suspects

HEAD_NAMES = {"scene": "Scenes", "attribute": "Attributes", "object": "Objects"}

RANKED_HEADS: tuple[HeadName, ...] = ("scene", "attribute")

SHARE_OF_SUSPECTS_WRONG = 0.5
"""About this share of the suspects are wrong answers (docs/REAL_PHOTOS.md)."""

NOISE = 0.1
"""The share of labels that stage `train` makes wrong for its error budget (a test compares the numbers)."""

REVIEWED_PER_HOUR = 200


@dataclass(frozen=True, slots=True)
class Estimate:
    """A gain (by how much an F1 rises) or an error rate, with its interval."""

    value: float
    low: float
    high: float

    def times(self, factor: float, *factor_interval: float) -> "Estimate":
        """Return the estimate times a factor, which may have an interval of its own."""
        ends = [end * one for end in (self.low, self.high) for one in factor_interval or (factor,)]
        return Estimate(self.value * factor, min(ends), max(ends))

    def __str__(self) -> str:
        """Return it in percentage points, such as "+1.2 (0.3 to 2.0)"; a dash if there is none."""
        if self == NO_GAIN:
            return "–"
        return f"{_points(self.value)} ({_points(self.low, '-')} to {_points(self.high, '-')})"


NO_GAIN = Estimate(0.0, 0.0, 0.0)


TeacherErrors = Mapping[str, Estimate]
"""Shares of the true labels of a head that the teacher gets wrong, with intervals, by kind of error.

For scenes `confused`; for attributes `missed` and `invented`, both as shares of those that are true.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to do next: what it gains for scenes and attributes, and what it costs."""

    name: str
    how: str
    cost: str
    scenes: Estimate
    attributes: Estimate

    @property
    def gain(self) -> Estimate:
        """The mean of both, by which steps are ranked. Its interval is the mean of theirs, so rather wide."""
        return _add_up([self.scenes, self.attributes]).times(0.5)


def find_teacher_errors(teacher: Figures, keys: Sequence[str]) -> dict[str, TeacherErrors]:
    """Return the teacher's error rates by head, from `data/eval/teacher/metrics.json`.

    Args:
        teacher: the metrics of stage `agreement`.
        keys: short names of the attributes to count.
    """
    errors: dict[str, TeacherErrors] = {}
    scene = teacher["scene"]
    if scene["accuracy"] is not None:
        errors["scene"] = {"confused": _complement(scene, "accuracy")}
    rows = [teacher["attributes"][key] for key in keys if key in teacher["attributes"]]
    rows = [row for row in rows if row["positives"] and row["recall"] and row["precision"]]
    if rows:
        true = sum(row["positives"] for row in rows)
        missed, invented = [], []
        for row in rows:
            weight = row["positives"] / true
            missed.append(_complement(row, "recall").times(weight))
            # False positives / true labels = recall / precision * (1 - precision).
            wrong = _complement(row, "precision")
            invented.append(wrong.times(weight * (row["recall"] / row["precision"])))
        errors["attribute"] = {"missed": _add_up(missed), "invented": _add_up(invented)}
    return errors


def gain_of_right_answers(budget: Figures, errors: TeacherErrors) -> Estimate:
    """Return the gain of a row of the error budget if the teacher were always right."""
    parts = []
    for kind, rate in errors.items():
        loss = read_change(budget, kind).times(-1 / NOISE)
        floor = Estimate(*(max(0.0, one) for one in (loss.value, loss.low, loss.high)))
        parts.append(floor.times(rate.value, rate.low, rate.high))
    return _add_up(parts)


def scale_to_truth(head: HeadName, figures: Figures, errors: TeacherErrors) -> tuple[float, float, float]:
    """Return by what factor a gain of F1 against the truth is larger than against the teacher's labels.

    Random errors of the teacher hide a part of each gain. If a share c of k scenes is confused, a gain of
    accuracy shows only 1 - c k / (k - 1) of it. If a share m of true labels is missed and q of the false ones
    invented, a gain in hits shows 1 - m - q of it (Natarajan et al. 2013, "Learning with noisy labels", lemma
    1); F1 divides the hits by the labels given and true, and about as many are given as the teacher gave.
    Nothing is divided by less than 0.5, as the error rates are uncertain: the factor is at most 2.

    Args:
        head: the head that the figures are of.
        figures: its metrics of stage `train`.
        errors: the teacher's error rates for it.

    Returns:
        The factor, and its ends if all error rates are at the ends of their intervals.
    """

    def factor(end: str) -> float:
        rate: dict[str, float] = {kind: getattr(estimate, end) for kind, estimate in errors.items()}
        if head == "scene":
            k = len(figures["learnt"])
            share_shown = 1.0 - rate["confused"] * k / max(1, k - 1)
        else:
            m, given = rate["missed"], _count_true(head, figures)
            true = given / max(0.5, 1.0 - m + rate["invented"])
            q = rate["invented"] * true / max(1.0, figures["n_train"] * len(figures["learnt"]) - true)
            share_shown = (1.0 - m - q) * (given + true) / max(1, 2 * given)
        return 1.0 / max(0.5, share_shown)

    return factor("value"), factor("low"), factor("high")


def gain_of_more_answers(head: HeadName, figures: Figures, scale: Sequence[float]) -> Estimate:
    """Return the gain of a head, against the truth, from twice as many answers.

    The learning curve counts only the scenes that are learned. Photos of a scene too rare to be learned are
    never right. With twice as many answers it may be learned. Then a part of them is right: from none to as
    large a part as of the others, on average about half of that (docs/REAL_PHOTOS.md).
    """
    whole = figures["learning_curve"]["rows"][0]
    learned = read_change(whole, "gain").times(*scale)
    rare = sum(row["photos"] for row in figures["not_learnable"]) if head == "scene" else 0
    if not rare or whole["gain"] is None:
        return learned
    share = rare / (figures["n_train"] + rare)
    found = whole["twice"] * share
    return _add_up([learned.times(1.0 - share), Estimate(found / 2, 0.0, found)])


def read_change(row: Figures, name: str) -> Estimate:
    """Return a figure of stage `train` with its interval; `NO_GAIN` if it has none."""
    return NO_GAIN if row[name] is None else Estimate(row[name], *row[f"{name}_interval"])


def rank_steps(
    trained: Mapping[HeadName, Figures],
    errors: Mapping[str, TeacherErrors],
    suspects: Mapping[HeadName, int],
    cost_each: str,
    thresholds_are_tuned: bool,
    is_all_answered: bool,
) -> list[Step]:
    """Return the next steps that make labels better, the largest expected gain first.

    Args:
        trained: by head, the metrics of stage `train`.
        errors: the teacher's error rates by head, as `find_teacher_errors` returns them.
        suspects: by head, how many photos have a suspect answer (probably wrong).
        cost_each: what an answer costs, as text to append to the number of answers.
        thresholds_are_tuned: whether thresholds are no longer 0.5, for which alone the gain is measured.
        is_all_answered: whether no photo of the library is left to ask about.
    """
    more_answers, corrections, thresholds_moved = {}, {}, {}
    for head in RANKED_HEADS:
        figures = trained.get(head) or {}
        curve, budget = figures.get("learning_curve"), figures.get("error_budget")
        rows = budget["rows"] if budget else []
        scale = scale_to_truth(head, figures, errors[head]) if head in errors and figures else (1.0,)
        more_answers[head] = gain_of_more_answers(head, figures, scale) if curve else NO_GAIN
        corrections[head] = thresholds_moved[head] = NO_GAIN
        if rows and head in errors:
            wrong = sum(rate.value for rate in errors[head].values()) * _count_true(head, figures)
            share = suspects.get(head, 0) / max(1.0, wrong)
            right_answers = gain_of_right_answers(rows[0], errors[head])
            corrections[head] = right_answers.times(
                min(1.0, SHARE_OF_SUSPECTS_WRONG * share), 0.0, min(1.0, share)
            )
        if rows and head == "attribute" and not thresholds_are_tuned:
            thresholds_moved[head] = read_change(rows[0], "threshold").times(*scale)
    answers = max((figures["n_train"] for figures in trained.values()), default=0)
    reviewed = max(suspects.values(), default=0)
    hours = reviewed / REVIEWED_PER_HOUR
    steps = [
        Step(
            "Add photos" if is_all_answered else "Ask about twice as many photos",
            "the teacher has answered all of the library: only new photos give more answers"
            if is_all_answered
            else "a larger annotate.budget",
            f"{say_count(answers, 'more answer')}{cost_each}",
            *(more_answers[head] for head in RANKED_HEADS),
        ),
        Step(
            "Correct the answers that are probably wrong",
            "vibe-photos review, under Teach",
            f"{say_count(reviewed)} to review, about {60 * hours:.0f} minutes",
            *(corrections[head] for head in RANKED_HEADS),
        ),
        Step(
            "Choose better thresholds",
            "how sure is sure enough for a label: vibe-photos thresholds",
            "half of the checked photos no longer count in the figures",
            *(thresholds_moved[head] for head in RANKED_HEADS),
        ),
    ]
    return sorted(steps, key=lambda step: -step.gain.value)


def _count_true(head: str, figures: Figures) -> int:
    """Return how many labels of a head's training photos are true; for scenes one a photo."""
    photos: int = figures["n_train"]
    return photos if head == "scene" else sum(row["photos"] for row in figures["learnt"])


def _add_up(parts: Sequence[Estimate]) -> Estimate:
    return Estimate(*(sum(getattr(part, name) for part in parts) for name in ("value", "low", "high")))


def _complement(figures: Figures, name: str) -> Estimate:
    """Return 1 minus a share, with its interval; without one, from 0 to twice its value."""
    value, interval = 1.0 - figures[name], read_interval(figures, name) or Interval(reason="none")
    if interval.reason:
        return Estimate(value, 0.0, min(1.0, 2 * value))
    return Estimate(value, 1.0 - interval.high, 1.0 - interval.low)


@dataclass(frozen=True, slots=True)
class LearningLine:
    """The learning curve of a head or of one label.

    `points` are (x from 0 to 1, F1, low, high), by rising number of answers. `twice` is the point of twice as
    many answers, None if nothing is extrapolated. `now` (F1) and `reason` (why there is no gain) are texts.
    """

    name: str
    points: list[tuple[float, float, float, float]]
    twice: tuple[float, float, float, float] | None
    now: str
    gain: Estimate | None
    reason: str


@dataclass(frozen=True, slots=True)
class LearningCurves:
    """The learning curves of one head: of the whole head, and of its labels, the largest gain first.

    `answers`: photos that a fit learned from at each size; `twice`: twice the present answers.
    """

    name: str
    answers: list[int]
    twice: int
    whole: LearningLine
    labels: list[LearningLine]

    @property
    def rows(self) -> list[Row]:
        """Rows of a table: each label's F1 now, and the gain by twice as many answers."""
        return [
            {
                self.name.lower(): Cell(one.name),
                "F1 now": Cell(one.now),
                "gain in points": Cell(str(one.gain)),
            }
            for one in self.labels
            if one.gain
        ]

    @property
    def others(self) -> dict[str, list[str]]:
        """The labels that have no gain, by the reason why."""
        reasons: dict[str, list[str]] = {}
        for one in self.labels:
            if not one.gain:
                reasons.setdefault(one.reason, []).append(one.name)
        return reasons


def read_learning_curves(metrics: Mapping[str, Figures], taxonomy: Taxonomy) -> list[LearningCurves]:
    """Return the learning curves that stage `train` measured, by head."""
    curves = []
    for head, name in HEAD_NAMES.items():
        found = metrics.get(f"train_{head}", {}).get("learning_curve")
        if found:
            sizes = [*found["answers"], found["twice"]]
            whole, *labels = (_read_line(row, sizes, taxonomy) for row in found["rows"])
            labels.sort(key=lambda one: -one.gain.value if one.gain else 1.0)
            if whole.points:
                curves.append(LearningCurves(name, sizes[:-1], sizes[-1], whole, labels))
    return curves


def read_steps(sources: Sources, teacher: Figures | None) -> list[Step]:
    """Return the next steps by expected gain; none if stage `train` measured no learning curve."""
    settings = sources.settings
    trained = {head: sources.metrics.get(f"train_{head}", {}) for head in RANKED_HEADS}
    if not any(figures.get("learning_curve") for figures in trained.values()):
        return []
    by_rule = settings.classify.attribute_from_scene
    names = [label_name(key) for key in head_keys(settings.taxonomy, "attribute")]
    errors = find_teacher_errors(teacher, [n for n in names if n not in by_rule]) if teacher else {}
    suspects = {
        head: len({one.image_id for one in find_suspects(sources.held_out[head], head).suspects})
        for head in RANKED_HEADS
        if head in sources.held_out
    }
    thresholds = set(settings.classify.attribute_threshold.values())
    answered, photos = sum(sources.answers.models.values()) if sources.answers else 0, sources.photos
    is_all_answered = photos is not None and answered + sources.failed_answers >= len(photos)
    is_tuned = thresholds != {0.5}
    return rank_steps(trained, errors, suspects, _tokens_each(sources), is_tuned, is_all_answered)


def budget_rows(sources: Sources, teacher: Figures | None) -> list[Row]:
    """Return a row for scenes and for each attribute: F1, and the gain if only one thing changed."""
    rows = []
    for head in RANKED_HEADS:
        figures = sources.metrics.get(f"train_{head}", {})
        curve, budget = figures.get("learning_curve"), figures.get("error_budget")
        if not curve or not budget:
            continue
        gain_of = {row["label"]: row["gain"] for row in curve["rows"]}
        for row in budget["rows"]:
            name = label_name(row["label"])
            if (head == "scene") != (row["label"] == "all"):
                continue
            errors: dict[str, TeacherErrors] = {}
            if teacher:
                errors = find_teacher_errors(teacher, [] if head == "scene" else [name])
            gains = {
                "right answers": gain_of_right_answers(row, errors[head]).value if head in errors else None,
                "twice as many": gain_of[row["label"]],
                "best threshold": row.get("threshold"),
                "neighbours": row["neighbours"],
                "non-linear": row["probe"],
            }
            # A rough rest: the gains overlap, so it may be too small.
            rest = 1.0 - row["f1"] - sum(max(0.0, gain) for gain in gains.values() if gain is not None)
            shown = "scenes" if head == "scene" else show_name(row["label"], sources.settings.taxonomy)
            rows.append(
                {"": Cell(shown), "wrong now": Cell(f"{100 * (1.0 - row['f1']):.1f}")}
                | {text: Cell(_points(gain)) for text, gain in gains.items()}
                | {"not explained": Cell(f"{100 * max(0.0, rest):.1f}")}
            )
    return rows


def describe_precision(student: Figures) -> str:
    """Return how precise the share of right scenes is, and would be with twice as many checked photos."""
    scene, interval = student["scene"], read_interval(student["scene"], "accuracy")
    if interval is None or interval.reason:
        return ""
    now, minutes = 50 * (interval.high - interval.low), 60 * student["n"] / REVIEWED_PER_HOUR
    return (
        f"The share of right scenes, {format_share(scene['accuracy'])}, is known to about ±{now:.1f} points. "
        f"Checking {say_count(student['n'], 'more photo')} under Measure, in about {minutes:.0f} minutes, "
        f"would bring that to about ±{now / 2**0.5:.1f}."
    )


def _points(gain: float | None, sign: str = "+") -> str:
    return "–" if gain is None else f"{100 * gain:{sign}.1f}".replace("-", "\u2212")


def _tokens_each(sources: Sources) -> str:
    """Return what an answer costs in tokens, as text that follows the number of answers.

    Not in money: prices are machine-local settings, and a report may depend on none.
    """
    used = sources.metrics.get("annotate", {})
    tokens = used.get("prompt_tokens", 0) + used.get("completion_tokens", 0)
    if not tokens or not used.get("answered"):
        return ""
    return f" of about {tokens / used['answered']:.0f} tokens each (annotate.dry_run: the price)"


def _read_line(row: Figures, sizes: list[int], taxonomy: Taxonomy) -> LearningLine:
    """Return the line of one row; x is the logarithm of the number of answers, scaled to 0..1."""
    places = [log(size / sizes[0]) / log(sizes[-1] / sizes[0]) for size in sizes]
    f1 = row.get("f1", [])
    points = [
        (place, value, *ends)
        for place, value, ends in zip(places, f1, row.get("f1_interval", []), strict=False)
    ]
    is_known = row["gain"] is not None
    return LearningLine(
        name=show_name(row["label"], taxonomy),
        points=points,
        twice=(1.0, row["twice"], *row["twice_interval"]) if is_known else None,
        now=format_share(f1[-1] if f1 else None),
        gain=Estimate(row["gain"], *row["gain_interval"]) if is_known else None,
        reason="" if is_known else explain_no_interval(row["gain_interval"]),
    )
