"""Labels measured against any truth file, for `python -m vibe_photos.eval.labels`."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.evaluate.text_report import format_figures
from vibe_photos.human_truth.sample import weigh_stated
from vibe_photos.records.ground_truth import fit_keys, read_truth_file
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.records.splits import read_splits
from vibe_photos.settings import Settings
from vibe_photos.statistics.label_arrays import judge_photos
from vibe_photos.statistics.summary import Figures, summarise


@dataclass(frozen=True, slots=True)
class TruthFileFigures:
    """The figures of one truth file, and how many of its records count.

    Left out are `not_in_database` records of photos without a row in the label database, `by_hand` records of
    photos that no draw reached (`human_truth.sample`), and `tuned_on` photos of the half that chose
    thresholds. `trained_on` counts photos that trained the heads; None without splits.
    """

    figures: Figures
    records: int
    by_hand: int
    not_in_database: int
    trained_on: int | None
    tuned_on: int


def measure_truth_file(truth: Path, labels: Path, settings: Settings) -> TruthFileFigures:
    """Measure the labels of a database against a truth file.

    Near-duplicate groups and roles are those of `paths.splits` where that file exists. Photos on which
    thresholds were tuned (`classify.tuned_on`) are left out.

    Raises:
        InputError: a file is missing or malformed, or a record has an unknown label key.
    """
    read = fit_keys(read_truth_file(truth), settings.taxonomy, truth)
    read.sort(key=lambda record: record.image_id)  # as in `evaluate`: seeded intervals are then the same
    splits = settings.paths.splits
    memberships = read_splits(splits) if splits.exists() else {}
    roles = {image_id: membership.role for image_id, membership in memberships.items()}
    table = read_decisions(labels)
    labelled = set(table.image_ids)
    in_database = [record for record in read if record.image_id in labelled]
    tuned: set[str] = set()
    if settings.classify.tuned_on != "none":
        tuned = {image_id for image_id, membership in memberships.items() if membership.half == "tune"}
    kept = [record for record in in_database if record.image_id not in tuned]
    sample = weigh_stated(kept, {})
    # A file that says of no photo how it was drawn is measured as it is.
    records, by_hand = (sample.records, sample.own_set) if sample.records else (sample.own_set, [])
    photos = judge_photos(records, memberships, table, settings.taxonomy)
    return TruthFileFigures(
        figures=summarise(photos, settings.evaluate) if records else {"n": 0},
        records=len(read),
        by_hand=len(by_hand) + len(sample.waiting),
        not_in_database=len(read) - len(in_database),
        trained_on=sum(roles.get(i) == "train" for i in photos.image_ids) if memberships else None,
        tuned_on=len(in_database) - len(kept),
    )


def format_json(found: TruthFileFigures) -> str:
    """Return the figures and counts as indented JSON."""
    counts: Figures = {"records": found.records, "not_in_database": found.not_in_database}
    counts |= {} if found.trained_on is None else {"trained_on": found.trained_on}
    counts |= {"tuned_on": found.tuned_on} if found.tuned_on else {}
    counts |= {"by_hand": found.by_hand} if found.by_hand else {}
    return msgspec.json.format(msgspec.json.encode(found.figures | counts), indent=2).decode()


def format_text(found: TruthFileFigures, truth: Path, labels: Path) -> str:
    """Return the figures as tables for a terminal, below what was compared and what was left out."""
    figures = found.figures
    notes = [
        (found.not_in_database, "records of photos that are not in the database: left out"),
        (found.by_hand, "records of photos that no draw reached, which represent no others: left out"),
        (found.tuned_on, "photos left out: thresholds were tuned on their half"),
        (figures.get("missing"), "photos have no label at all and count as wrong"),
        (figures["n"] and found.trained_on, "of these photos trained the heads: the figures flatter them"),
    ]
    lines = [
        f"{truth} against {labels}: {found.records} records, {figures['n']} photos compared",
        *(f"{count} {note}" for count, note in notes if count),
    ]
    if figures["n"] == 0:
        lines.append("nothing to compare: no other photo of the truth has a label in the database")
        return "\n".join(lines)
    if figures["weights"] != "none":
        lines.append("photos weigh 1 / inclusion_probability")
    return "\n".join([*lines, "", format_figures(figures)])
