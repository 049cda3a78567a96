"""Proposals as text: one line for each, then what is not proposed, with the reason."""

from textwrap import wrap

from vibe_photos.evaluate.text_report import format_table
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import HeadName
from vibe_photos.thresholds.proposals import TOO_FEW, Choice, Trial, Tuning
from vibe_photos.thresholds.sweep import Aim, LabelScores
from vibe_photos.thresholds.temperature import Proposal, TemperatureTuning

_WIDTH = 100
_COLUMNS = (
    "label", "photos", "now", "new", "tune half now", "new", "optimism",
    "library", "people", "score half now", "new",
)  # fmt: skip
_TEMPERATURE_COLUMNS = ("", "photos", "now", "new", "log loss now", "new", "gain", "score half now", "new")
_MEASURE_MORE = "measure more with `vibe-photos review`; the teacher's answers are not used for thresholds"


def format_tuning(tuning: Tuning, aim: Aim) -> str:
    """Return the table of proposals with their scores, and the labels that have none."""
    rows = [
        _row(label_name(key), choice, choice.trial, tuning.scored_now[key], tuning.scored_then[key], aim)
        for key, choice in tuning.choices.items()
        if choice.trial is not None and not choice.reason
    ]
    legend = [
        "photos: those of the tune half with the label; now, new: current and proposed threshold",
        f"tune half: {aim.figure_name} on its {tuning.tune_photos} photos; "
        "new: in cross-validation, tuned on other photos",
        "optimism: how much better the new threshold scores on the photos on which it was tuned",
        "library: share of it that gets the label; people: interval of the share that has it",
        f"score half: {aim.figure_name} on its {tuning.score_photos} photos, which are not used for tuning",
        "",
    ]
    table = [*legend, *format_table(_COLUMNS, rows)] if rows else ["no threshold to propose"]
    return "\n".join([f"thresholds for {aim}", *table, *_list_refused(tuning), *_list_untried(tuning)])


def format_temperatures(found: TemperatureTuning) -> str:
    """Return the table of the best temperatures, and why some are not proposed."""
    rows = [
        _temperature_row(head, proposal, found) for head, proposal in found.proposals.items() if proposal.best
    ]
    legend = [
        f"photos: those of the tune half ({found.tune_photos}) whose label people and the student know",
        "now, new: temperature; below 1 probabilities become more confident",
        "log loss: of a label on the tune half; new: in cross-validation, fitted to other photos",
        f"score half: calibration error on its {found.score_photos} photos, which are not used for tuning",
        "",
    ]
    refused = [f"{head}: {proposal.reason}" for head, proposal in found.proposals.items() if proposal.reason]
    table = [*legend, *format_table(_TEMPERATURE_COLUMNS, rows)] if rows else []
    return "\n".join([*table, *(["", "not proposed:", *refused] if refused else [])])


def _temperature_row(head: HeadName, proposal: Proposal, found: TemperatureTuning) -> list[str]:
    gain = proposal.gain
    return [
        head,
        str(proposal.photos),
        f"{proposal.current:g}",
        f"{proposal.best:g}",
        f"{proposal.loss_now:.4f}",
        f"{proposal.loss_then:.4f}",
        f"{gain.low:+.4f} to {gain.high:+.4f}" if gain else "",
        *("-" if error is None else f"{error:.3f}" for error in found.errors[head]),
    ]


def _row(name: str, choice: Choice, trial: Trial, now: LabelScores, then: LabelScores, aim: Aim) -> list[str]:
    return [
        name,
        str(choice.positives),
        f"{choice.current:g}",
        f"{trial.threshold:g}",
        aim.format(trial.now),
        aim.format(trial.cross_validated),
        aim.format_gain(trial.cross_validated, trial.in_sample),
        f"{trial.share:.0%}",
        f"{trial.prevalence.low:.0%}-{trial.prevalence.high:.0%}",
        aim.format(now),
        aim.format(then),
    ]


def _list_refused(tuning: Tuning) -> list[str]:
    """Return the best thresholds that are not proposed, and why."""
    refused = [
        f"{label_name(key)} {choice.trial.threshold:g}: {choice.reason}"
        for key, choice in tuning.choices.items()
        if choice.trial is not None and choice.reason
    ]
    return ["", "tried, and not proposed:", *refused] if refused else []


def _list_untried(tuning: Tuning) -> list[str]:
    """Return, for each reason, the labels whose thresholds stay, with their number of photos."""
    labels: dict[str, list[str]] = {}
    for key, choice in tuning.choices.items():
        if choice.trial is None:
            labels.setdefault(choice.reason, []).append(f"{label_name(key)} ({choice.positives})")
    return [
        line
        for reason, names in labels.items()
        for line in (
            "",
            f"unchanged (with the number of photos that have the label): {reason}",
            *([_MEASURE_MORE] if reason == TOO_FEW else []),
            *_wrap_names(names),
        )
    ]


def _wrap_names(names: list[str]) -> list[str]:
    """Return lines of names with counts; a name and its count are on the same line."""
    joined = ", ".join(name.replace(" ", "\u00a0") for name in names)
    return [line.replace("\u00a0", " ") for line in wrap(joined, _WIDTH)]
