"""Try everything that a run needs, before anything is paid.

Photos, space, what people said, answers that are there, teacher, encoder, git and DVC remotes: each line says
ok, or what to do. Nothing is sent to the teacher but a request for its list of models. The encoder is fetched
if it is not here yet. Where something has to be fixed, the command ends with status 1.
"""

import argparse
import logging


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `vibe-photos check`."""
    parser.add_argument(
        "--ask", action="store_true", help="also ask the teacher about one photo: it is paid, and kept"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    from vibe_photos.project.check import check_everything

    # What stages log while they are tried is in the lines already.
    logging.getLogger().setLevel(logging.WARNING)
    check_everything(options.ask)
