"""Propose thresholds, and with --write use them.

Try every threshold of every attribute and object on half of the photos that people measured. The best one is
proposed if it improves the figures in cross-validation, and the share of the library that would get the label
agrees with people's labels (with --aim precision it may be smaller, with --aim recall larger).
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos thresholds`."""
    parser.add_argument(
        "--aim",
        default="f1",
        help="f1, precision=SHARE (the best recall with at least that precision) or recall=SHARE "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the proposals into params.yaml; the half used for tuning is then no longer scored",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.statistics.summary import SCORE_HALF
    from vibe_photos.thresholds.params_file import write_changes
    from vibe_photos.thresholds.proposals import tune_thresholds
    from vibe_photos.thresholds.sweep import parse_aim
    from vibe_photos.thresholds.text import format_tuning

    aim = parse_aim(options.aim)
    tuning = tune_thresholds(read_resolved(), aim)
    print(format_tuning(tuning, aim))
    if not any(choice.is_new for choice in tuning.choices.values()):
        print("\nthere is no proposal, and nothing to write")
    elif options.write:
        count = write_changes(Path("params.yaml"), tuning.list_changes())
        print(f"\n{count} thresholds written to params.yaml; now: dvc repro")
        print(f"from now on figures use only one half of people's truth: {SCORE_HALF}")
    else:
        print("\nnothing is written yet: run again with --write")
