"""How far the audit is, how sure the figures are by now, and what a hundred photos more would give."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from vibe_photos.human_truth.audited import read_audited, read_audited_truth
from vibe_photos.human_truth.rounds import read_rounds
from vibe_photos.human_truth.sample_design import read_sampled
from vibe_photos.records.label_tables import read_labels
from vibe_photos.records.splits import read_splits
from vibe_photos.records.taxonomy import label_name
from vibe_photos.settings import Settings
from vibe_photos.statistics import metrics
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import JudgedPhotos, is_evaluated, judge_photos
from vibe_photos.statistics.metrics import UNJUDGED, Ratio

MORE = 100
"""Photos of which the status says what they would give."""


@dataclass(frozen=True, slots=True)
class AuditCount:
    """How many photos of the library are audited, speak for the library, and still wait in the queue."""

    photos: int
    audited: int
    representative: int
    waiting: int


@dataclass(frozen=True, slots=True)
class FigureStatus:
    """A figure with its interval, and how wide (high - low) it would be after `MORE` photos."""

    name: str
    value: float | None
    interval: Interval
    width_after: float | None


def describe_status(settings: Settings) -> str:
    """Return the state of the audit for a terminal.

    Raises:
        InputError: a stage has not run, or a file of people's is malformed.
    """
    counts = count_audited(settings)
    lines = [
        f"{counts.audited} of {counts.photos} photos are audited, {counts.waiting} wait in the queue.",
    ]
    if counts.audited > counts.representative:
        lines.append(
            f"{counts.audited - counts.representative} were audited out of turn: they are truth and never "
            "train, but count in figures only when the queue has come to them."
        )
    figures = measure_status(settings) if counts.representative else []
    return "\n".join([*lines, *_format_figures(figures, settings.evaluate.confidence_level)])


def count_audited(settings: Settings) -> AuditCount:
    """Count the library's audited photos and those that wait in the sample and in rounds."""
    paths = settings.paths
    memberships = read_splits(paths.splits)
    audited = {record.image_id for record in read_audited(paths.human)} & memberships.keys()
    drawn = {record.image_id for record in read_audited_truth(paths.human, settings.taxonomy)}
    asked = {photo.image_id for one in read_rounds(paths.human) for photo in one.asked}
    queued = (asked | read_sampled(paths.sample).keys()) & memberships.keys()
    return AuditCount(len(memberships), len(audited), len(audited & drawn), len(queued - audited))


def measure_status(settings: Settings) -> list[FigureStatus]:
    """Return scene accuracy, and prevalence and F1 of each attribute, as people's audits show them now.

    Where thresholds were tuned on half of the audited photos, only the other half is looked at. None, where
    no photo is left to look at.
    """
    memberships, tuned_on = read_splits(settings.paths.splits), settings.classify.tuned_on
    audited = read_audited_truth(settings.paths.human, settings.taxonomy)
    records = [
        record
        for record in audited
        if record.image_id in memberships and is_evaluated(memberships[record.image_id], "human", tuned_on)
    ]
    if not records:
        return []
    kept_share = 1.0 if tuned_on == "none" else 0.5
    table = read_labels(settings.paths.labels)
    comparison = judge_photos(records, memberships, table, settings.taxonomy, kept_share)
    ratios = list_ratios(comparison)
    intervals = estimate_intervals(list(ratios.values()), comparison.design, settings.evaluate)
    shrinkage = expect_shrinkage(len(records), len(memberships), round(MORE * kept_share))
    return [
        FigureStatus(name, ratio.value(comparison.design.weights), found, _width(found, shrinkage))
        for (name, ratio), found in zip(ratios.items(), intervals, strict=True)
    ]


def list_ratios(comparison: JudgedPhotos) -> dict[str, Ratio]:
    """Return the figures that the status shows, by name."""
    truth, prediction = comparison.truth, comparison.prediction
    ratios = {"scene accuracy": metrics.accuracy(truth.scene, prediction.scene)}
    for column, key in enumerate(comparison.keys.attribute):
        y_true, y_pred = truth.attributes[:, column], prediction.attributes[:, column]
        is_judged = (y_true != UNJUDGED).astype(np.float64)
        is_true = (y_true == 1).astype(np.float64)
        ratios[f"{label_name(key)} share"] = Ratio(is_true, is_judged, int(is_judged.sum()))
        ratios[f"{label_name(key)} F1"] = metrics.f1(y_true, y_pred)
    return ratios


def expect_shrinkage(audited: int, photos: int, more: int) -> float:
    """Return by which factor intervals narrow when `more` photos are audited in the way of those so far.

    The variance of a mean of n of N photos goes with 1/n - 1/N (Cochran 1977, "Sampling techniques", 2.14),
    whatever the design, as long as the further photos are drawn like the first: an approximation, since a
    round is drawn otherwise than the sample, and does better for what it looks for.
    """
    now, after = (1.0 / min(n, photos) - 1.0 / photos for n in (audited, audited + more))
    return float(np.sqrt(after / now)) if now > 0 else 0.0


def _width(interval: Interval, shrinkage: float) -> float | None:
    return None if interval.reason else (interval.high - interval.low) * shrinkage


def _format_figures(figures: Sequence[FigureStatus], level: float) -> list[str]:
    if not figures:
        return ["Nothing can be said of the library yet: audit the queue from its beginning."]
    head = f"{'':24}{'now':>7}  {f'{level:.0%} interval':<16}{'width':>7}   after {MORE} more"
    rows = [f"{one.name:24}{_show(one.value):>7}  {_show_interval(one)}" for one in figures]
    note = f"What {MORE} more would give takes further photos to be drawn like those so far."
    return [head, *rows, note]


def _show(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.3f}"


def _show_interval(one: FigureStatus) -> str:
    if one.interval.reason or one.width_after is None:
        return f"none: {one.interval.reason}"
    low, high = one.interval.low, one.interval.high
    return f"{f'{low:.3f} to {high:.3f}':<16}{high - low:>7.3f}   {one.width_after:.3f}"
