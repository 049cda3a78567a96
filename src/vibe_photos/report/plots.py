"""The page's plots, from the figures of a run: its confusion matrix and its curves."""

from dataclasses import dataclass

from markupsafe import Markup

from vibe_photos.report.figures import Confusion
from vibe_photos.report.sources import Sources, read_curve
from vibe_photos.report.squares import Point, draw_curve
from vibe_photos.report.tables import format_share
from vibe_photos.statistics.summary import Figures


@dataclass(frozen=True, slots=True)
class CurveCard:
    """One attribute's curve with its caption."""

    name: str
    average_precision: str
    plot: Markup


def confusion_of(student: Figures) -> Confusion:
    """Rebuild the whole matrix: what is not confused, of a scene's photos, is right."""
    scene = student["scene"]
    support = {row["scene"]: row["support"] for row in scene["per_class"]}
    names = sorted(support)
    predicted = [*names, "missing"] if scene["missing"] else names
    wrong = {(row["actual"], row["predicted"]): row["photos"] for row in scene["confusion"]}
    counts = [[wrong.get((actual, said), 0) for said in predicted] for actual in names]
    for place, (name, row) in enumerate(zip(names, counts, strict=True)):
        row[place] = support[name] - sum(row)
    return Confusion(names, predicted, counts)


def curve_cards(sources: Sources, student: Figures, teacher: Figures | None) -> list[CurveCard]:
    """Return a card for every attribute of which there is a curve, the teacher's point on it."""
    folder = sources.settings.paths.eval / str(sources.truth) / "plots" / "precision_recall"
    cards = []
    for name, values in student["attributes"].items():
        points = read_curve(folder / f"{name}.csv")
        if not points:
            continue
        average = format_share(values["average_precision"])
        theirs = teacher["attributes"].get(name) if teacher else None
        alt = f"Precision over recall for {name}: average precision {average}"
        plot = draw_curve(points, _point(values), _point(theirs), alt)
        cards.append(CurveCard(name, average, plot))
    return cards


def _point(values: Figures | None) -> Point | None:
    if not values or values["recall"] is None or values["precision"] is None:
        return None
    return values["recall"], values["precision"]
