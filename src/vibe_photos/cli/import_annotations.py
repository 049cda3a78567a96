"""Take answers made elsewhere into the store.

Take raw annotations (JSON Lines made by this tool or an older script, on another machine) into the store, so
that they are never paid for again.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos import-annotations`."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--model", default="imported", help="model of records that do not say (%(default)s)")
    parser.add_argument(
        "--prompt-id", default="imported", help="prompt_id of records that do not say (%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.annotate.answers import AnswerKey
    from vibe_photos.annotate.imports import import_annotations
    from vibe_photos.configuration import compose_settings
    from vibe_photos.storage.local_store import find_store

    # What params.yaml says now, not what it said in the last run.
    settings = compose_settings()
    import_annotations(options.files, find_store(), settings, AnswerKey(options.model, options.prompt_id))
