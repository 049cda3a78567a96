"""Set damaged lines of the paid answers aside.

A line that is not as it was written stops every run. This moves such lines out of the logs of answers,
to `<log>.damaged` beside the log. The next run asks about their photos again.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos repair-store`: none."""


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.annotate.answers import set_damaged_aside
    from vibe_photos.storage.local_store import find_store

    store = find_store()
    damaged = set_damaged_aside(store)
    for path, count in damaged.items():
        print(f"{path}: damaged lines moved to {path.name}.damaged: {count}")
    print("now: dvc repro" if damaged else f"no line of the answers in {store} is damaged")
