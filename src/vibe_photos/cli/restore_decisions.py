"""Restore decisions that git or DVC replaced.

Every decision of the review page is also kept in this machine's store. This command appends decisions that
are missing in data/human/decisions/. Nothing is removed.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos restore-decisions`: none."""


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.configuration import read_resolved
    from vibe_photos.human_truth.backup import restore_lost
    from vibe_photos.storage.local_store import find_store

    paths = read_resolved().paths
    restored = restore_lost(paths.human, find_store(), paths.splits)
    for reviewer, count in restored.items():
        print(f"restored {count} decisions of {reviewer}")
    print("now: git add data/human && dvc repro" if restored else "nothing is missing")
