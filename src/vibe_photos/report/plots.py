"""The page's plots, from a run's figures: the confusion matrix, precision over recall, calibration."""

import csv
from dataclasses import dataclass
from pathlib import Path

from vibe_photos.records.taxonomy import shown_names
from vibe_photos.report.sources import Sources
from vibe_photos.report.tables import format_share
from vibe_photos.statistics.intervals import Interval
from vibe_photos.statistics.reliability import (
    ReliabilityPoint,
    calibration_error,
    predictions_out_of_fold,
    reliability_points,
)
from vibe_photos.statistics.summary import Figures

Point = tuple[float, float]
"""Recall and precision."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Photos by true class (row) and predicted class (column); the last column may be `missing`."""

    actual: list[str]
    predicted: list[str]
    counts: list[list[int]]

    def count_given(self) -> dict[str, int]:
        """Return how many photos got each class."""
        return {said: sum(row[place] for row in self.counts) for place, said in enumerate(self.predicted)}


@dataclass(frozen=True, slots=True)
class Curve:
    """Precision over recall of one attribute, `positives` of whose photos show it.

    `points` by rising recall; `student` is the point of the threshold in use; `teacher` is a single point,
    because the teacher has no threshold.
    """

    name: str
    average_precision: str
    positives: int
    points: list[Point]
    student: Point | None
    teacher: Point | None


@dataclass(frozen=True, slots=True)
class Calibration:
    """A reliability diagram: points by rising probability, and calibration errors in percent.

    `evaluated` and `error` are by the page's truth, `training` and `training_error` by the teacher's answers
    on training photos (out of fold). `noise` is the 95th percentile of the error of a perfectly
    calibrated student on the page's photos; `is_off` is true if the rounded `error` is larger.
    """

    name: str
    error: str
    noise: str
    is_off: bool
    training_error: str
    evaluated: list[ReliabilityPoint]
    training: list[ReliabilityPoint]


def read_confusion(student: Figures) -> Confusion:
    """Rebuild the full matrix: photos of a scene that are not listed as confused are right."""
    scene = student["scene"]
    support = {row["scene"]: row["support"] for row in scene["per_class"]}
    names = sorted(support)
    predicted = [*names, "missing"] if scene["missing"] else names
    wrong = {(row["actual"], row["predicted"]): row["photos"] for row in scene["confusion"]}
    counts = [[wrong.get((actual, said), 0) for said in predicted] for actual in names]
    for i, name in enumerate(names):
        counts[i][i] = support[name] - sum(counts[i])
    return Confusion(names, predicted, counts)


def read_curves(sources: Sources, student: Figures, teacher: Figures | None) -> list[Curve]:
    """Return the curve of each attribute that has one."""
    curves, names = [], shown_names(sources.settings.taxonomy, "attribute")
    for name, values in student["attributes"].items():
        rows = _read_csv(_plot_folder(sources) / "precision_recall" / f"{name}.csv")
        if rows:
            points = [(float(row["recall"]), float(row["precision"])) for row in rows]
            theirs = teacher["attributes"].get(name) if teacher else None
            average = format_share(values["average_precision"])
            shown, positives = names.get(name, name), values["positives"]
            curves.append(Curve(shown, average, positives, points, _point(values), _point(theirs)))
    return curves


def read_calibrations(sources: Sources, student: Figures) -> list[Calibration]:
    """Return a reliability diagram for the scene, each attribute and all objects."""
    by_teacher = predictions_out_of_fold(sources.held_out)
    level = sources.settings.evaluate.confidence_level
    names = {"scene": "Scene", "objects": "Objects", **shown_names(sources.settings.taxonomy, "attribute")}
    calibrations = []
    for name, error in student.get("calibration_error", {}).items():
        noise = student["calibration_noise"][name]
        off_by, by_chance = _format_error(error), _format_error(noise)
        held_out = by_teacher.get(name)
        points = [
            ReliabilityPoint(
                probability=float(row["probability"]),
                frequency=float(row["frequency"]),
                interval=Interval(float(row["low"]), float(row["high"])),
                statements=int(row["statements"]),
            )
            for row in _read_csv(_plot_folder(sources) / "calibration" / f"{name}.csv")
        ]
        calibrations.append(
            Calibration(
                name=names.get(name, name),
                error=off_by,
                noise=by_chance,
                is_off=error is not None and float(off_by) > float(by_chance),
                training_error=_format_error(calibration_error(held_out) if held_out else None),
                evaluated=points,
                training=reliability_points(held_out, level) if held_out else [],
            )
        )
    return calibrations


def _plot_folder(sources: Sources) -> Path:
    return sources.settings.paths.eval / str(sources.truth) / "plots"


def _read_csv(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file; none if there is no file."""
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
