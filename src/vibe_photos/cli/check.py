"""Check everything that a run needs, before the first paid request.

Photos, disk space, human labels, existing answers, teacher, encoder, git and DVC remotes: each line says ok,
or FIX and what to do. The only request to the teacher is for its list of models. The encoder is downloaded if
it is missing. If something has to be fixed, the command exits with status 1.
"""

import argparse
import logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos check`."""
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="check another value or choice, as stages take them: library.root=/mnt/photos teacher=offline",
    )
    parser.add_argument(
        "--ask", action="store_true", help="also ask the teacher about one photo (paid, answer kept)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.project.check import check_everything

    # The results already say what the stages would log.
    logging.getLogger().setLevel(logging.WARNING)
    check_everything(options.ask, options.overrides)
