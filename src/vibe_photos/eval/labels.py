"""`python -m vibe_photos.eval.labels --gt FILE`: how good the labels are, for any truth file.

Prints scene accuracy and confusion, precision, recall and F1 per attribute, and object top-1 and top-3.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vibe_photos.configuration import read_resolved
from vibe_photos.errors import VibePhotosError
from vibe_photos.eval.design import read_design
from vibe_photos.eval.evaluate import read_memberships
from vibe_photos.eval.opinions import opinions_of_labels, opinions_of_records, read_keys
from vibe_photos.eval.summary import Comparison, Figures, summarise
from vibe_photos.eval.text_report import format_figures
from vibe_photos.heads.label_table import read_decisions
from vibe_photos.labels.draws.inclusion import split_by_hand, weigh_audited
from vibe_photos.labels.split import Membership
from vibe_photos.labels.truth_file import fit_keys, read_truth_file
from vibe_photos.settings import Settings

_EXAMPLES = """examples:
  python -m vibe_photos.eval.labels --gt data/human/ground_truth_human.audited.json
  python -m vibe_photos.eval.labels --gt data/ground_truth/auto/ground_truth_auto.jsonl --json

The truth is a JSON list, one JSON object or JSON Lines of
  {"image_id": "...", "scene": ["scene.food"], "attributes": {"attr.has_text": false}, "objects": []}
Label keys and settings are those of data/config/resolved.yaml (`dvc repro compose` makes it).
A record with "inclusion_probability" weighs by its inverse. An attribute that is absent is not judged."""


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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error that is told in a line."""
    options = _parse(arguments)
    try:
        measured = measure_truth_file(options.gt, options.labels, read_resolved())
    except VibePhotosError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(_as_json(measured) if options.json else _as_text(measured, options.gt, options.labels))
    return 0


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
    memberships = read_memberships(splits) if splits.exists() else {}
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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vibe_photos.eval.labels",
        description="Hold the labels in a database against a truth file, and print how good they are.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--gt", type=Path, required=True, metavar="FILE", help="truth, JSON or JSON Lines")
    parser.add_argument(
        "--labels",
        type=Path,
        default=Path("data/labels/labels.sqlite"),
        metavar="FILE",
        help="the label database (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs instead of tables")
    return parser.parse_args(arguments)


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


if __name__ == "__main__":
    sys.exit(main())
