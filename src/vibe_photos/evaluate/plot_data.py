"""What is plotted of an evaluation, as CSV files: for `dvc plots`, for the report, for anyone's own tools."""

import csv
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vibe_photos.records.taxonomy import label_name
from vibe_photos.statistics import metrics
from vibe_photos.statistics.metrics import Curve
from vibe_photos.statistics.reliability import Statements, reliability_points
from vibe_photos.statistics.summary import Comparison
from vibe_photos.storage.files import write_bytes

CALIBRATION_COLUMNS = ("probability", "frequency", "low", "high", "statements")
MOST_CURVE_POINTS = 500
"""A plot shows no more; a curve of a million thresholds is thinned evenly to this many."""


def write_plot_data(
    folder: Path, comparison: Comparison, statements: dict[str, Statements], level: float
) -> None:
    """Write `confusion.csv`, `precision_recall/<attribute>.csv` and `calibration/<name>.csv`.

    `confusion.csv` has one line a photo with a true scene (columns `actual`, `predicted`); a curve's columns
    are `recall`, `precision`, `threshold`; a calibration's those of `CALIBRATION_COLUMNS`. Each attribute has
    a file of its own, so that no curve is joined to another's; with nothing to plot it is its header alone.
    """
    _write_confusion(folder / "confusion.csv", comparison)
    _write_curves(folder / "precision_recall", comparison)
    for name, said in statements.items():
        rows = (
            (p.probability, p.frequency, p.interval.low, p.interval.high, p.statements)
            for p in reliability_points(said, level)
        )
        written = ((*(f"{value:.4f}" for value in values), str(count)) for *values, count in rows)
        _write_csv(folder / "calibration" / f"{name}.csv", CALIBRATION_COLUMNS, written)


def thin_curve(curve: Curve) -> list[tuple[float, float, float]]:
    """Return at most `MOST_CURVE_POINTS` points (recall, precision, threshold), both ends among them.

    A curve on which nothing is true has no points.
    """
    if not len(curve.recall) or curve.recall[-1] == 0:
        return []
    count = min(len(curve.recall), MOST_CURVE_POINTS)
    chosen = np.linspace(0, len(curve.recall) - 1, count).round().astype(np.int64)
    columns = (curve.recall[chosen], curve.precision[chosen], curve.threshold[chosen])
    return list(zip(*(column.tolist() for column in columns), strict=True))


def _write_confusion(path: Path, comparison: Comparison) -> None:
    names = [*(label_name(key) for key in comparison.keys.scene), "missing"]
    pairs = zip(comparison.truth.scene.tolist(), comparison.prediction.scene.tolist(), strict=True)
    rows = ((names[actual], names[predicted]) for actual, predicted in pairs if actual >= 0)
    _write_csv(path, ("actual", "predicted"), rows)


def _write_curves(folder: Path, comparison: Comparison) -> None:
    for column, key in enumerate(comparison.keys.attribute):
        curve = metrics.precision_recall_curve(
            comparison.truth.attributes[:, column],
            comparison.prediction.attribute_scores[:, column],
            comparison.design.weights,
        )
        rows = (tuple(f"{value:.4f}" for value in point) for point in thin_curve(curve))
        _write_csv(folder / f"{label_name(key)}.csv", ("recall", "precision", "threshold"), rows)


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_bytes(path, text.getvalue().encode())
