"""Proposed thresholds as text for a terminal: one line a label, then the labels without one, and why."""

from vibe_photos.evaluate.text_report import format_table
from vibe_photos.records.taxonomy import label_name
from vibe_photos.thresholds.proposals import Choice, ExamplesName, LabelScores, Tuning
from vibe_photos.thresholds.sweep import Aim

_SOURCES: dict[ExamplesName, str] = {
    "people": "people: audited photos of the tune half",
    "teacher": "teacher: its labels of the training photos, with scores of fits that had not seen them",
}
_COLUMNS = ("label", "tuned on", "positives", "now", "proposed", "tune half now", "then", "score half then")


def format_tuning(tuning: Tuning, aim: Aim) -> str:
    """Return the table of proposals with their scores, and the labels that have none."""
    rows = [
        _row(key, choice, tuning) for key, choice in tuning.choices.items() if choice.threshold is not None
    ]
    used = {choice.source for choice in tuning.choices.values() if choice.threshold is not None}
    lines = [
        f"thresholds for {aim}",
        f"scores: precision/recall/F1 on {tuning.tune_photos} audited photos of the tune half and "
        f"{tuning.score_photos} of the score half",
        *(text for source, text in _SOURCES.items() if source in used),
        "",
        *(format_table(_COLUMNS, rows) if rows else ["no threshold to propose"]),
    ]
    return "\n".join([*lines, *_left_as_they_are(tuning)])


def _left_as_they_are(tuning: Tuning) -> list[str]:
    """Return, for each reason, the labels without a proposal and how many photos show them."""
    labels: dict[str, list[str]] = {}
    for key, choice in tuning.choices.items():
        if choice.threshold is None:
            labels.setdefault(choice.reason, []).append(f"{label_name(key)} ({choice.positives})")
    return [
        line
        for reason, names in labels.items()
        for line in ("", f"left as they are (photos that show each): {reason}", ", ".join(names))
    ]


def _row(key: str, choice: Choice, tuning: Tuning) -> list[str]:
    return [
        label_name(key),
        str(choice.source),
        str(choice.positives),
        f"{choice.current:g}",
        f"{choice.in_force:g}",
        *(_format_scores(scores[key]) for scores in (tuning.before, tuning.after, tuning.scored)),
    ]


def _format_scores(scores: LabelScores) -> str:
    figures = (scores.precision, scores.recall, scores.f1)
    return "/".join("-" if figure is None else f"{figure:.2f}" for figure in figures)
