"""`review --status`: the results of measuring and teaching so far, and what to do next."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vibe_photos.errors import InputError
from vibe_photos.heads.out_of_fold import read_trained
from vibe_photos.human_truth.labels import read_human_truth
from vibe_photos.human_truth.sample import MeasuredSample, read_measured_sample, read_sampled
from vibe_photos.lineage import run_git
from vibe_photos.records.ground_truth import read_proposals
from vibe_photos.records.label_tables import LabelTable, read_labels
from vibe_photos.records.photos import say_count
from vibe_photos.records.splits import Membership, find_current_ids, read_current_ids, read_splits
from vibe_photos.records.taxonomy import HEADS, show_name
from vibe_photos.review.queue import read_teaching_queue
from vibe_photos.settings import Settings, Taxonomy
from vibe_photos.statistics import metrics
from vibe_photos.statistics.intervals import Interval, estimate_intervals
from vibe_photos.statistics.label_arrays import JudgedPhotos, judge_photos
from vibe_photos.statistics.metrics import UNJUDGED, Ratio
from vibe_photos.statistics.summary import explain_no_interval

MORE = 100
"""The number of further photos whose effect the status predicts, where so many remain."""

SHARE = " share"
"""The suffix of the names of figures that are shares of photos: `measure_status` tells them by it."""


@dataclass(frozen=True, slots=True)
class FigureStatus:
    """A figure with its interval, and how wide (high - low) it would be after some more photos."""

    name: str
    value: float | None
    interval: Interval
    width_after: float | None


def describe_status(settings: Settings) -> str:
    """Return the state of both queues for a terminal.

    Raises:
        InputError: a stage has not run, or a file of people's is malformed.
    """
    parts = (_describe_measuring(settings), _describe_teaching(settings), _describe_proposals(settings))
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def measure_status(
    settings: Settings, sample: MeasuredSample, whole_sample: MeasuredSample | None = None, more: int = MORE
) -> list[FigureStatus]:
    """Return scene accuracy, and share and F1 of each attribute, as people measured them.

    `whole_sample` is given if `sample` is only the half on which no threshold was tuned; shares then use all.
    `more` is the number of further photos whose effect is predicted.
    """
    if not sample.records:
        return []
    memberships, labels = read_splits(settings.paths.splits), read_labels(settings.paths.labels)
    figures = _measure(settings, sample, memberships, labels, more)
    if whole_sample is None:
        return figures
    all_figures = {one.name: one for one in _measure(settings, whole_sample, memberships, labels, more)}
    return [all_figures[one.name] if one.name.endswith(SHARE) else one for one in figures]


def _measure(
    settings: Settings,
    sample: MeasuredSample,
    memberships: Mapping[str, Membership],
    labels: LabelTable,
    more: int,
) -> list[FigureStatus]:
    photos = judge_photos(sample.records, memberships, labels, settings.taxonomy)
    ratios = list_ratios(photos, settings.taxonomy)
    intervals = estimate_intervals(list(ratios.values()), photos.design, settings.evaluate)
    kept = len(sample.records) / max(1, len(sample.records) + sample.left_out)
    shrinkage = expect_shrinkage(len(sample.records), len(memberships), round(more * kept))
    return [
        FigureStatus(name, ratio.value(photos.design.weights), found, _predict_width(found, shrinkage))
        for (name, ratio), found in zip(ratios.items(), intervals, strict=True)
    ]


def list_ratios(photos: JudgedPhotos, taxonomy: Taxonomy) -> dict[str, Ratio]:
    """Return the figures that the status shows, by name."""
    truth, prediction = photos.truth, photos.prediction
    ratios = {"Student's scene accuracy": metrics.accuracy(truth.scene, prediction.scene)}
    for column, key in enumerate(photos.keys.attribute):
        y_true, y_pred = truth.attributes[:, column], prediction.attributes[:, column]
        is_judged = (y_true != UNJUDGED).astype(np.float64)
        is_true = (y_true == 1).astype(np.float64)
        name = show_name(key, taxonomy)
        ratios[name + SHARE] = Ratio(is_true, is_judged, int(is_judged.sum()))
        ratios[f"{name} F1"] = metrics.f1(y_true, y_pred)
    return ratios


def expect_shrinkage(measured: int, photos: int, more: int) -> float:
    """Return the factor by which intervals narrow when `more` photos of the sample are measured.

    The variance of a mean of n of N photos goes with 1/n - 1/N (Cochran 1977, "Sampling techniques", 2.14).
    """
    now, after = (1.0 / min(n, photos) - 1.0 / photos for n in (measured, measured + more))
    return float(np.sqrt(after / now)) if now > 0 else 0.0


def count_leaving(memberships: Mapping[str, Membership], trained: set[str], more: int) -> int:
    """Return how many of the next `more` photos of the sample trained the heads, and would not any more.

    The sample takes the lowest permanent numbers, of each stratum: so this is about right.
    """
    waiting = [image_id for image_id, one in memberships.items() if one.role != "reserved"]
    waiting.sort(key=lambda image_id: memberships[image_id].number)
    return len(trained.intersection(waiting[:more]))


def _describe_measuring(settings: Settings) -> list[str]:
    paths = settings.paths
    memberships = read_splits(paths.splits)
    truth = read_human_truth(paths.human, find_current_ids(memberships))
    half = settings.classify.scored_half
    sample = read_measured_sample(paths.human, settings.taxonomy, memberships, half)
    sampled = read_sampled(paths.sample).keys() & memberships.keys()
    checked, skipped = len(sampled & truth.measured.keys()), len(sampled & truth.skipped.keys())
    lines = [
        "MEASURE: photos drawn at random, for the figures about the library. They never train.",
        f"  {checked} of {len(sampled)} photos of the sample are checked, {skipped} skipped.",
    ]
    if sample.waiting:
        late = say_count(len(sample.waiting))
        lines.append(f"  Checked out of order: {late}. They count once those before them are shown.")
    if sample.own_set:
        lines.append(f"  Your own set, in no figure about the library: {say_count(len(sample.own_set))}.")
    if sample.records and sample.unmeasured_strata:
        missing = ", ".join(
            f"{show_name(name, settings.taxonomy)} ({say_count(photos)})"
            for name, photos in sample.unmeasured_strata.items()
        )
        lines.append(f"  The figures do not cover: {missing}. Check the next photos of the sample.")
    whole_sample = read_measured_sample(paths.human, settings.taxonomy, memberships) if half else None
    # First the rest of the sample; then a larger one, of the photos that the library still has.
    more = min(MORE, len(sampled) - checked - skipped or len(memberships) - len(sampled))
    figures = measure_status(settings, sample, whole_sample, more)
    lines += [f"  {line}" for line in _format_figures(figures, settings.evaluate.confidence_level, more)]
    if checked + skipped < len(sampled):
        return [*lines, "  Next: vibe-photos review"]
    if not more:
        return [*lines, "  All photos of the library are in the sample."]
    leaving = count_leaving(memberships, read_trained(paths.models) or set(), more)
    cost = f"about {leaving} of them leave training" if leaving else "none of them trains today"
    size = len(sampled) + more
    return [*lines, f"  For {more} more, set sample.size to {size} in params.yaml and run dvc repro: {cost}."]


def _describe_teaching(settings: Settings) -> list[str]:
    paths = settings.paths
    taught = read_human_truth(paths.human, read_current_ids(paths.splits)).taught
    waiting = read_teaching_queue(settings).keys() - taught.keys()
    lines = [
        "TEACH: chosen photos, for the student. It learns your answers instead of the teacher's.",
        f"  Taught so far: {say_count(len(taught))}. Worth a look: {say_count(len(waiting))}.",
    ]
    counts = _read_json(paths.eval / "teach.json")
    if counts.get("photos_taught"):
        changed = ", ".join(say_count(counts[head]["labels_changed"], f"{head} label") for head in HEADS)
        photos = say_count(counts["photos_taught"])
        lines.append(f"  At the last dvc repro {photos} taught, of which you changed {changed}.")
    for head in HEADS:
        now = _read_quality(_read_json(paths.eval / f"train_{head}.json"))
        before = _read_quality(_read_committed(paths.eval / f"train_{head}.json"))
        if now is not None:
            was = "" if before in (None, now) else f" (at the last commit {before:.3f})"
            said = (
                f"  Student's agreement with the {head} labels of photos it had not learned from: {now:.3f}"
            )
            lines.append(said + was)
    return [*lines, "  Next: vibe-photos review, Teach at the top of the page; then dvc repro"]


def _describe_proposals(settings: Settings) -> list[str]:
    """Return the objects that people proposed and that are no labels yet, frequent ones first."""
    human, current_ids = settings.paths.human, read_current_ids(settings.paths.splits)
    truth = read_human_truth(human, current_ids).fit(settings.taxonomy, human)
    words = Counter(word for one in truth.everything.values() for word in read_proposals(one))
    if not words:
        return []
    said = [f"{word} ({say_count(photos)})" for word, photos in words.most_common()]
    return [
        "PROPOSED: objects that people saw and that have no label yet.",
        f"  {', '.join(said)}",
        "  A line in the taxonomy makes one a label, on these photos too: docs/LABELS.md, Add.",
    ]


def _read_quality(metric: Mapping[str, Any]) -> float | None:
    """Return a head's out-of-fold accuracy, if known."""
    return (metric.get("cross_validation") or {}).get("accuracy")


