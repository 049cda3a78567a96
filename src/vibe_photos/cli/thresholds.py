"""Propose thresholds, and with --write use them.

Try every threshold of every attribute and object on half of the audited photos (or, where these are too few,
on the teacher's labels of the training photos), and show the best one with its precision, recall and F1.
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
        help="write them into params.yaml; audited photos that chose one are then no longer scored",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.statistics.summary import SCORE_HALF
    from vibe_photos.thresholds.params_file import write_thresholds
    from vibe_photos.thresholds.proposals import tune_thresholds
    from vibe_photos.thresholds.sweep import parse_aim
    from vibe_photos.thresholds.text import format_tuning

    aim = parse_aim(options.aim)
    tuning = tune_thresholds(read_resolved(), aim)
    print(format_tuning(tuning, aim))
    if not any(choice.is_new for choice in tuning.choices.values()):
        print("\nthese thresholds are in use already: there is nothing to write")
    elif options.write:
        count = write_thresholds(Path("params.yaml"), tuning)
        print(f"\n{count} thresholds written to params.yaml; now: dvc repro")
        if tuning.is_decided_by_people:
            print(f"from now on people's truth counts on one half only: {SCORE_HALF}")
    else:
        print("\nnothing is written yet: run again with --write")
