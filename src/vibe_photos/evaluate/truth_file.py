"""The labels measured against any truth file, for `python -m vibe_photos.eval.labels`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.evaluate.text_report import format_figures
from vibe_photos.human_truth.inclusion import split_by_hand, weigh_audited
from vibe_photos.records.ground_truth import fit_keys, read_truth_file
from vibe_photos.records.label_tables import read_decisions
from vibe_photos.records.splits import Membership, read_splits
from vibe_photos.settings import Settings
from vibe_photos.statistics.design import read_design
from vibe_photos.statistics.opinions import opinions_of_labels, opinions_of_records, read_keys
from vibe_photos.statistics.summary import Comparison, Figures, summarise


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one truth file, and what of it did or did not count.

    `not_in_database` counts records of photos that have no row in the label database, `by_hand` those of
    photos that no draw came to (`labels.draws.inclusion`); both are left out.
    `trained_on` counts photos that trained the heads, or is None where no splits are at hand. `tuned_on`
    counts photos left out because they are of the half of the audited ones that chose thresholds.
    """

    figures: Figures
    records: int
    by_hand: int
    not_in_database: int
    trained_on: int | None
    tuned_on: int


def measure_truth_file(truth: Path, labels: Path, settings: Settings) -> Measured:
    """Hold the labels of a database against a truth file.

    Near-duplicate groups and roles are those of `paths.splits` where that file exists. Photos on which
    thresholds were tuned (`classify.tuned_on`) are left out.

    Raises:
        InputError: a file is missing or malformed, or a record has an unknown label key.
    """
    # In the order of `evaluate`: seeded intervals are then the same.
    read = sorted(
        fit_keys(read_truth_file(truth), settings.taxonomy, truth), key=lambda record: record.image_id
    )
    records, by_hand = split_by_hand(weigh_audited(read, []))
    splits = settings.paths.splits
    memberships = read_splits(splits) if splits.exists() else {}
    table, keys = read_decisions(labels), read_keys(settings.taxonomy)
    labelled = set(table.image_ids)
    known = [record for record in records if record.image_id in labelled]
    in_database = len(known)
    if settings.classify.tuned_on != "none":
        tuned = {image_id for image_id, membership in memberships.items() if membership.half == "tune"}
        known = [record for record in known if record.image_id not in tuned]
    image_ids = [record.image_id for record in known]
    comparison = Comparison(
        image_ids=image_ids,
        keys=keys,
        truth=opinions_of_records(known, keys),
        prediction=opinions_of_labels(table, image_ids, keys),
        design=read_design(known, memberships, 0.5 if len(known) < in_database else 1.0),
    )
    return Measured(
        figures=summarise(comparison, settings.evaluate) if known else {"n": 0},
        records=len(read),
        by_hand=len(by_hand),
        not_in_database=len(records) - in_database,
        trained_on=_count_trained(image_ids, memberships) if memberships else None,
        tuned_on=in_database - len(known),
    )


def _count_trained(image_ids: Sequence[str], memberships: dict[str, Membership]) -> int:
    return sum(image_id in memberships and memberships[image_id].role == "train" for image_id in image_ids)


def _as_json(measured: Measured) -> str:
    counts = {"records": measured.records, "not_in_database": measured.not_in_database}
    if measured.trained_on is not None:
        counts["trained_on"] = measured.trained_on
    if measured.tuned_on:
        counts["tuned_on"] = measured.tuned_on
    if measured.by_hand:
        counts["by_hand"] = measured.by_hand
    return msgspec.json.format(msgspec.json.encode(measured.figures | counts), indent=2).decode()


def _as_text(measured: Measured, truth: Path, labels: Path) -> str:
    figures = measured.figures
    lines = [f"{truth} against {labels}: {measured.records} records, {figures['n']} photos compared"]
    if measured.not_in_database:
        lines.append(f"{measured.not_in_database} records of photos that are not in the database: left out")
    if measured.by_hand:
        lines.append(
            f"{measured.by_hand} records of photos picked by hand, which speak for no others: left out"
        )
    if measured.tuned_on:
        lines.append(f"{measured.tuned_on} photos left out: thresholds were tuned on their half")
    if figures["n"] == 0:
        return "\n".join(
            [*lines, "nothing to compare: no other photo of the truth has a label in the database"]
        )
    if figures["missing"]:
        lines.append(f"{figures['missing']} photos have no label at all and count as wrong")
    if measured.trained_on:
        lines.append(f"{measured.trained_on} of these photos trained the heads: the figures flatter them")
    if figures["weights"] != "none":
        lines.append("photos weigh 1 / inclusion_probability")
    return "\n".join([*lines, "", format_figures(figures)])
