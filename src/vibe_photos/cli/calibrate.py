"""Propose temperatures that make probabilities mean what they say, and with --write use them.

Fit one number for each of scenes, attributes and objects on half of the photos that people measured. It
divides the logits of their probabilities, and is proposed if the log loss is lower in cross-validation. No
label changes: thresholds move along. Tune thresholds afterwards.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos calibrate`."""
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
    from vibe_photos.thresholds.temperature import propose_temperatures
    from vibe_photos.thresholds.text import format_temperatures

    settings = read_resolved()
    found = propose_temperatures(settings)
    print(format_temperatures(found))
    changes = found.list_changes(settings.classify)
    if not changes["temperature"]:
        print("\nthere is no proposal, and nothing to write")
    elif options.write:
        write_changes(Path("params.yaml"), changes)
        moved = sum(len(values) for section, values in changes.items() if section != "temperature")
        heads = ", ".join(changes["temperature"])
        print(f"\nwritten to params.yaml: temperature of {heads}; thresholds moved: {moved}; now: dvc repro")
        print(f"from now on figures use only one half of people's truth: {SCORE_HALF}")
    else:
        print("\nnothing is written yet: run again with --write")