def _read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_bytes()) if path.is_file() else {}
    return found


def _read_committed(path: Path) -> dict[str, Any]:
    """Return a metric as of the last commit; empty if there is none."""
    try:
        found: dict[str, Any] = json.loads(run_git("-C", str(path.parent), "show", f"HEAD:./{path.name}"))
    except (InputError, ValueError):
        return {}
    return found


def _predict_width(interval: Interval, shrinkage: float) -> float | None:
    return None if interval.reason else (interval.high - interval.low) * shrinkage


def _format_figures(figures: Sequence[FigureStatus], level: float, more: int) -> list[str]:
    if not figures:
        return ["There are no figures about the library yet."]
    head = f"{'':24}{'now':>7}  {f'{level:.0%} interval':<16}{'width':>7}   after {more} more"
    rows = [f"{one.name:24}{_show(one.value):>7}  {_show_interval(one)}" for one in figures]
    return [head, *rows]


def _show(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.3f}"


def _show_interval(one: FigureStatus) -> str:
    if one.interval.reason or one.width_after is None:
        return f"none: {explain_no_interval(one.interval.reason)}"
    low, high = one.interval.low, one.interval.high
    return f"{f'{low:.3f} to {high:.3f}':<16}{high - low:>7.3f}   {one.width_after:.3f}"
