"""`python -m vibe_photos.eval.labels --gt PATH`: how good the labels are, for any truth.

Prints scene accuracy and confusion, precision, recall and F1 per attribute, and object top-1 and top-3.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from vibe_photos.configuration import read_resolved
from vibe_photos.eval.truth_file import TruthFigures, format_json, format_text, measure_truth
from vibe_photos.human_truth.backup import warn_of_lost
from vibe_photos.settings import Taxonomy
from vibe_photos.storage.jsonl import write_jsonl
from vibe_photos.storage.local_store import find_store
from vibe_photos.terminal import run_command

_EXAMPLES = """examples:
  python -m vibe_photos.eval.labels --gt data/human
  python -m vibe_photos.eval.labels --gt data/human/decisions/anna.jsonl
  python -m vibe_photos.eval.labels --gt data/ground_truth/auto/ground_truth_auto.jsonl --json

The folder data/human gives people's measured labels, weighted as in evaluate@human, without taught photos. A
log gives only that reviewer's measured labels. Other files are a JSON list, one JSON object or JSON Lines of
  {"image_id": "...", "scene": ["scene.food"], "attributes": {"attr.has_text": false}, "objects": []}
Label keys and settings are those of data/config/resolved.yaml (`dvc repro compose` makes it).
A record with "inclusion_probability" is weighted by its inverse. Attributes and objects that are missing
are not judged; a list of objects is complete."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 1 after an error message."""
    options = _parse(arguments)
    return run_command(lambda: _measure(options))


def _measure(options: argparse.Namespace) -> None:
    settings = read_resolved()
    if options.gt.is_dir():
        warn_of_lost(options.gt, find_store(), settings.paths.splits)
    found = measure_truth(options.gt, options.labels, settings)
    if options.errors:
        write_errors(found, settings.taxonomy, options.errors)
    if options.json:
        print(format_json(found))
    else:
        print(format_text(found, options.gt, options.labels, settings.taxonomy))


def write_errors(found: TruthFigures, taxonomy: Taxonomy, folder: Path) -> None:
    """Write `scene_errors.jsonl`, `attribute_errors.jsonl` and `object_errors.jsonl`, one mistake a line.

    Objects that no photo gets as a label are left out: the figures list them once.
    """
    from vibe_photos.report.mistakes import list_mistakes

    for level, mistakes in list_mistakes(found.photos, taxonomy).items():
        records = ({"kind": title, **asdict(mistake)} for _, title, mistake in mistakes)
        write_jsonl(folder / f"{level}_errors.jsonl", records)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vibe_photos.eval.labels",
        description="Measure the labels in a database against a truth, and print how good they are.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--gt",
        type=Path,
        required=True,
        metavar="PATH",
        help="the truth: a folder like data/human, a log or a truth file",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        default=Path("data/labels/labels.sqlite"),
        metavar="FILE",
        help="the label database (default: %(default)s)",
    )
    parser.add_argument(
        "--errors", type=Path, metavar="FOLDER", help="also write each photo's mistakes there, as JSON Lines"
    )
    parser.add_argument("--json", action="store_true", help="print JSON for programs instead of tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
