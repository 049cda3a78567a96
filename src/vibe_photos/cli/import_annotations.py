"""Answers made elsewhere, taken into the store."""

import argparse
from pathlib import Path

from vibe_photos.cli.command import Commands


def add_command(commands: Commands) -> None:
    """Declare `vibe-photos import-annotations`."""
    parser = commands.add_parser(
        "import-annotations",
        help="take answers made elsewhere into the store",
        description="Take raw annotations (JSON Lines made by this tool or an older script, on another "
        "machine) into the store, so that they are never paid for again.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", default="imported", help="model of records that do not say (%(default)s)")
    parser.add_argument(
        "--prompt-id", default="imported", help="prompt_id of records that do not say (%(default)s)"
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from vibe_photos.annotate.imports import import_annotations
    from vibe_photos.storage.local_store import find_store

    import_annotations(options.files, find_store(), options.model, options.prompt_id)
