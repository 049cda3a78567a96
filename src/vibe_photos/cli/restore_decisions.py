"""Decisions that git or DVC replaced, brought back from this machine's store."""

import argparse

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos restore-decisions`."""
    parser = commands.add_parser(
        "restore-decisions",
        help="bring back decisions that git or DVC replaced",
        description="Every decision of the review page is also kept in this machine's store. This appends to "
        "data/human/decisions/ what the store knows and the files lack. Nothing is removed.",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.configuration import read_resolved
    from vibe_photos.human_truth.kept import restore_lost
    from vibe_photos.storage.local_store import find_store

    restored = restore_lost(read_resolved().paths.human, find_store())
    for reviewer, count in restored.items():
        print(f"{count} decisions of {reviewer} are back")
    print("now: git add data/human && dvc repro" if restored else "nothing is missing")
