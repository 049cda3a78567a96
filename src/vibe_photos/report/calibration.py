"""Whether probabilities mean what they say, as a diagram for the scene, each attribute and all objects."""

from dataclasses import dataclass

from markupsafe import Markup

from vibe_photos.report.sources import Sources, read_reliability
from vibe_photos.report.squares import draw_reliability
from vibe_photos.statistics.reliability import (
    calibration_error,
    reliability_points,
    statements_out_of_fold,
)
from vibe_photos.statistics.summary import Figures


@dataclass(frozen=True, slots=True)
class CalibrationCard:
    """One diagram with its caption: the errors by the page's truth and, on training photos, the teacher's."""

    name: str
    error: str
    teacher_error: str
    plot: Markup


def calibration_cards(sources: Sources, student: Figures) -> list[CalibrationCard]:
    """Return a card for everything of which a calibration was measured."""
    folder = sources.settings.paths.eval / str(sources.truth) / "plots" / "calibration"
    by_teacher, level = statements_out_of_fold(sources.held_out), sources.settings.evaluate.confidence_level
    cards = []
    for name, error in student.get("calibration_error", {}).items():
        said = by_teacher.get(name)
        texts = _format_error(error), _format_error(calibration_error(said) if said else None)
        alt = f"Share that is true over probability for {name}: calibration error {texts[0]}"
        points = read_reliability(folder / f"{name}.csv")
        plot = draw_reliability(points, reliability_points(said, level) if said else [], alt)
        cards.append(CalibrationCard(name, *texts, plot))
    return cards


def _format_error(error: float | None) -> str:
    return "–" if error is None else f"{100 * error:.1f}"
