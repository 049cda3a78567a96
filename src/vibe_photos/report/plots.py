"""The page's plots, from a run's figures: the confusion matrix, precision over recall, calibration."""

import csv
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from vibe_photos.report.sources import Sources
from vibe_photos.report.svg import Confusion, Point, draw_curve, draw_reliability
from vibe_photos.report.tables import format_share
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.reliability import (
    ReliabilityPoint,
    calibration_error,
    predictions_out_of_fold,
    reliability_points,
)
from vibe_photos.statistics.summary import Figures


@dataclass(frozen=True, slots=True)
class Card:
    """A plot with its name and what its caption says."""

    name: str
    captions: tuple[str, ...]
    plot: Markup


def read_confusion(student: Figures) -> Confusion:
    """Rebuild the whole matrix: the photos of a scene that are not listed as confused are right."""
    scene = student["scene"]
    support = {row["scene"]: row["support"] for row in scene["per_class"]}
    names = sorted(support)
    predicted = [*names, "missing"] if scene["missing"] else names
    wrong = {(row["actual"], row["predicted"]): row["photos"] for row in scene["confusion"]}
    counts = [[wrong.get((actual, said), 0) for said in predicted] for actual in names]
    for i, name in enumerate(names):
        counts[i][i] = support[name] - sum(counts[i])
    return Confusion(names, predicted, counts)


def make_curves(sources: Sources, student: Figures, teacher: Figures | None) -> list[Card]:
    """Return precision over recall for each attribute that has a curve; the caption is average precision."""
    cards = []
    for name, values in student["attributes"].items():
        rows = _read_csv(_plot_folder(sources) / "precision_recall" / f"{name}.csv")
        if not rows:
            continue
        points = [(float(row["recall"]), float(row["precision"])) for row in rows]
        average = format_share(values["average_precision"])
        theirs = teacher["attributes"].get(name) if teacher else None
        alt = f"Precision over recall for {name}: average precision {average}"
        cards.append(Card(name, (average,), draw_curve(points, _point(values), _point(theirs), alt)))
    return cards


def make_calibrations(sources: Sources, student: Figures) -> list[Card]:
    """Return a reliability diagram for the scene, each attribute and all objects.

    The captions are the calibration errors in percent: by the page's truth, and by the teacher's answers on
    training photos (out of fold).
    """
    by_teacher = predictions_out_of_fold(sources.held_out)
    level = sources.settings.evaluate.confidence_level
    cards = []
    for name, error in student.get("calibration_error", {}).items():
        held_out = by_teacher.get(name)
        errors = _format_error(error), _format_error(calibration_error(held_out) if held_out else None)
        points = [
            ReliabilityPoint(
                probability=float(row["probability"]),
                frequency=float(row["frequency"]),
                interval=Interval(float(row["low"]), float(row["high"])),
                statements=int(row["statements"]),
            )
            for row in _read_csv(_plot_folder(sources) / "calibration" / f"{name}.csv")
        ]
        alt = f"Share that is true over probability for {name}: calibration error {errors[0]}"
        training = reliability_points(held_out, level) if held_out else []
        cards.append(Card(name, errors, draw_reliability(points, training, alt)))
    return cards


def _plot_folder(sources: Sources) -> Path:
    return sources.settings.paths.eval / str(sources.truth) / "plots"


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, none where there is no file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _point(values: Figures | None) -> Point | None:
    if not values or values["recall"] is None or values["precision"] is None:
        return None
    return values["recall"], values["precision"]


def _format_error(error: float | None) -> str:
    return "–" if error is None else f"{100 * error:.1f}"
